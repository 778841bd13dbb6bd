"""`farm orders`, `farm nodes` and `farm recall`: what was attempted, and what is gone."""

from datetime import datetime
from typing import Annotated

import typer

from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.overview import duration, number_of, plain, rejected, say, say_json
from farm.errors import ConflictError, InvalidError, NotFoundError, command_name
from farm.language import spoken
from farm.views import FarmView, JobView, NodeView, OrderView, RecallView
from gcode.texts import Bilingual

orders_app = typer.Typer(help="Orders, and every attempt to print them.", no_args_is_help=True)
nodes_app = typer.Typer(help="Nodes of the farm.", no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: for scripts.")]
_MOST_ATTEMPTS = 1_000


def make_sure(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back; no answer is no."""
    if not yes:
        typer.confirm(plain(question), abort=True, err=True)


# --- farm orders


@orders_app.command("list")
@on_daemon
def list_orders(client: FarmClient, as_json: AsJson = False) -> None:
    """All orders: open ones first."""
    answer = client.get("/orders")
    if as_json:
        say_json(answer)
        return
    views = [OrderView.model_validate(row) for row in answer]
    for view in views:
        destination = f" for {view.destination}" if view.destination else ""
        recalled = ", recalled" if view.recalled else ""
        say(f"{view.id}: {view.good} of {view.quantity} x {view.revision}{destination}, {view.state}{recalled}")
    if not views:
        say("No orders yet.")


@orders_app.command()
@on_daemon
def show(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    as_json: AsJson = False,
) -> None:
    """One order with every attempt to print it: where, how it ended and why, and what was good of it."""
    view = client.get(f"/orders/{order}")
    attempts = client.get(f"/orders/{order}/jobs", limit=_MOST_ATTEMPTS)
    names = {printer["id"]: printer["name"] for printer in client.get("/printers")}
    if as_json:
        say_json({**view, "jobs": attempts})
        return
    _show_order(OrderView.model_validate(view))
    jobs = [JobView.model_validate(row) for row in reversed(attempts)]
    for number, job in enumerate(jobs, 1):
        say(f"{number:>4}. {_attempt(job, names.get(job.printer, job.printer))}")
    if not jobs:
        say("Nothing was started for it yet.")


def _show_order(view: OrderView) -> None:
    scrap = f", {view.scrap} scrap" if view.scrap else ""
    say(f"{view.id}: {view.good} of {view.quantity} x {view.revision}{scrap}; {view.expected} being made; {view.state}")
    if view.recalled:
        say("  Its revision was recalled: tell who has its parts; nothing more of it is made.")
    for reason in view.why_waiting:
        if reason.code != "revision-recalled":
            say(f"  {reason.en}")


@orders_app.command()
@on_daemon
def change(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    quantity: Annotated[int | None, typer.Option(min=1, help="How many good parts; good ones are never taken away.")] = None,
    priority: Annotated[int | None, typer.Option(min=-100, max=100, help="Higher ones are printed first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change how many parts an open order wants, or how urgent it is."""
    wish = {key: value for key, value in (("quantity", quantity), ("priority", priority)) if value is not None}
    if not wish:
        raise InvalidError("Nothing was to be changed.", next_step="Give --quantity or --priority.")
    answer = client.patch(f"/orders/{order}", wish)
    if as_json:
        say_json(answer)
        return
    view = OrderView.model_validate(answer)
    less = f" ({quantity} were asked for, and {view.good} are good already)" if quantity not in {None, view.quantity} else ""
    say(f"{view.id}: {view.good} of {view.quantity} x {view.revision}, priority {view.priority}, {view.state}{less}")


@orders_app.command()
@on_daemon
def cancel(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take an order back. This cannot be undone; place it again instead."""
    view = OrderView.model_validate(client.get(f"/orders/{order}"))
    named = f"{view.id} ({view.good} of {view.quantity} x {view.revision})"
    make_sure(f"Cancel {named}? What is printing goes on and becomes stock.", yes=yes)
    answer = client.post(f"/orders/{order}/cancel")
    if as_json:
        say_json(answer)
        return
    say(f"{view.id} is cancelled: nothing more is started for it.")


def _attempt(job: JobView, printer: str) -> str:
    begun = datetime.fromtimestamp(job.started_at).astimezone().strftime("%Y-%m-%d %H:%M")
    took = f" after {duration(job.ended_at - job.started_at)}" if job.ended_at is not None else ""
    ended = f"{job.outcome}{took}" if job.outcome is not None else "collected" if job.state == "collected" else "running"
    said = spoken(Bilingual(job.detail, job.detail_fr or job.detail))
    detail = f" ({said})" if said else ""
    if job.state == "collected":
        came = f"{job.good} good, {job.scrap} scrap, by {job.collected_by}"
    else:
        came = "not expected any more" if job.written_off else f"{number_of(job.parts, 'part')} expected"
    recalled = "; its revision was recalled: set the parts aside" if job.recalled else ""
    return f"{begun}  {printer}: {ended}{detail}; {came}{recalled}"


# --- farm nodes


@nodes_app.command("list")
@on_daemon
def list_nodes(client: FarmClient, as_json: AsJson = False) -> None:
    """All nodes with their ids."""
    answer = client.get("/nodes")
    if as_json:
        say_json(answer)
        return
    for view in [NodeView.model_validate(row) for row in answer]:
        state = "connected" if view.online else "not connected" if view.silent_s is not None else "not heard yet"
        untold = "" if view.told else ", has not told everything yet"
        refused = f", {rejected(view)}" if any(view.rejected.values()) else ""
        say(f"{view.id}: {view.name}, {state}, {number_of(len(view.printers), 'printer')}{untold}{refused}")


def find_node(nodes: list[NodeView], wanted: str) -> NodeView:
    """The node with this id, or this name if only one has it.

    Raises:
        NotFoundError: none has it.
        ConflictError: several have this name.

    """
    found = [view for view in nodes if view.id == wanted]
    found = found or [view for view in nodes if view.name.casefold() == wanted.casefold()]
    if not found:
        raise NotFoundError(f"There is no node {plain(wanted)}.", next_step="`farm nodes list` names them.")
    if len(found) > 1:
        ids = ", ".join(view.id for view in found)
        raise ConflictError(f"{len(found)} nodes are called {plain(wanted)}.", next_step=f"Name it by its id: {ids}.")
    return found[0]


@nodes_app.command()
@on_daemon
def remove(
    client: FarmClient,
    node: Annotated[str, typer.Argument(help="Id or name of the node.")],
    last: Annotated[bool, typer.Option("--last", help="Also when it is the last one.")] = False,
    yes: Yes = False,
) -> None:
    """Shut a node out for good: its password is void at once. It can come back only with a new invitation."""
    farm = FarmView.model_validate(client.get("/farm"))
    view = find_node(farm.nodes, node)
    running = sum(printer.node == view.id and printer.occupation is not None for printer in farm.printers)
    beds = f" On {number_of(running, 'bed')} of it something lies: what is not collected there yet is lost." if running else ""
    make_sure(f"Remove {view.name} ({view.id}) with {number_of(len(view.printers), 'printer')} for good?{beds}", yes=yes)
    client.delete(f"/nodes/{view.id}", also_last=str(last).lower())
    say(f"{view.name} is removed. What it was to print is made by others once its lease has ended.")


# --- farm recall


@on_daemon
def recall(
    client: FarmClient,
    revision: Annotated[str, typer.Argument(help="Id of the revision, such as visor-frame-r3.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Recall a revision: nothing more of it is started, counted or given out. This cannot be taken back."""
    known = [key for design in client.get("/designs") for key in design["revisions"]]
    if revision not in known:
        near = f"Known revisions: {', '.join(known[:10])}." if known else "The farm knows none yet."
        raise NotFoundError(f"There is no revision {plain(revision)}.", next_step=near)
    make_sure(f"Recall {revision}? Its parts will not count any more, wherever they are. This cannot be taken back.", yes=yes)
    answer = client.post(f"/revisions/{revision}/recall")
    if as_json:
        say_json(answer)
        return
    _show_recall(RecallView.model_validate(answer))


def _show_recall(view: RecallView) -> None:
    say(f"{view.revision} is recalled: {number_of(view.withdrawn_jobs, 'job')} withdrawn, nothing more of it is started.")
    for job in view.running:
        say(f"  {job.id} prints on {job.printer}: cancel it on the page, or let it end and set its parts aside.")
    if view.stock_set_aside:
        say(f"  {number_of(view.stock_set_aside, 'part')} in stock: set aside, not given to any order.")
    if view.open_orders:
        named = ", ".join(view.open_orders)
        say(f"  {number_of(len(view.open_orders), 'open order')} of it: {named}. Order the new revision instead.")
    say(f"Tell who has its parts already: `{command_name()} orders list` names the destinations.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(orders_app, name="orders")
    app.add_typer(nodes_app, name="nodes")
    app.command()(recall)
