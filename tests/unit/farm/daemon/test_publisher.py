"""What is said: newest state, merged acknowledgements, repeated words of hands, nothing without a broker."""

from dataclasses import replace
from typing import Any

import pytest

from farm.bus.topics import Stream
from farm.daemon.fence import Fence, FenceWhy
from farm.daemon.publisher import collect_command
from farm.errors import TooLargeError
from gcode.texts import told
from scheduler.draft import Draft
from scheduler.model import Allocation, DesiredVersion, NodeRecord, PendingCollect
from tests.unit.farm.daemon.harness import GENERATION, SHA, Farm, printer_report

WORD = PendingCollect("cmd-1", "n1", "p1", "j1", 2, 1, "ada", clear_only=False, created_at_s=0.0)


class _InOrder(dict[str, None]):
    """A set that is walked in the order in which it was filled."""

    def __init__(self, nodes: list[str]) -> None:
        super().__init__(dict.fromkeys(nodes))

    def add(self, node: str) -> None:
        self[node] = None

    def discard(self, node: str) -> None:
        self.pop(node, None)


def put(farm: Farm, *entities: NodeRecord | PendingCollect | Allocation) -> None:
    draft = Draft(farm.world.durable)
    for entity in entities:
        draft.put(entity)
    farm.world.adopt(draft)


async def test_a_desired_state_is_said_once_until_it_changes(farm: Farm) -> None:
    publisher = farm.engine.publisher
    publisher.want_changed()
    await publisher.flush()
    publisher.want_changed()
    await publisher.flush()
    assert len(farm.bus.of(Stream.DESIRED)) == 1
    put(farm, NodeRecord("n1", "left", 0.0, "", version=5))
    publisher.want_changed()
    await publisher.flush()
    assert [message.version for message in farm.bus.of(Stream.DESIRED)] == [0, 5]


