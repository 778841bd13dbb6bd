"""`farm orders`, `farm nodes` and `farm recall`: what was attempted, and what is gone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.overview import node_name, rejected
from farm.commands.speech import duration, number_of, plural_fr, say, say_json
from farm.commands.vocabulary import JOB_STATES, NODE_STATES, ORDER_STATES, OUTCOMES, word
from farm.commands.which import NODE, meant, order_of, printer_names, revision_of
from farm.errors import InvalidError, command_name
from farm.language import spoken
from farm.views import FarmView, JobView, NodeView, OrderView, RecallView
from gcode.texts import NOTHING, Bilingual, both

orders_app = typer.Typer(help="Orders, and every attempt to print them.", no_args_is_help=True)
nodes_app = typer.Typer(help="Nodes of the farm.", no_args_is_help=True)

_MOST_ATTEMPTS: Final = 1_000
_TELL_WHO_HAS_IT: Final = Bilingual(
    "  Its revision was recalled: tell who has its parts; nothing more of it is made.",
    "  Sa révision a été rappelée : prévenez qui en a les pièces ; on n'en fait plus.",
)
_SET_ASIDE: Final = Bilingual(
    "; its revision was recalled: set the parts aside", " ; sa révision a été rappelée : mettez les pièces de côté"
)


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
        say(_listed(view))
    if not views:
        say(Bilingual("No orders yet.", "Aucune commande."))


def _made(view: OrderView) -> Bilingual:
    """How far an order is."""
    of = f"{view.quantity} x {view.revision}"
    return Bilingual(f"{view.good} of {of}", f"{view.good} sur {of}")


def _listed(view: OrderView) -> Bilingual:
    made, state = _made(view), word(ORDER_STATES, view.state)
    whom = Bilingual(f" for {view.destination}", f" pour {view.destination}") if view.destination else NOTHING
    recalled = Bilingual(", recalled", ", rappelée") if view.recalled else NOTHING
    return Bilingual(
        f"{view.id}: {made.en}{whom.en}, {state.en}{recalled.en}", f"{view.id} : {made.fr}{whom.fr}, {state.fr}{recalled.fr}"
    )


@orders_app.command()
@on_daemon
def show(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order, or its beginning or end.")],
    as_json: AsJson = False,
) -> None:
    """One order with every attempt to print it: where, how it ended and why, and what was good of it."""
    order = order_of(client, order)
    view = client.get(f"/orders/{order}")
    attempts = client.get(f"/orders/{order}/jobs", limit=_MOST_ATTEMPTS)
    if as_json:
        say_json({**view, "jobs": attempts})
        return
    _show_order(OrderView.model_validate(view))
    jobs, names = [JobView.model_validate(row) for row in reversed(attempts)], _printer_names(client)
    for number, job in enumerate(jobs, 1):
        say(f"{number:>4}. {spoken(_attempt(job, names.get(job.printer, both(job.printer))))}")
    if not jobs:
        say(Bilingual("Nothing was started for it yet.", "Rien n'a encore été lancé pour elle."))


def _show_order(view: OrderView) -> None:
    made, state = _made(view), word(ORDER_STATES, view.state)
    scrap = Bilingual(f", {view.scrap} scrap", f", {view.scrap} au rebut") if view.scrap else NOTHING
    say(
        Bilingual(
            f"{view.id}: {made.en}{scrap.en}; {view.expected} being made; {state.en}",
            f"{view.id} : {made.fr}{scrap.fr} ; {view.expected} en cours ; {state.fr}",
        )
    )
    if view.recalled:
        say(_TELL_WHO_HAS_IT)
    for reason in view.why_waiting:
        if reason.code != "revision-recalled":
            say(Bilingual(f"  {reason.en}", f"  {reason.fr}"))


@orders_app.command()
@on_daemon
def change(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order, or its beginning or end.")],
    quantity: Annotated[int | None, typer.Option(min=1, help="How many good parts; good ones are never taken away.")] = None,
    priority: Annotated[int | None, typer.Option(min=-100, max=100, help="Higher ones are printed first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change how many parts an open order wants, or how urgent it is."""
    wish = {key: value for key, value in (("quantity", quantity), ("priority", priority)) if value is not None}
    if not wish:
        raise InvalidError(
            Bilingual("Nothing was to be changed.", "Rien n'était à changer."),
            next_step=Bilingual("Give --quantity or --priority.", "Donnez --quantity ou --priority."),
        )
    answer = client.patch(f"/orders/{order_of(client, order)}", wish)
    if as_json:
        say_json(answer)
        return
    view = OrderView.model_validate(answer)
    say(_changed(view, quantity))


