"""Many jobs on virtual printers that break at random: a job that was called DONE always stands on the bed, whole and once.

    .venv/bin/python -m tests.integration.soak --jobs 1000 --seed 7 --printers 4

Everything that is done to the printers follows from the seed. The drivers are the real ones, through real ptys; a "person" resets
what is killed, plugs in what was pulled, and takes every part off the bed after its job. Time is scaled, so that a driver's
patience of seconds is many minutes for the firmware: its dead man's switch is off, and released steppers are not counted.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from drivers.base import DriverEvent, PrintEnd, PrintEnded, PrinterState
from drivers.errors import DriverError
from drivers.marlin.printer import MarlinPrinter, from_url
from drivers.virtual.control import Order, obey
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from tests.integration.small_program import small_program

SPEED: Final = 200.0
LONGEST_JOB_S: Final = 150.0
LONGEST_RECOVERY_S: Final = 120.0
TYPICAL_JOB_S: Final = 0.6
LOOK_S: Final = 0.05
STUCK: Final = "stuck"
EXACT_MM: Final = 1e-3
# Codes that a driver sends on its own account in a job; everything else of what was executed has to be the file, line by line.
DRIVERS_OWN: Final = frozenset(
    {
        "M105",
        "M110",
        "M113",
        "M114",
        "M115",
        "M155",
        "M154",
        "M27",
        "M85",
        "M220",
        "M221",
        "M400",
        "M108",
        "M876",
        "M118",
        "M31",
        "G4",
    }
)


@dataclass(frozen=True, slots=True)
class Injury:
    """One thing done to a printer, so many real seconds after the start of its job."""

    after_s: float
    order: Order


@dataclass(slots=True)
class Outcome:
    """What became of one job: what the driver said, and what the bed says."""

    printer: int
    number: int
    injuries: list[Injury]
    end: str = ""
    detail: str = ""
    whole: bool = False
    why_not: str = ""
    seconds: float = 0.0  # until the printer was ready for the next


@dataclass(slots=True)
class Result:
    """All jobs of one soak."""

    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Jobs that the drivers called DONE."""
        return sum(outcome.end == PrintEnd.DONE for outcome in self.outcomes)

    @property
    def wrong(self) -> list[Outcome]:
        """Called DONE, and not standing there whole: what must never be. Or never heard of again."""
        return [
            outcome for outcome in self.outcomes if outcome.end == "stuck" or (outcome.end == PrintEnd.DONE and not outcome.whole)
        ]

    def summary(self) -> str:
        """What is needed to repeat a failure."""
        ends = Counter(outcome.end for outcome in self.outcomes)
        pessimistic = sum(outcome.whole and outcome.end != PrintEnd.DONE for outcome in self.outcomes)
        lines = [
            f"seed {self.seed}: {len(self.outcomes)} jobs in {self.seconds:.0f} s, {dict(ends)}, {pessimistic} whole but not done"
        ]
        for outcome in self.wrong:
            lines.append(
                f"WRONG printer {outcome.printer} job {outcome.number}: {outcome.end}: {outcome.detail}: {outcome.why_not}"
            )
            lines += [f"    {injury.after_s:.3f} s {injury.order}" for injury in outcome.injuries]
        return "\n".join(lines)


def _freeze_s(chance: random.Random) -> float:
    return round(chance.uniform(0.2, 4.0) * SPEED, 1)