async def test_a_version_never_names_the_allocations_of_another(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one node is told, the others' allocations may be withdrawn under a new version."""
    held = Allocation("a2", "n2", "p2", "o1", "r1", SHA, 1, 3600.0, 2, 2, 43_200.0, 0.0)
    put(farm, NodeRecord("n2", "right", 0.0, "", version=1), held)
    say = farm.bus.say

    async def withdrawn_meanwhile(node: str, stream: Stream, message: Any) -> bool:
        version = DesiredVersion(GENERATION, 2)
        put(farm, NodeRecord("n2", "right", 0.0, "", version=2), replace(held, jobs=0, withdrawn=version))
        return await say(node, stream, message)

    monkeypatch.setattr(farm.bus, "say", withdrawn_meanwhile)
    publisher = farm.engine.publisher
    monkeypatch.setattr(publisher, "_desired", _InOrder(["n1", "n2"]))
    await publisher.flush()
    (told,) = farm.bus.of(Stream.DESIRED, "n2")
    assert (told.version, told.printers) == (2, {})


async def test_a_node_that_shows_an_old_state_is_not_shouted_at(farm: Farm) -> None:
    for _ in range(5):
        await farm.hear(farm.report(printer_report(), generation=0))
    assert len(farm.bus.of(Stream.DESIRED)) == 1


async def test_it_is_told_again_after_two_seconds(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.publisher._REPEAT_REAL_S", 0.0)
    for _ in range(3):
        await farm.hear(farm.report(printer_report(), generation=0))
    assert len(farm.bus.of(Stream.DESIRED)) == 3


async def test_acknowledgements_of_a_node_are_merged_and_keep_the_report(farm: Farm) -> None:
    put(farm, NodeRecord("n1", "left", 0.0, "", epoch="e1", seq=4))
    publisher = farm.engine.publisher
    publisher.want_ack("n1", boot=2, report=7)
    put(farm, NodeRecord("n1", "left", 0.0, "", epoch="e1", seq=6))
    publisher.want_ack("n1")
    await publisher.flush()
    (ack,) = farm.bus.of(Stream.ACK)
    assert (ack.generation, ack.epoch, ack.seq, ack.boot, ack.report) == (GENERATION, "e1", 6, 2, 7)


async def test_a_node_without_a_ledger_has_nothing_to_be_acknowledged(farm: Farm) -> None:
    farm.engine.publisher.want_ack("n1")
    await farm.engine.publisher.flush()
    assert farm.bus.of(Stream.ACK) == []


async def test_without_a_broker_everything_waits(farm: Farm) -> None:
    put(farm, NodeRecord("n1", "left", 0.0, "", epoch="e1", seq=4), WORD)
    publisher = farm.engine.publisher
    farm.bus.connected = False
    publisher.want_ack("n1")
    publisher.want_changed()
    await publisher.flush()
    assert farm.bus.said == []
    farm.bus.connected = True
    assert await publisher.flush()
    assert [stream for node, stream, _ in farm.bus.said if node == "n1"] == [Stream.ACK, Stream.DESIRED, Stream.COMMAND]


async def test_a_broker_that_takes_nothing_is_tried_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = farm.engine.publisher

    async def refuse(*_: object) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(farm.bus, "say", refuse)
        publisher.want_changed()
        assert not await publisher.flush()
    assert await publisher.flush()
    assert len(farm.bus.of(Stream.DESIRED)) == 1


async def test_a_state_that_is_too_large_holds_up_no_other_node(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    say = farm.bus.say

    async def limited(node: str, stream: Stream, message: object) -> bool:
        if node == "n1":
            raise TooLargeError(told("too large"), next_step=told("fewer printers"))
        return await say(node, stream, message)  # type: ignore[arg-type] # what was given goes on

    monkeypatch.setattr(farm.bus, "say", limited)
    farm.engine.publisher.want_changed()
    assert await farm.engine.publisher.flush()
    assert len(farm.bus.of(Stream.DESIRED, "n2")) == 1


async def test_a_hands_word_is_repeated_until_it_is_no_longer_pending(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    put(farm, WORD)
    publisher = farm.engine.publisher
    await publisher.flush()
    await publisher.flush()
    assert len(farm.bus.of(Stream.COMMAND)) == 1
    publisher._pending_said["cmd-1"] -= 31.0
    await publisher.flush()
    assert [message.id for message in farm.bus.of(Stream.COMMAND)] == ["cmd-1", "cmd-1"]
    draft = Draft(farm.world.durable)
    draft.forget(PendingCollect, "cmd-1")
    farm.world.adopt(draft)
    publisher._pending_said["cmd-1"] -= 31.0
    await publisher.flush()
    assert len(farm.bus.of(Stream.COMMAND)) == 2
    assert publisher._pending_said == {}


async def test_a_fenced_daemon_is_silent(farm: Farm) -> None:
    farm.world.fence = Fence(FenceWhy.TAKEN_OVER, "n1", GENERATION + 1, GENERATION)
    farm.engine.publisher.want_changed()
    await farm.engine.publisher.flush()
    assert farm.bus.said == []


def test_a_collect_has_no_deadline_and_names_its_job() -> None:
    command = collect_command(3, WORD)
    assert (command.id, command.generation, command.deadline_s) == ("cmd-1", 3, None)
    assert command.action.model_dump() == {
        "printer": "p1", "kind": "collect", "job": "j1", "good": 2, "scrap": 1, "by": "ada"
    }  # fmt: skip


def test_clearing_names_the_occupation() -> None:
    command = collect_command(3, PendingCollect("cmd-2", "n1", "p1", "bed-7", 0, 0, "ada", clear_only=True, created_at_s=0.0))
    assert command.action.kind == "clear-bed"
    assert command.action.occupation == "bed-7"


async def test_versions_are_compared_not_counted(farm: Farm) -> None:
    farm.engine.publisher.want_changed()
    await farm.engine.publisher.flush()
    assert farm.engine.publisher._said["n1"][0] == DesiredVersion(GENERATION, 0)
