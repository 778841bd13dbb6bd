"""The first half on a virtual printer, then the resumed program: together the whole part, layer by layer.

The virtual firmware measures what leaves its nozzle and at what height, whatever the file says.
"""

from collections import Counter
from dataclasses import replace
from io import BytesIO

import pytest

from drivers.virtual.motion import Block
from drivers.virtual.options import FirmwareOptions
from gcode.frame import frame_program
from gcode.profile import bundled_profiles
from gcode.resume import plan_resume
from gcode.resume.preamble import PURGE_MM
from tests.unit.drivers.virtual.console import Console
from tests.unit.gcode.resume.towers import PRINTER, absolute_tower, tower

FRAME_PRINTER = replace(bundled_profiles()["generic-210"], resumes=True)


class Printer:
    """A virtual printer whose extrusions are noted by the height at which they were made."""

    def __init__(self) -> None:
        self.console = Console(FirmwareOptions(bed_mm=210.0))
        self.laid: Counter[int] = Counter()  # micrometres of height: thousandths of a millimetre of filament
        self.purged_mm = 0.0
        self.lowest_mm = 1000.0
        self.stands_at_mm = 0.0  # where the nozzle is when the firmware thinks that it is at 0
        bed = self.console.firmware.bed
        before = bed.executed

        def executed(block: Block, heaters_on: bool) -> None:
            self._note(block)
            before(block, heaters_on)

        bed.executed = executed  # type: ignore[method-assign]  # to look over its shoulder

    def _note(self, block: Block) -> None:
        height_mm = block.target[2] + self.stands_at_mm
        self.lowest_mm = min(self.lowest_mm, height_mm)
        if block.extruded_mm > 0 and block.swept:
            self.laid[round(height_mm * 1000)] += round(block.extruded_mm * 100_000)
        elif block.extruded_mm > 0:
            self.purged_mm += block.extruded_mm

    def print(self, content: bytes) -> None:
        lines = [line.partition(";")[0].strip() for line in content.decode().splitlines()]
        self.console.run(*(line for line in lines if line), limit_s=7200)
        self.console.settle()


def printed(*programs: bytes) -> Printer:
    printer = Printer()
    for content in programs:
        printer.print(content)
    return printer


@pytest.mark.parametrize("text", [tower(), absolute_tower(), tower(marks=False)], ids=["relative", "absolute", "unmarked"])
@pytest.mark.parametrize("layer", [2, 5])
def test_both_halves_are_the_whole_part(text: str, layer: int) -> None:
    content = text.encode()
    plan = plan_resume(BytesIO(content), layer, PRINTER, confirmed=True, motors_held=True)
    rest = b"".join(plan.pieces(BytesIO(content)))
    whole = printed(content)
    halves = printed(content[: plan.offset], rest)
    assert halves.laid == whole.laid
    assert len(whole.laid) == 8
    flow = 0.95  # M221 of the file
    assert halves.purged_mm == pytest.approx(whole.purged_mm + (PURGE_MM + PRINTER.retraction_mm) * flow, abs=0.01)


def test_the_nozzle_never_goes_below_what_stands() -> None:
    content = tower().encode()
    plan = plan_resume(BytesIO(content), 5, PRINTER, confirmed=True, motors_held=True)
    printer = printed(content[: plan.offset])
    printer.lowest_mm = 1000.0
    printer.print(b"".join(plan.pieces(BytesIO(content))))
    assert printer.lowest_mm >= plan.standing_mm - 1e-9
    assert printer.console.firmware.bed.collisions == 0
    assert len(printer.console.firmware.bed.parts) == 1, "the same part went on growing"


def test_a_reset_printer_goes_on_at_the_height_that_a_person_read() -> None:
    content = tower().encode()
    whole = printed(content)
    plan = plan_resume(BytesIO(content), 5, PRINTER, confirmed=True, motors_held=True, nozzle_z_mm=0.8)
    printer = printed(content[: plan.offset])
    printer.console.firmware.reset(printer.console.now_s)
    printer.console.heard()
    printer.stands_at_mm = 0.8
    printer.print(b"".join(plan.pieces(BytesIO(content))))
    assert printer.laid == whole.laid


@pytest.mark.slow
def test_a_frame_of_ours() -> None:
    content = frame_program(FRAME_PRINTER)
    plan = plan_resume(BytesIO(content), 9, FRAME_PRINTER, confirmed=True, motors_held=True)
    whole = printed(content)
    halves = printed(content[: plan.offset], b"".join(plan.pieces(BytesIO(content))))
    assert halves.laid == whole.laid