def _changed(view: OrderView, wanted: int | None) -> Bilingual:
    made, state, less = _made(view), word(ORDER_STATES, view.state), NOTHING
    if wanted not in {None, view.quantity}:
        less = Bilingual(
            f" ({wanted} were asked for, and {view.good} are good already)",
            f" ({wanted} {plural_fr(wanted or 0, 'demandée')}, et {view.good} déjà {plural_fr(view.good, 'bonne')})",
        )
    return Bilingual(
        f"{view.id}: {made.en}, priority {view.priority}, {state.en}{less.en}",
        f"{view.id} : {made.fr}, priorité {view.priority}, {state.fr}{less.fr}",
    )


@orders_app.command()
@on_daemon
def cancel(
    client: FarmClient,
    order: Annotated[str, typer.Argument(help="Id of the order, or its beginning or end.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take an order back. This cannot be undone; place it again instead."""
    order = order_of(client, order)
    view = OrderView.model_validate(client.get(f"/orders/{order}"))
    made = _made(view)
    question = Bilingual(
        f"Cancel {view.id} ({made.en})? What is printing goes on and becomes stock.",
        f"Annuler {view.id} ({made.fr}) ? Ce qui imprime continue et va au stock.",
    )
    make_sure(question, yes=yes)
    answer = client.post(f"/orders/{order}/cancel")
    if as_json:
        say_json(answer)
        return
    say(
        Bilingual(
            f"{view.id} is cancelled: nothing more is started for it.",
            f"{view.id} est annulée : plus rien n'est lancé pour elle.",
        )
    )


def _printer_names(client: FarmClient) -> Mapping[str, Bilingual]:
    return printer_names(FarmView.model_validate(client.get("/farm")))


def _attempt(job: JobView, printer: Bilingual) -> Bilingual:
    begun = datetime.fromtimestamp(job.started_at).astimezone().strftime("%Y-%m-%d %H:%M")
    ended, came = _ended(job), _came(job)
    detail = Bilingual(
        f" ({job.detail})" if job.detail else "", f" ({job.detail_fr or job.detail})" if job.detail_fr or job.detail else ""
    )
    recalled = _SET_ASIDE if job.recalled else NOTHING
    return Bilingual(
        f"{begun}  {printer.en}: {ended.en}{detail.en}; {came.en}{recalled.en}",
        f"{begun}  {printer.fr} : {ended.fr}{detail.fr} ; {came.fr}{recalled.fr}",
    )


def _ended(job: JobView) -> Bilingual:
    """How a job ended, or what it does."""
    if job.outcome is None:
        return word(JOB_STATES, "collected" if job.state == "collected" else "running")
    outcome, took = word(OUTCOMES, job.outcome), duration((job.ended_at or 0.0) - job.started_at)
    ended = Bilingual(outcome.en, f"l'impression {outcome.fr}")
    return Bilingual(f"{ended.en} after {took}", f"{ended.fr} après {took.fr}") if job.ended_at is not None else ended


def _came(job: JobView) -> Bilingual:
    """What came of a job."""
    if job.state == "collected":
        return Bilingual(
            f"{job.good} good, {job.scrap} scrap, by {job.collected_by}",
            f"{job.good} {plural_fr(job.good, 'bonne')}, {job.scrap} au rebut, par {job.collected_by}",
        )
    if job.written_off:
        return Bilingual("not expected any more", "on ne l'attend plus")
    parts = number_of(job.parts, "part")
    return Bilingual(f"{parts} expected", f"{parts.fr} {plural_fr(job.parts, 'attendue')}")


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
        say(_of_node(view))


def _of_node(view: NodeView) -> Bilingual:
    state = NODE_STATES["online" if view.online else "away" if view.silent_s is not None else "never"]
    name, printers, refused = node_name(view), number_of(len(view.printers), "printer"), rejected(view)
    untold = NOTHING if view.told else Bilingual(", has not told everything yet", ", n'a pas encore tout raconté")
    more = Bilingual(f", {refused.en}", f", {refused.fr}") if any(view.rejected.values()) else NOTHING
    return Bilingual(
        f"{view.id}: {name.en}, {state.en}, {printers}{untold.en}{more.en}",
        f"{view.id} : {name.fr}, {state.fr}, {printers.fr}{untold.fr}{more.fr}",
    )


def find_node(nodes: list[NodeView], wanted: str) -> NodeView:
    """The node that is meant, by its id or its name. Raises as `farm.commands.which.meant`."""
    views = {view.id: view for view in nodes}
    return views[meant(NODE, wanted, {key: view.name for key, view in views.items()})]


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
    make_sure(_remove_question(view, running), yes=yes)
    client.delete(f"/nodes/{view.id}", also_last=str(last).lower())
    say(
        Bilingual(
            f"{view.name} is removed. What it was to print is made by others once its lease has ended.",
            f"{view.name} est retiré. Ce qu'il devait imprimer est fait par d'autres une fois son bail terminé.",
        )
    )


def _remove_question(view: NodeView, occupied: int) -> Bilingual:
    printers, beds, lies = number_of(len(view.printers), "printer"), number_of(occupied, "bed"), NOTHING
    if occupied:
        lies = Bilingual(
            f" On {beds} of it something lies: what is not collected there yet is lost.",
            f" Il y a quelque chose sur {beds.fr} : ce qui n'y est pas encore collecté est perdu.",
        )
    return Bilingual(
        f"Remove {view.name} ({view.id}) with {printers} for good?{lies.en}",
        f"Retirer définitivement {view.name} ({view.id}), avec {printers.fr} ?{lies.fr}",
    )


# --- farm recall


@on_daemon
def recall(
    client: FarmClient,
    revision: Annotated[str, typer.Argument(help="Id of the revision, such as visor-frame-r3, or its end: r3.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Recall a revision: nothing more of it is started, counted or given out. This cannot be taken back."""
    revision = revision_of(client, revision)
    question = Bilingual(
        f"Recall {revision}? No more parts of it are made, counted or given out. This cannot be taken back.",
        f"Rappeler {revision} ? Plus aucune pièce n'en sera faite, comptée ni donnée. On ne peut pas revenir en arrière.",
    )
    make_sure(question, yes=yes)
    answer = client.post(f"/revisions/{revision}/recall")
    if as_json:
        say_json(answer)
        return
    view = RecallView.model_validate(answer)
    _show_recall(view, _printer_names(client) if view.running else {})


def _show_recall(view: RecallView, names: Mapping[str, Bilingual]) -> None:
    jobs, stock = number_of(view.withdrawn_jobs, "job"), number_of(view.stock_set_aside, "part")
    say(
        Bilingual(
            f"{view.revision} is recalled: {jobs} withdrawn, nothing more of it is started.",
            f"{view.revision} est rappelée : {jobs.fr} {plural_fr(view.withdrawn_jobs, 'retirée')}, plus rien n'en est lancé.",
        )
    )
    for job in view.running:
        printer = names.get(job.printer, both(job.printer))
        say(
            Bilingual(
                f"  {job.id} prints on {printer.en}: cancel it on the page, or let it end and set its parts aside.",
                f"  {job.id} imprime sur {printer.fr} : annulez-la sur la page, ou laissez-la finir et mettez ses pièces de côté.",
            )
        )
    if view.stock_set_aside:
        say(
            Bilingual(
                f"  {stock} in stock: set aside, not given to any order.",
                f"  {stock.fr} en stock : de côté, pour aucune commande.",
            )
        )
    if view.open_orders:
        named, orders = ", ".join(view.open_orders), number_of(len(view.open_orders), "open order")
        say(
            Bilingual(
                f"  {orders} of it: {named}. Order the new revision instead.",
                f"  {orders.fr} de cette révision : {named}. Commandez plutôt la nouvelle.",
            )
        )
    command = f"`{command_name()} orders list`"
    say(
        Bilingual(
            f"Tell who has its parts already: {command} names the destinations.",
            f"Prévenez qui en a déjà des pièces : {command} nomme les destinations.",
        )
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(orders_app, name="orders")
    app.add_typer(nodes_app, name="nodes")
    app.command()(recall)