def plan_injuries(chance: random.Random) -> list[Injury]:
    """What happens to a printer in one job. Half of the jobs are left alone."""
    if chance.random() < 0.5:
        return []
    moment_s = round(chance.uniform(0.0, TYPICAL_JOB_S), 3)
    ratio = round(chance.uniform(0.0005, 0.006), 5)
    kinds: list[list[tuple[float, Order]]] = [
        [(0.0, {"fault": "noise", "in": ratio})],
        [(0.0, {"fault": "noise", "out": ratio})],
        [(0.0, {"fault": "noise", "in": ratio, "out": ratio})],
        [(moment_s, {"fault": "lose-ok"})],
        [(moment_s, {"fault": "silent-duplicate"})],
        [(moment_s, {"fault": "double-ok", "count": chance.randint(1, 5)})],
        [(moment_s, {"fault": "extra-ok"})],
        [(moment_s, {"fault": "late-ok", "seconds": _freeze_s(chance)})],
        [(moment_s, {"fault": "corrupt-ok"})],
        [(moment_s, {"fault": "stale-resend", "back": chance.randint(0, 30)})],
        [(moment_s, {"fault": "corrupt-resend"}), (moment_s, {"fault": "flip-line"})],
        [(moment_s, {"fault": "misnumber-resend", "by": chance.choice([-3, 1, 100])}), (moment_s, {"fault": "flip-line"})],
        [(moment_s, {"fault": "flip-line", "count": chance.randint(1, 6)})],
        [(moment_s, {"fault": "merge-lines", "count": chance.randint(1, 3)})],
        [(moment_s, {"fault": "double-line", "count": chance.randint(1, 3)})],
        [(moment_s, {"fault": "freeze", "seconds": _freeze_s(chance)})],
        [(moment_s, {"fault": "reset"})],
        [(moment_s, {"fault": "kill"})],
        [(moment_s, {"fault": "unplug"}), (moment_s + 0.3, {"fault": "replug"})],
        [(moment_s, {"fault": "renumber"})],
        [(0.0, {"fault": "kill-in-heat"})],
        [(moment_s, {"fault": "cut-tail", "count": chance.randint(1, 2)})],
        [(moment_s, {"fault": "second-opener"}), (moment_s + 0.3, {"fault": "second-opener", "on": False})],
        [(moment_s, {"fault": "full-pty"}), (moment_s + 0.3, {"fault": "full-pty", "on": False})],
        [(moment_s, {"fault": "heater-off"})],
        [(moment_s, {"fault": "sensor", "state": chance.choice(["open", "short"])})],
    ]
    return [Injury(after_s, order) for after_s, order in chance.choice(kinds)]


def commands(program: bytes) -> list[str]:
    """The lines of a file that a machine executes."""
    lines = (line.partition(";")[0].strip() for line in program.decode().splitlines())
    return [line for line in lines if line]


def net_mm(program: bytes) -> float:
    """Filament that the file turns, retractions subtracted; its extrusion is relative."""
    words = [word for line in commands(program) if line.startswith("G1 ") for word in line.split() if word.startswith("E")]
    return sum(float(word[1:]) for word in words)


class Stand:
    """One printer, its driver, and the person beside it."""

    def __init__(self, number: int, seed: int, folder: Path, program: Path) -> None:
        self.number = number
        self._chance = random.Random(f"{seed}/{number}")
        self._program = program
        self._content = program.read_bytes()
        self._link = folder / f"soak-{number}"
        firmware = Firmware(
            FirmwareOptions(emergency_parser=bool(number % 2), advanced_ok=bool(number % 3)), seed=seed * 100 + number
        )
        self.port = VirtualPort(firmware, speed=SPEED, link=self._link, name=f"soak-{number}")
        self.driver: MarlinPrinter = from_url(urlsplit(f"marlin://{self._link}?baud=115200&deadman_s=0"), self._listen)
        self._ended: asyncio.Queue[PrintEnded] = asyncio.Queue()

    def _listen(self, event: DriverEvent) -> None:
        if isinstance(event, PrintEnded):
            self._ended.put_nowait(event)

    async def _end_of(self, job: str) -> PrintEnded:
        """Events of jobs that were refused may be older."""
        while (event := await self._ended.get()).job != job:
            pass
        return event

    async def ask(self, order: Order) -> Order:
        return await asyncio.to_thread(obey, self.port, order)

    async def close(self) -> None:
        await self.driver.close()
        await asyncio.to_thread(self.port.close)

    async def work(self, jobs: int, result: Result) -> None:
        """One job after the other."""
        await self.driver.connect()
        for number in range(jobs):
            outcome = Outcome(self.number, number, plan_injuries(self._chance))
            result.outcomes.append(outcome)
            began_s = time.monotonic()
            if not await self._make_ready():
                outcome.end, outcome.detail = STUCK, f"{self.driver.status}"
                return
            await self._one(outcome)
            outcome.seconds = time.monotonic() - began_s

    async def _make_ready(self) -> bool:
        """The person: all faults off, killed boards reset, the bed cleared."""
        deadline_s = time.monotonic() + LONGEST_RECOVERY_S
        await self.ask({"fault": "none"})
        while self.driver.status.state is not PrinterState.IDLE:
            if time.monotonic() > deadline_s:
                return False
            if (await self.ask({"snapshot": True}))["killed"]:
                await self.ask({"fault": "reset"})
            await asyncio.sleep(LOOK_S)
        await self.ask({"remove_parts": True})
        return True

    async def _one(self, outcome: Outcome) -> None:
        before, told = await self.ask({"snapshot": True}), await self.ask({"executed": True})
        job = f"job-{self.number}-{outcome.number}"
        hurting = asyncio.create_task(self._hurt(outcome.injuries))
        try:
            async with asyncio.timeout(LONGEST_JOB_S):
                await self.driver.start(self._program, job)
                ended = await self._end_of(job)
            outcome.end, outcome.detail = ended.end, ended.detail
        except DriverError as error:
            outcome.end, outcome.detail = "refused", str(error)
        except TimeoutError:
            outcome.end, outcome.detail = STUCK, f"{self.driver.status}"
        await hurting
        await self._judge(outcome, before, told["total"])

    async def _hurt(self, injuries: list[Injury]) -> None:
        began_s = time.monotonic()
        for injury in injuries:
            await asyncio.sleep(max(0.0, began_s + injury.after_s - time.monotonic()))
            await self.ask(injury.order)

    async def _judge(self, outcome: Outcome, before: Order, total: int) -> None:
        after, told = await self.ask({"snapshot": True}), await self.ask({"executed": True})
        history = [*told["before"], *told["executed"]]
        lines = history[len(history) - (told["total"] - total) :]
        outcome.why_not = complaint(self._content, before, after, lines)
        outcome.whole = not outcome.why_not


