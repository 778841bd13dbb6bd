"""The agent's side of the check: limits.toml at once, one program after another, and a judge that dies refuses."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from farm.errors import ConfigurationError
from farm.node import checking, core
from farm.node.checking import JUDGED_ELSEWHERE, Checking, OwnerFile, ProcessCheck, Request
from farm.node.core import Checked, NodeState, Step, refusal
from gcode.limits import Limits, LimitsError
from gcode.rules import RULE_SET_VERSION
from tests.unit.farm.node.bench import OTHER_SHA, SHA, A, B, Bench, allocation
from tests.unit.farm.node.fake_farm import until
from tests.unit.gcode.samples import SMALL

NO_LIMITS = Limits()


class BenchKeeper:
    """A bench in the place of a keeper: every step is taken over."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.keys: list[str | None] = []

    @property
    def state(self) -> NodeState:
        return self.bench.state

    async def apply_surely(self, event: Callable[[NodeState, core.Moment], Step], *, key: str | None = None) -> None:
        self.keys.append(key)
        self.bench.state = event(self.bench.state, self.bench.moment).state


class Judge:
    """Answers what a test says, and counts."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answer = Checked()

    async def __call__(self, request: Request) -> Checked:
        self.asked.append(request)
        return self.answer


class Table:
    """A checking on a bench, with its limits.toml."""

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        self.bench = Bench()
        self.file = folder / "limits.toml"
        self.judge = Judge()
        self.keeper = BenchKeeper(self.bench)
        self.present = {SHA: folder / "one", OTHER_SHA: folder / "two"}
        owner = OwnerFile(self.file, required=required)
        self.checking = Checking(self.keeper, self.present.get, owner, self.judge)  # type: ignore[arg-type]  # a bench
        self.checking.know(A, "Anna", "generic-210", ((0.0, 60.0),))
        self.checking.know(B, "Berta", "generic-300", ())


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


async def test_a_program_is_judged_once_for_its_printer(table: Table) -> None:
    table.bench.allocate(allocation())
    assert await table.checking.turn() == core.Task(A, SHA)
    assert await table.checking.turn() is None
    (request,) = table.judge.asked
    assert (request.program.name, request.sha256, request.profile, request.limits) == ("one", SHA, "generic-210", Limits())
    assert table.bench.state.checks == {(A, SHA): Checked()}


async def test_what_is_refused_is_kept_for_the_core(table: Table) -> None:
    table.judge.answer = Checked(refusal("No.", "Non."))
    table.bench.allocate(allocation(), printer=B)
    await table.checking.turn()
    assert table.bench.state.checks[B, SHA].refused == refusal("No.", "Non.")
    assert table.judge.asked[0].profile == "generic-300"


async def test_a_file_that_vanished_is_not_judged(table: Table) -> None:
    del table.present[SHA]
    table.bench.allocate(allocation())
    await table.checking.turn()
    assert table.judge.asked == []
    assert table.bench.state.checks == {}


async def test_the_limits_reach_the_judge_by_the_printers_name(table: Table) -> None:
    table.file.write_text("max_bed_c = 50\n[printers.Anna]\nmax_bed_c = 40\n")
    table.bench.allocate(allocation())
    table.bench.allocate(allocation("b"), printer=B)
    await table.checking.turn()
    await table.checking.turn()
    table.bench.allocate(allocation())
    await table.checking.turn()
    assert {request.limits.max_bed_c for request in table.judge.asked} == {50.0, 40.0}


async def test_quiet_hours_are_added_to_those_of_node_toml(table: Table) -> None:
    table.file.write_text('quiet_hours = ["22:00-07:00"]')
    await table.checking.open()
    assert table.checking.know("late", "Clara", "generic-210", ()) == ((79_200.0, 25_200.0),)
    await table.checking.turn()
    setups = {key: printer.setup.quiet_hours for key, printer in table.bench.state.printers.items()}
    assert setups == {A: ((0.0, 60.0), (79_200.0, 25_200.0)), B: ((79_200.0, 25_200.0),)}


async def test_a_change_of_the_file_makes_every_check_anew(table: Table) -> None:
    table.bench.allocate(allocation())
    await table.checking.turn()
    table.file.write_text("max_nozzle_c = 210")
    await table.checking.turn()
    assert [request.limits.max_nozzle_c for request in table.judge.asked] == [None, 210.0]
    await table.checking.turn()
    assert len(table.judge.asked) == 2
    table.file.unlink()
    await table.checking.turn()
    assert table.judge.asked[-1].limits == Limits()


async def test_limits_that_cannot_be_understood_stop_everything_until_they_can(table: Table) -> None:
    table.bench.allocate(allocation())
    table.file.write_text("max_nozzle_c = 'cold'")
    await table.checking.turn()
    trouble = table.bench.state.limits_trouble
    assert trouble is not None
    assert (trouble.code, "max_nozzle_c" in trouble.en, "max_nozzle_c" in trouble.fr) == ("limits-unreadable", True, True)
    assert table.judge.asked == []
    told = len(table.keeper.keys)
    await table.checking.turn()
    assert len(table.keeper.keys) == told, "said once"
    table.file.write_text("max_nozzle_c = 215")
    await table.checking.turn()
    assert table.bench.state.limits_trouble is None
    assert [request.limits.max_nozzle_c for request in table.judge.asked] == [215.0]


async def test_a_limit_for_a_printer_that_is_not_here_stops_everything_until_mended(table: Table) -> None:
    table.bench.allocate(allocation())
    table.file.write_text("[printers.Ana]\nmax_bed_c = 50\n")
    await table.checking.open()
    await table.checking.turn()
    trouble = table.bench.state.limits_trouble
    assert trouble is not None
    for said in (trouble.en, trouble.fr):
        assert all(word in said for word in ("Ana", "'Anna'", "'Berta'", "farm node limits"))
    assert table.judge.asked == []
    told = len(table.keeper.keys)
    await table.checking.turn()
    assert len(table.keeper.keys) == told, "said once"
    table.file.write_text("[printers.Anna]\nmax_bed_c = 50\n")
    await table.checking.turn()
    assert table.bench.state.limits_trouble is None
    assert [request.limits.max_bed_c for request in table.judge.asked] == [50.0]


async def test_a_printer_that_comes_later_may_be_the_one_that_was_meant(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_LOOK_EVERY_S", 3600.0)
    table.file.write_text("[printers.Clara]\nmax_bed_c = 50\n")
    running = asyncio.create_task(table.checking.run())
    await until(lambda: table.bench.state.limits_trouble is not None)
    await asyncio.sleep(0.01)
    table.checking.know("late", "Clara", "generic-210", ())
    await until(lambda: table.bench.state.limits_trouble is None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_result_by_limits_that_changed_meanwhile_is_dropped(table: Table) -> None:
    class Slow(Judge):
        async def __call__(self, request: Request) -> Checked:
            if not self.asked:
                table.keeper.bench.state = core.on_limits(table.bench.state, "others", {}).state
            return await super().__call__(request)

    slow = Slow()
    table.checking._check = slow
    table.bench.allocate(allocation())
    await table.checking.turn()
    assert table.bench.state.checks == {}


async def test_a_broken_file_keeps_an_agent_from_starting(table: Table) -> None:
    table.file.write_text("nonsense")
    with pytest.raises(ConfigurationError, match=r"limits\.toml"):
        await table.checking.open()


async def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        await Table(tmp_path, required=True).checking.open()
    await Table(tmp_path).checking.open()


def test_a_folder_is_no_limits_file(tmp_path: Path) -> None:
    with pytest.raises(LimitsError, match="directory"):
        OwnerFile(tmp_path).content()
    assert OwnerFile(None).content() == b""


async def test_it_works_on_by_itself_and_rests_when_nothing_is_left(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_LOOK_EVERY_S", 3600.0)
    table.bench.allocate(allocation("a"), allocation("b", sha=OTHER_SHA))
    table.bench.state = core.on_limits(table.bench.state, "", {}).state
    running = asyncio.create_task(table.checking.run())
    await until(lambda: len(table.judge.asked) == 2)
    table.bench.allocate(allocation("c"), printer=B)
    table.bench.state = core.on_files(table.bench.state, frozenset({SHA, OTHER_SHA})).state
    await asyncio.sleep(0.01)
    table.checking.soon()
    await until(lambda: (B, SHA) in table.bench.state.checks)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_program_for_a_printer_that_is_not_there_is_not_judged(table: Table) -> None:
    table.bench.allocate(allocation(), printer=B)
    del table.checking._printers[B]
    assert await table.checking.turn() == core.Task(B, SHA)
    assert table.judge.asked == []
    table.checking.know(B, "Berta", "generic-300", ())
    await table.checking.turn()
    assert [asked.profile for asked in table.judge.asked] == ["generic-300"]


async def test_limits_are_logged_once_when_they_change_and_once_when_they_cannot_be_used(table: Table) -> None:
    async def logged(content: str | None) -> list[str]:
        if content is not None:
            table.file.write_text(content)
        with structlog.testing.capture_logs() as logs:
            await table.checking.turn()
            await table.checking.turn()
        assert all(len(entry["revision"]) == 12 for entry in logs if entry["event"] == "limits.changed")
        assert all(entry["next_step"] for entry in logs if entry["event"] == "limits.unusable")
        return [entry["event"] for entry in logs]

    assert await logged(None) == [], "how it begins is no change"
    assert await logged("max_bed_c = 60\n") == ["limits.changed"]
    assert await logged("max_bed_c = \n") == ["limits.unusable"]
    assert await logged("max_bed_c = 'warm'\n") == ["limits.unusable"], "another mistake is said anew"
    assert await logged("max_bed_c = 60\n") == ["limits.changed"]
    assert await logged("max_bed_c = 61\n") == ["limits.changed"]
    assert await logged(None) == []


# --- the process ------------------------------------------------------------------------------------------------------------------


def request(folder: Path, text: str, limits: Limits = NO_LIMITS) -> Request:
    path = folder / "program.gcode"
    path.write_text(text)
    return Request(path, "a" * 64, "generic-210", limits)


async def test_a_process_judges(tmp_path: Path) -> None:
    check = ProcessCheck(tmp_path / "checks")
    assert await check(request(tmp_path, SMALL)) == Checked(rule_set=RULE_SET_VERSION)
    refused = (await check(request(tmp_path, SMALL, Limits(max_nozzle_c=150)))).refused
    assert refused is not None
    assert (refused.code, "200 > 150" in refused.en, "200 > 150" in refused.fr) == ("gcode-refused", True, True)
    assert len(list((tmp_path / "checks").iterdir())) == 2


@pytest.mark.parametrize("bounds", [{"timeout_s": 0.0}, {"memory_bytes": 2**20}])
async def test_a_judge_that_hangs_or_dies_refuses(tmp_path: Path, bounds: dict[str, float]) -> None:
    checked = await ProcessCheck(tmp_path / "checks", **bounds)(request(tmp_path, SMALL))  # type: ignore[arg-type]  # by name
    assert checked.refused is not None
    assert "could not be checked" in checked.refused.en


async def test_a_program_that_vanished_is_refused_and_not_kept(tmp_path: Path) -> None:
    asked = request(tmp_path, SMALL)
    asked.program.unlink()
    assert (await ProcessCheck(tmp_path / "checks")(asked)).refused is not None
    assert not (tmp_path / "checks").exists()


async def test_giving_up_kills_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the other end of a pipe and would never end by itself."""
    started: list[asyncio.subprocess.Process] = []
    begin = asyncio.create_subprocess_exec

    async def noted(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await begin(*command, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    asked = request(tmp_path, SMALL)
    asked.program.unlink()
    os.mkfifo(asked.program)
    task = asyncio.create_task(ProcessCheck(tmp_path)(asked))
    await until(lambda: bool(started))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [child.returncode for child in started] == [-signal.SIGKILL]


async def test_a_judge_that_says_too_much_is_not_listened_to_and_that_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_MAX_ANSWER_BYTES", 20)
    with structlog.testing.capture_logs() as logs:
        checked = await ProcessCheck(tmp_path / "checks")(request(tmp_path, SMALL))
    assert checked.refused is not None
    assert [(entry["event"], entry["program"]) for entry in logs] == [("program.unchecked", SHA[:12])]


async def test_the_farms_own_node_is_not_asked_twice(tmp_path: Path) -> None:
    assert await JUDGED_ELSEWHERE(request(tmp_path, "M997\n")) == Checked()


async def test_an_agent_does_not_load_what_judges() -> None:
    script = (
        "import sys, farm.node.agent; sys.exit(bool({'numpy', 'gcode.rules', 'gcode.checks', 'gcode.machine'} & set(sys.modules)))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env={"PYTHONPATH": str(Path.cwd())})
    assert await child.wait() == 0
