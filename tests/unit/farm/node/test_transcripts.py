import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from drivers.base import PrintEnd, PrinterState
from farm.errors import NotFoundError
from farm.node import core
from farm.node import transcripts as module
from farm.node.core import Step
from farm.node.transcripts import (
    MAX_BYTES,
    MAX_FILES,
    MAX_OF_A_PRINTER,
    Occasion,
    Transcripts,
    composed,
    file_name,
    listed,
    occasions,
    read,
    write,
)
from gcode.texts import Bilingual, Told
from scheduler.model import JobOutcome
from tests.unit.farm.node.bench import FAULT, A, B, Bench
from tests.unit.farm.node.fake_farm import printing, until

AT_S = 1_800_000_000.0
OF_A_FAULT = Occasion(A, Bilingual(f"fault {FAULT.code}: {FAULT.text}", f"panne {FAULT.code} : {FAULT.text}"))


def after(bench: Bench, function: Any, *arguments: Any, **named: Any) -> list[Occasion]:
    before = bench.state
    return occasions(before, bench.do(function, *arguments, **named))


@pytest.mark.parametrize(
    ("end", "called"), [(PrintEnd.FAILED, 1), (PrintEnd.INTERRUPTED, 1), (PrintEnd.DONE, 0), (PrintEnd.CANCELLED, 0)]
)
def test_a_job_that_ended_badly_is_an_occasion(end: PrintEnd, called: int) -> None:
    bench = Bench()
    start = bench.start()
    before = bench.state
    found = occasions(before, bench.end(start, end))
    assert len(found) == called
    if called:
        said = {PrintEnd.FAILED: "a échoué", PrintEnd.INTERRUPTED: "a été interrompue"}[end]
        assert found == [Occasion(A, Bilingual(f"job {start.job} {end}: ", f"impression {start.job}, qui {said} : "))]


def test_a_start_that_failed_is_one_too() -> None:
    bench = Bench()
    start = bench.start()
    cut = Told("transfer", "the upload was cut", "l'envoi s'est interrompu")
    (found,) = after(bench, core.on_not_begun, start, cut, outcome=JobOutcome.FAILED)
    assert found.what == (
        f"job {start.job} failed: the upload was cut", f"impression {start.job}, qui a échoué : l'envoi s'est interrompu",
    )  # fmt: skip


def test_a_machine_that_goes_to_fault_is_one_once() -> None:
    bench = Bench()
    before = bench.state
    assert occasions(before, bench.status(A, PrinterState.FAULT, fault=FAULT)) == [OF_A_FAULT]
    before = bench.state
    assert occasions(before, bench.status(A, PrinterState.FAULT, fault=FAULT, note="still")) == []
    assert occasions(bench.state, Step(bench.state)) == []


def test_a_fault_in_our_own_words_is_an_occasion_in_both_languages() -> None:
    bench = Bench()
    before = bench.state
    ours = replace(FAULT, text=Told("hot", "line 5", "ligne 5"))
    (occasion,) = occasions(before, bench.status(A, PrinterState.FAULT, fault=ours))
    assert occasion.what == (f"fault {FAULT.code}: line 5", f"panne {FAULT.code} : ligne 5")


def test_what_was_said_is_bounded_and_the_newest_stays() -> None:
    lines = [f"{number}.000 > G1 X{'é' * 100}" for number in range(5_000)]
    content = composed(["printer left", "job failed"], lines)
    assert len(content) <= MAX_BYTES
    text = content.decode()
    assert text.startswith("# printer left\n# job failed\n")
    assert text.rstrip().endswith(lines[-1])
    assert f"\n{lines[0]}\n" not in text


def test_what_a_terminal_would_obey_is_not_in_it() -> None:
    assert composed([], ["1 < \x1b[2J\rerased"]) == "1 < \ufffd[2J\ufffderased\n".encode()


def test_the_newest_of_each_printer_and_of_all_stay(tmp_path: Path) -> None:
    folder = tmp_path / "transcripts"
    for number in range(12):
        for printer in (A, B, *(f"printer-{other}" for other in range(8))):
            name = file_name(printer, AT_S + number)
            assert write(folder, name, b"x", reserve_bytes=0)
            os.utime(folder / name, (number + 1, number + 1))
    kept = listed(tmp_path)
    assert len(kept) == MAX_FILES
    of_a = [one.name for one in kept if one.printer == A]
    assert len(of_a) <= MAX_OF_A_PRINTER
    assert of_a[0] == file_name(A, AT_S + 11)
    for number in range(20):
        assert write(folder, file_name(A, AT_S + 100 + number), b"x", reserve_bytes=0)
    assert len([one for one in listed(tmp_path) if one.printer == A]) == MAX_OF_A_PRINTER


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for number in range(20):
        write(folder, file_name(A, AT_S + number), b"x", reserve_bytes=0)
    assert (folder / "notes.txt").read_text() == "mine"
    assert "notes.txt" not in [one.name for one in listed(tmp_path)]


