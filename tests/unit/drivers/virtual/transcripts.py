"""Plays a recorded exchange with real Marlin against the virtual firmware and compares what both said.

What no simulator can repeat is levelled: measured temperatures, heater duties, and how many progress lines fit into a wait.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from tests import shared_data

FOLDER = shared_data.FOLDER / "marlin_transcripts"
PAUSE_S = 0.1  # between an answer and the next line
LONGEST_ANSWER_S = 400.0
SENSORS = {"0": Sensor.GOOD, "1": Sensor.OPEN, "2": Sensor.SHORT}

_LEVELLED = (
    (re.compile(r"T:-?\d+\.\d\d /"), "T:# /"),
    (re.compile(r"B:-?\d+\.\d\d /"), "B:# /"),
    (re.compile(r" @:\d+ B@:\d+"), " @:# B@:#"),
    (re.compile(r" W:[\d?]"), " W:#"),
    (re.compile(r"bugfix-2.1.x \([^)]*\)"), "bugfix-2.1.x (#)"),
    (re.compile(r"MACHINE_TYPE:\S+"), "MACHINE_TYPE:#"),
    (re.compile(r"UUID:\S+"), "UUID:#"),
)
_PROGRESS = re.compile(r"echo:busy:| T:")


@dataclass
class Step:
    """Something sent or done, and what real Marlin said until the next one."""

    sent: str | None = None
    world: str | None = None
    answers: list[str] = field(default_factory=list)


def read_steps(text: str) -> Iterator[Step]:
    step = Step()
    together = False
    for line in text.splitlines():
        if line.startswith("<"):
            step.answers.append(line[2:])
            continue
        if line.startswith("# world: "):
            yield step
            step = Step(world=line.removeprefix("# world: "))
        elif line.startswith(">") and together and step.sent:
            step.sent += f"\n{line[2:]}"
            together = False
        elif line.startswith("#"):
            yield step
            step = Step()
            together = "in flight" in line
        elif line.startswith(">"):
            yield step
            step = Step(sent=line[2:])
    yield step


def levelled(lines: list[str]) -> tuple[list[str], set[str]]:
    """Answers in order, and the kinds of progress lines among them."""
    plain = []
    for line in lines:
        for pattern, text in _LEVELLED:
            line = pattern.sub(text, line)  # noqa: PLW2901 - each pattern works on the result of the one before
        plain.append(line)
    return [line for line in plain if not _PROGRESS.match(line)], {line for line in plain if _PROGRESS.match(line)}


class Player:
    """A firmware, its clock, and the hand that does what the `# world` lines say."""

    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware
        self.now_s = 0.0
        firmware.advance(0.0)

    def change_world(self, world: str) -> None:
        verb, _, value = world.partition(" ")
        firmware, machine = self.firmware, self.firmware.machine
        if verb == "reset":
            firmware.reset(self.now_s)
        elif verb in {"hotend", "bed"}:
            (machine.hotend if verb == "hotend" else machine.heated_bed).be(float(value), self.now_s)
        elif verb in {"sensor", "bedsensor"}:
            firmware.break_sensor("hotend" if verb == "sensor" else "bed", SENSORS[value], self.now_s)
        elif verb in {"heater", "bedheater"} and value == "0":
            firmware.break_heater("hotend" if verb == "heater" else "bed", self.now_s)
        else:
            assert verb in {"speed", "heater", "bedheater"}, world

    def answers(self, wanted: Step) -> list[str]:
        """What the firmware says until it has said as much as is wanted; progress lines do not count."""
        said: list[str] = []
        count, kinds = levelled(wanted.answers)
        limit_s = self.now_s + LONGEST_ANSWER_S
        while self.now_s < limit_s:
            said += self.firmware.advance(self.now_s).decode("latin-1").split("\n")[:-1]
            lines, progress = levelled(said)
            if len(lines) >= len(count) and len(progress) >= len(kinds):
                break
            self.now_s += 0.25
        self.now_s += PAUSE_S
        said += self.firmware.advance(self.now_s).decode("latin-1").split("\n")[:-1]
        return said

    def play(self, step: Step) -> list[str]:
        if step.world is not None:
            self.change_world(step.world)
        if step.sent is not None:
            self.firmware.feed(step.sent.encode("latin-1") + b"\n", self.now_s)
        return self.answers(step)