def complaint(program: bytes, before: Order, after: Order, executed: list[str]) -> str:
    """Why what stands on the bed is not one whole part of this program; empty when it is."""
    parts: list[dict[str, Any]] = [part for part in after["parts"] if not part["collected"]]
    if len(parts) != 1:
        return f"{len(parts)} parts stand there"
    part = parts[0]
    if part["end"] not in {"motors-off", "heaters-off"} or part["resets"] or part["cut_moves"] or part["on_occupied_bed"]:
        return f"the part is {part}"
    turned, wanted = after["net_mm"] - before["net_mm"], net_mm(program)
    if abs(turned - wanted) > EXACT_MM:
        return f"{turned:.5f} mm of filament were turned and not {wanted:.5f}"
    ours = [line for line in executed if line.split()[0] not in DRIVERS_OWN]
    file = [line for line in commands(program) if line.split()[0] not in DRIVERS_OWN]
    if ours != file:
        at = next(
            (place for place, pair in enumerate(zip(ours, file, strict=False)) if pair[0] != pair[1]), min(len(ours), len(file))
        )
        return f"from line {at} on was executed {ours[at : at + 3]} and not {file[at : at + 3]}; {len(ours)} lines for {len(file)}"
    return ""


async def soak(seed: int, *, jobs: int, printers: int, folder: Path) -> Result:
    """So many jobs on so many printers; nothing is judged here but written down."""
    program = folder / "frame.gcode"
    program.write_bytes(small_program(layers=3))
    result = Result(seed)
    began_s = time.monotonic()
    stands = [Stand(number, seed, folder, program) for number in range(1, printers + 1)]
    try:
        shares = [jobs // printers + (number < jobs % printers) for number in range(printers)]
        async with asyncio.TaskGroup() as group:
            for stand, share in zip(stands, shares, strict=True):
                group.create_task(stand.work(share, result))
    finally:
        for stand in stands:
            await stand.close()
    result.seconds = time.monotonic() - began_s
    return result


def main(words: list[str] | None = None) -> int:
    """The long form. Exit code 1 when a job was called DONE and is not whole, or a printer never came back."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--printers", type=int, default=4)
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="essaim-soak-") as folder:
        result = asyncio.run(soak(chosen.seed, jobs=chosen.jobs, printers=chosen.printers, folder=Path(folder)))
    sys.stdout.write(result.summary() + "\n")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
