"""Plays a recorded exchange with real Marlin against the virtual firmware and compares what both said.

What no simulator can repeat is levelled: measured temperatures, heater duties, the residency counter of M109, build date, machine
name and UUID, the room in the planner at that millisecond (`P14`), and how many progress lines (`busy:`, temperatures) fit into a
wait: only which kinds of them come, at which step, is compared. Everything else is exact, line by line and in order.

The noisy recordings were made with a spoilt wire, and tell what the sender sent, not what arrived. What arrived follows from the
answer: `damaged` makes a line that real Marlin answers so, and the virtual firmware must answer it in the same words.
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
    (re.compile(r"^ok( N\d+)? P\d+ "), r"ok\1 P# "),
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


_QUOTED = re.compile(r'echo:Unknown command: "(.*)"')


def damaged(sent: str, answers: list[str]) -> str:
    """What must have arrived of `sent`, that Marlin gave these answers. The text itself when nothing was wrong."""
    first = answers[0] if answers else ""
    body, _, checksum = sent.rpartition("*")
    if first.startswith("Error:checksum mismatch"):
        return f"{body[:-1]}{chr(ord(body[-1]) ^ 1)}*{checksum}"
    if first.startswith("Error:No Checksum"):
        return body
    if first.startswith("Error:Line Number is not"):
        number, rest = sent[1:].split(" ", 1)
        return f"N{int(number) + 4} {rest}"
    if quoted := _QUOTED.match(first):
        return f"{quoted[1]}*{checksum}" if "*" in sent else quoted[1]
    if not answers:  # taken for a line that came before, and dropped without a word
        number, rest = sent[1:].split(" ", 1)
        return f"N{int(number) - 1} {rest}"
    return sent


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
        elif verb == "runout":
            firmware.run_out(self.now_s, out=value == "1")
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

    def play(self, step: Step, *, noisy: bool = False) -> list[str]:
        if step.world is not None:
            self.change_world(step.world)
        if any("FilamentRunout" in answer for answer in step.answers):
            self.now_s = self.firmware.machine.runout_s  # the moment when the sensor convinced the firmware is the recording's
        if step.sent is not None:
            sent = damaged(step.sent, step.answers) if noisy else step.sent
            self.firmware.feed(sent.encode("latin-1") + b"\n", self.now_s)
        return self.answers(step)