def test_one_is_read_by_its_name_and_nothing_else_is(tmp_path: Path) -> None:
    name = file_name(A, AT_S)
    assert name == "printer-a-20270115T080000Z.txt"
    write(tmp_path / "transcripts", name, b"# printer left\n", reserve_bytes=0)
    assert read(tmp_path, name) == "# printer left\n"
    (tmp_path / "secret").write_text("secret")
    for wrong in ("../secret", "secret", "/etc/passwd", "", "printer-b-20270115T080000Z.txt"):
        with pytest.raises(NotFoundError):
            read(tmp_path, wrong)
    assert listed(tmp_path / "empty") == []


def test_a_disk_that_is_short_of_room_is_spared(tmp_path: Path) -> None:
    assert not write(tmp_path / "transcripts", file_name(A, AT_S), b"x", reserve_bytes=2**62)
    assert listed(tmp_path) == []
    (tmp_path / "file").touch()
    assert not write(tmp_path / "file" / "below", file_name(A, AT_S), b"x", reserve_bytes=0)


@pytest.mark.parametrize("fields", [{"nearly_full": True}, {"writable": False}])
async def test_nothing_is_written_while_the_disk_is_full(tmp_path: Path, fields: dict[str, Any]) -> None:
    bench = Bench()
    start = bench.start()
    before = bench.state
    step = bench.end(start, PrintEnd.FAILED)
    step = Step(replace(step.state, **fields), step.facts)
    with ThreadPoolExecutor(1) as thread, structlog.testing.capture_logs() as logs:
        Transcripts(tmp_path, thread, lambda _printer: ["1 > G28"], reserve_bytes=0).after(before, step, AT_S)
    assert listed(tmp_path) == []
    assert [line["event"] for line in logs] == ["transcript.not-kept"]


async def test_one_trouble_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    start = bench.start()
    with ThreadPoolExecutor(1) as thread:
        kept = Transcripts(tmp_path, thread, lambda _printer: ["1 > G28"], reserve_bytes=0)
        before = bench.state
        kept.after(before, bench.end(start, PrintEnd.FAILED), AT_S)
        before = bench.state
        kept.after(before, bench.status(A, PrinterState.FAULT, fault=FAULT), AT_S + 1)
        monkeypatch.setattr(module, "_GAP_S", 0.0)
        bench.status(A, PrinterState.IDLE)
        before = bench.state
        kept.after(before, bench.status(A, PrinterState.FAULT, fault=FAULT), AT_S + 60)
    first, second = reversed(listed(tmp_path))
    assert f"# job {start.job} failed" in read(tmp_path, first.name)
    assert read(tmp_path, second.name).splitlines() == [
        "# printer printer-a (printer-a, scripted)",
        "# firmware unknown",
        f"# fault {FAULT.code}: {FAULT.text}",
        f"# panne {FAULT.code} : {FAULT.text}",
        "1 > G28",
    ]


# --- an agent


async def test_an_agent_keeps_what_was_said_before_a_fault(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        shop.scripts["left"].transcript = ["12.345 > G1 X5", "12.350 < Error:Thermal Runaway"]
        job = driver.status.job
        driver.finishes(PrintEnd.FAILED, "too hot", fault=FAULT)
        await until(lambda: listed(tmp_path), what="a transcript")
        (one,) = listed(tmp_path)
        assert one.printer == printer
        await until(lambda: "Runaway" in read(tmp_path, one.name))
        assert f"# job {job} failed: too hot" in read(tmp_path, one.name)


async def test_a_driver_that_cannot_tell_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with printing(tmp_path) as (shop, printer, driver):

        def broken() -> list[str]:
            raise RuntimeError("a bug")

        monkeypatch.setattr(driver, "transcript", broken)
        with structlog.testing.capture_logs() as logs:
            driver.finishes(PrintEnd.FAILED)
            await until(lambda: "job-ended" in shop.farm.kinds())
            await shop.agent.settle()
        assert [line["detail"] for line in logs if line["event"] == "transcript.failed"] == ["RuntimeError: a bug"]
        assert shop.agent.state.occupations[printer].outcome is JobOutcome.FAILED
        await asyncio.sleep(0)
        assert listed(tmp_path) == []
