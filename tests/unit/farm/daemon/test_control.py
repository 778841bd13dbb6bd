"""Control on a real loop and store; the broker is a stand-in. What orders, beds and programs do is shown in their own tests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from drivers.base import PrinterState
from farm.bus.client import Login
from farm.bus.messages import PromptNote
from farm.bus.topics import Stream
from farm.daemon.control import DaemonControl, Reach
from farm.daemon.fence import Fence, FenceWhy
from farm.daemon.healing import Healed, HealingWhy
from farm.daemon.programs import Programs
from farm.errors import ConflictError, NotAllowedError, NotFoundError, StoreFullError, UnreachableError
from farm.library_views import SignedRequest
from farm.request_bodies import (
    AnswerRequest,
    ClearBedRequest,
    CollectRequest,
    EnrolmentClaim,
    InviteRequest,
    OrderChange,
    OrderRequest,
    ProgramRequest,
)
from farm.store.library import Library
from gcode.profile import bundled_profiles
from gcode.texts import Told, told
from scheduler.model import Job, JobOutcome, Revision, Stock
from tests.integration.small_program import small_program
from tests.patience import PATIENCE_S
from tests.unit.farm.daemon.harness import GENERATION, SHA, Farm, occupied, printer_report, started


class Users:
    """A broker that only remembers whom it lets in."""

    serves_joined_nodes = True
    urls = ("mqtt://127.0.0.1:1",)
    login = Login("daemon", "x")

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.slow = False

    def describe(self) -> Told:
        return told("a stand-in")

    async def remove(self, username: str) -> None:
        if username not in self.known:
            raise NotFoundError(told("no such user"), next_step=told("look"))
        del self.known[username]
        if self.slow:
            raise UnreachableError(told("slow"), next_step=told("wait"))

    async def add(self, username: str, password: str) -> None:
        self.known[username] = password
        if self.slow:
            raise UnreachableError(told("slow"), next_step=told("wait"))


@pytest.fixture
def users() -> Users:
    return Users()


def make(farm: Farm, users: Users, folder: Path, reach: Reach) -> DaemonControl:
    library = Library(folder / "programs")
    library.open()
    taken_in = Programs(library, bundled_profiles())
    return DaemonControl(farm.engine, farm.store, users, taken_in=taken_in, reach=reach)  # type: ignore[arg-type] # a stand-in


@pytest_asyncio.fixture
async def control(farm: Farm, users: Users, tmp_path: Path) -> AsyncIterator[DaemonControl]:
    made = make(farm, users, tmp_path, Reach("Essaim", "https://farm:8080", ["mqtts://farm:8883"], "PEM", "A" * 26))
    task = asyncio.create_task(farm.engine.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def joined(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), generation=0))
    await farm.hear(farm.report(printer_report()))


# --- reading ----------------------------------------------------------------------------------------------------------------------


async def test_the_whole_farm_at_once(farm: Farm, control: DaemonControl) -> None:
    await joined(farm)
    view = control.snapshot()
    assert (view.name, view.generation, view.broker) == ("Essaim", GENERATION, "a stand-in")
    assert [printer.id for printer in view.printers] == ["p1"]
    assert [node.id for node in view.nodes] == ["n1", "n2"]
    assert [order.id for order in view.orders] == ["o1"]
    assert control.printers() == view.printers
    assert control.nodes() == view.nodes
    assert control.orders() == view.orders
    assert control.printer("p1") == view.printers[0]
    assert control.order("o1") == view.orders[0]
    assert [program.sha256 for program in control.programs()] == [SHA]
    assert [design.id for design in control.designs()] == ["d1"]


async def test_what_is_not_there_is_not_found(control: DaemonControl) -> None:
    for look in (lambda: control.printer("p9"), lambda: control.order("o9"), lambda: control.program_file("9" * 64)):
        with pytest.raises(NotFoundError):
            look()
    with pytest.raises(NotFoundError):
        await control.job("j9")
    with pytest.raises(NotFoundError):
        await control.cancel_order("o9")


async def test_health_names_what_is_wrong(farm: Farm, control: DaemonControl) -> None:
    assert control.health().ready
    farm.bus.connected = False
    farm.engine._became_full(StoreFullError(told("full"), next_step=told("make room")))
    farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n1", 9, GENERATION)
    health = control.health()
    assert not health.ready
    assert all(found != "ok" for found in health.checks.values())
    assert health.checks == {"store": "disk full", "broker": "not connected", "scheduler": "fenced: this daemon only watches"}
    assert health.checks_fr == {
        "store": "disque plein",
        "broker": "non connecté",
        "scheduler": "à l'écart : ce démon ne fait que regarder",
    }


async def test_a_loop_that_fails_is_no_health(farm: Farm, control: DaemonControl) -> None:
    farm.engine.ended(KeyError("unforeseen"))
    health = control.health()
    assert not health.ready
    assert "unforeseen" in health.checks["scheduler"]
    assert health.checks_fr["scheduler"].startswith("arrêtée : KeyError")
    assert (health.checks["store"], health.checks_fr["store"]) == ("ok", "ok")


async def test_jobs_come_from_memory_and_from_the_store(farm: Farm, control: DaemonControl) -> None:
    row = ("n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0)
    await farm.engine.ask(lambda draft: draft.put(Job("j1", *row, 5.0, 1e9)))
    await farm.engine.ask(
        lambda draft: draft.put(Job("j2", *row, 6.0, 1e9, outcome=JobOutcome.PRINTED, collected_at_s=7.0, good=1))
    )
    assert [job.id for job in await control.jobs(order="o1")] == ["j2", "j1"]
    assert [job.id for job in await control.jobs(limit=1, offset=1)] == ["j1"]
    assert await control.jobs(limit=-5) == []
    with pytest.raises(NotFoundError):
        await control.jobs(order="o9")
    assert (await control.job("j1")).state == "running"
    assert (await control.job("j2")).state == "collected"


# --- orders and programs ----------------------------------------------------------------------------------------------------------


async def test_an_order_is_placed_changed_and_cancelled(control: DaemonControl) -> None:
    placed = await control.place_order(OrderRequest(design="visor frame", quantity=5))
    assert (placed.quantity, placed.state, placed.owed) == (5, "open", 5)
    changed = await control.change_order(placed.id, OrderChange(quantity=7, priority=2))
    assert (changed.quantity, changed.priority) == (7, 2)
    assert (await control.cancel_order(placed.id)).state == "cancelled"
    with pytest.raises(ConflictError):
        await control.change_order(placed.id, OrderChange(quantity=9))


async def test_a_program_is_taken_in_and_can_be_fetched(control: DaemonControl) -> None:
    upload = control.incoming_folder / "x"
    upload.write_bytes(small_program())
    request = ProgramRequest(design="square", revision="square-1", profile="generic-210")
    view = await control.add_program(upload, request)
    assert (view.revision, view.profile) == ("square-1", "generic-210")
    assert control.program_file(view.sha256).read_bytes() == small_program()
    upload.write_bytes(small_program())
    assert await control.add_program(upload, request) == view


# --- printers and jobs ------------------------------------------------------------------------------------------------------------


async def test_a_collect_goes_to_the_node_and_again_until_it_answers(farm: Farm, control: DaemonControl) -> None:
    await farm.hear(farm.report(occupied(outcome=JobOutcome.PRINTED)))
    accepted = await control.collect("p1", CollectRequest(job="j1", good=1, by="ada"))
    await farm.engine.publisher.flush()
    (command,) = farm.bus.of(Stream.COMMAND)
    assert (command.id, command.action.kind, command.action.job) == (accepted.command, "collect", "j1")
    assert accepted == await control.collect("p1", CollectRequest(job="j1", good=1, by="ada"))


async def test_a_bed_is_cleared(farm: Farm, control: DaemonControl) -> None:
    await farm.hear(farm.report(occupied(outcome=JobOutcome.FAILED)))
    await control.clear_bed("p1", ClearBedRequest(occupation="j1"))
    await farm.engine.publisher.flush()
    assert farm.bus.of(Stream.COMMAND)[0].action.kind == "clear-bed"


async def test_commands_are_sent_or_refused_at_once(farm: Farm, control: DaemonControl) -> None:
    await farm.engine.ask(lambda draft: draft.put(Job("j1", "n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0, 5.0, 1e9)))
    await farm.hear(farm.report(occupied()))
    accepted = await control.command_job("j1", "pause")
    stopped = await control.emergency_stop("p1")
    assert [command.id for command in farm.bus.of(Stream.COMMAND)] == [accepted.command, stopped.command]
    farm.bus.connected = False
    with pytest.raises(UnreachableError):
        await control.emergency_stop("p1")


async def test_a_question_is_shown_answered_and_gone(farm: Farm, control: DaemonControl) -> None:
    prompt = PromptNote(id="prompt-1", text="Filament?", choices=["Continue"], text_fr="Du filament ?", choices_fr=["Continuer"])
    asking = occupied().model_copy(update={"state": PrinterState.ATTENTION, "prompt": prompt, "capabilities": ["prompts"]})
    await joined(farm)
    await farm.hear(farm.report(asking))
    assert control.printer("p1").prompt == prompt
    accepted = await control.answer("p1", AnswerRequest(prompt="prompt-1"))
    (sent,) = farm.bus.of(Stream.COMMAND)
    assert (sent.id, sent.action.kind, sent.action.prompt, sent.action.choice) == (accepted.command, "answer", "prompt-1", 0)
    with pytest.raises(NotFoundError):
        await control.answer("p9", AnswerRequest(prompt="prompt-1"))
    farm.bus.connected = False
    with pytest.raises(UnreachableError):
        await control.answer("p1", AnswerRequest(prompt="prompt-1"))
    await farm.hear(farm.report(occupied()))
    assert control.printer("p1").prompt is None
    with pytest.raises(ConflictError):
        await control.answer("p1", AnswerRequest(prompt="prompt-1"))


async def test_what_a_silent_node_asked_is_not_shown(farm: Farm, control: DaemonControl) -> None:
    await joined(farm)
    await farm.hear(farm.report(printer_report(prompt=PromptNote(id="prompt-1", text="Filament?"))))
    farm.clock.advance(91.0)
    view = control.printer("p1")
    assert (view.online, view.prompt) == (False, None)


# --- enrolment --------------------------------------------------------------------------------------------------------------------


async def test_a_maker_joins_with_a_code(farm: Farm, control: DaemonControl, users: Users) -> None:
    invited = await control.invite(InviteRequest(name="Ada"))
    assert invited.code.endswith("." + "A" * 26)
    assert invited.command == f"farm node join https://farm:8080 {invited.code}"
    grant = await control.claim(EnrolmentClaim(code=invited.code, name="bench"))
    assert (grant.farm_url, grant.mqtt_urls, grant.ca_pem) == ("https://farm:8080", ["mqtts://farm:8883"], "PEM")
    assert users.known == {grant.node: grant.password}
    assert control.authenticate_node(grant.node, grant.password)
    assert not control.authenticate_node(grant.node, "wrong")
    assert not control.authenticate_node("nobody", grant.password)
    assert control.authority_pem == "PEM"
    await farm.hear(farm.report(node=grant.node, generation=0))
    assert farm.engine.receiver.rejections.total == 0


async def test_a_fast_clock_leaves_a_code_thirty_real_minutes(farm: Farm, control: DaemonControl) -> None:
    object.__setattr__(farm.clock, "factor", 600.0)  # the class is frozen
    made = await control.invite(InviteRequest(name="Eve"))
    assert made.expires_at - farm.clock.wall_s() == 600.0 * 1800


async def test_two_who_show_the_same_code_at_once_are_one_node(control: DaemonControl, users: Users) -> None:
    invited = await control.invite(InviteRequest())
    claims = [control.claim(EnrolmentClaim(code=invited.code, name=name)) for name in ("one", "two")]
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["EnrolmentGrant", "NotFoundError"]
    assert len(users.known) == 1


async def test_a_broker_that_is_being_started_again_costs_nobody_a_code(control: DaemonControl, users: Users) -> None:
    users.slow = True
    invited = await control.invite(InviteRequest())
    assert (await control.claim(EnrolmentClaim(code=invited.code, name="x"))).password


async def test_guessing_is_slowed_down(control: DaemonControl) -> None:
    for _ in range(10):
        with pytest.raises(NotFoundError):
            await control.claim(EnrolmentClaim(code="BBBB-BBBB", name="x"))
    with pytest.raises(NotAllowedError) as refused:
        await control.claim(EnrolmentClaim(code="BBBB-BBBB", name="x"))
    assert refused.value.code == "throttled"


async def test_a_broker_that_cannot_serve_nodes_invites_nobody(farm: Farm, users: Users, tmp_path: Path) -> None:
    control = make(farm, users, tmp_path, Reach("Essaim", "http://127.0.0.1:1", []))
    with pytest.raises(ConflictError):
        await control.invite(InviteRequest())
    assert control.authority_pem is None


async def test_changes_are_those_of_the_loop(farm: Farm, control: DaemonControl) -> None:
    watching = control.changes()
    await anext(watching)
    following = asyncio.ensure_future(anext(watching))
    await control.place_order(OrderRequest(design="d1", quantity=1))
    await asyncio.wait_for(following, PATIENCE_S)


# --- the daemon itself, and what is gone -----------------------------------------------------------------------------------------


async def test_a_take_over_is_offered_also_when_nothing_is_wrong(farm: Farm, control: DaemonControl) -> None:
    await joined(farm)
    assert (await control.take_over()).generation == GENERATION + 1
    view = control.snapshot()
    assert view.generation == GENERATION + 1
    assert view.healing is not None
    assert (view.healing.why, view.healing.missing) == ("taken-over", ["left bench", "right bench"])
    assert [alarm.code for alarm in view.alarms] == ["restoring"]
    assert {node.id: node.told for node in view.nodes} == {"n1": False, "n2": False}
    assert control.health().ready, "it works while it heals"
    await control.finish_healing()
    view = control.snapshot()
    assert view.healing is None
    assert view.healed is not None
    assert (view.healed.why, view.healed.told, view.healed.missing) == ("taken-over", 0, ["left bench", "right bench"])
    farm.world.healed = Healed(HealingWhy.PUT_BACK, 1.0, 2.0, 2, (), 3)
    assert [alarm.code for alarm in control.alarms()] == ["put-back"]
    await control.finish_healing()
    assert control.alarms() == []


async def test_a_daemon_that_only_watches_shows_why_and_can_take_over(farm: Farm, control: DaemonControl) -> None:
    farm.world.fence = Fence(FenceWhy.PUT_BACK, "n1", 12, 4)
    fence = control.snapshot().fence
    assert fence is not None
    assert (fence.why, fence.node, fence.heard, fence.known) == ("put-back", "left bench", 12, 4)
    assert not control.health().ready
    with pytest.raises(ConflictError):
        await control.finish_healing()
    await control.take_over()
    assert control.snapshot().fence is None
    assert control.health().ready


async def test_backups_are_made_and_named(control: DaemonControl) -> None:
    made = await control.backup()
    assert await control.backups() == [made]
    assert str(await control.backup_file(made.name)) == made.path
    with pytest.raises(NotFoundError):
        await control.backup_file("farm.toml")


async def test_a_removed_node_cannot_log_in_and_is_not_shown(farm: Farm, control: DaemonControl, users: Users) -> None:
    await joined(farm)
    users.known = {"n1": "x", "n2": "y"}
    await control.remove_node("n1")
    assert users.known == {"n2": "y"}
    assert not control.authenticate_node("n1", "x")
    assert [node.id for node in control.nodes()] == ["n2"]
    assert control.printers() == []
    with pytest.raises(ConflictError):
        await control.remove_node("n2")
    users.slow = True  # it is being started again: the next one does not know the node
    await control.remove_node("n2", also_last=True)
    assert users.known == {}


async def test_a_node_that_the_broker_never_knew_is_removed_all_the_same(control: DaemonControl) -> None:
    await control.remove_node("n1")
    assert [node.id for node in control.nodes()] == ["n2"]


async def test_a_printer_is_forgotten_once_its_node_is_not_heard_or_does_not_report_it(farm: Farm, control: DaemonControl) -> None:
    await joined(farm)
    with pytest.raises(ConflictError):
        await control.remove_printer("p1")
    farm.clock.advance(10_000.0)
    await control.remove_printer("p1")
    assert control.printers() == []
    await farm.hear(farm.report(printer_report()))
    assert [printer.id for printer in control.printers()] == ["p1"], "it is there after all"


async def test_a_recall_tells_what_prints_and_the_views_flag_it(farm: Farm, control: DaemonControl) -> None:
    await joined(farm)
    (held,) = farm.desired.printers["p1"]
    reference: dict[str, Any] = {"allocation": held.id}
    await farm.hear(farm.journal(started(**reference)), farm.report(occupied(**reference)))
    told = await control.recall_revision("r1", SignedRequest())
    assert [job.id for job in told.running] == ["j1"]
    assert told.running[0].recalled
    assert (told.withdrawn_jobs, told.open_orders) == (held.jobs - 1, ["o1"])
    view = control.snapshot()
    assert view.printers[0].occupation is not None
    assert view.printers[0].occupation.recalled
    assert [reason.code for reason in view.orders[0].why_waiting] == ["revision-recalled"]
    assert view.orders[0].recalled
    assert control.designs()[0].recalled == ["r1"]
    assert (await control.job("j1")).recalled
    with pytest.raises(ConflictError, match="was recalled"):
        await control.place_order(OrderRequest(revision="r1", quantity=1))
    with pytest.raises(NotFoundError):
        await control.recall_revision("r9", SignedRequest())


async def test_stock_that_nobody_took_is_shown(farm: Farm, control: DaemonControl) -> None:
    await farm.ask(lambda draft: draft.put(Revision("r2", "d1", 0.0, recalled=True)))
    await farm.ask(lambda draft: draft.put(Stock("r2", 3)))
    assert [(row.revision, row.parts, row.recalled) for row in control.snapshot().stock] == [("r2", 3, True)]
