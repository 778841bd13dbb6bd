"""Takes a print up again at a layer: a preamble that makes the machine what it was there, and the rest of the file unchanged.

Only what the slicer says there of the whole print is left out, and said anew of the rest (`gcode.resume.totals`).

Z is never homed: the part stands where the nozzle would go. So its height must still be known: the motors held since the print
stopped, and either the firmware was not reset and knows its position, or a person says at what height the nozzle stands.
Nothing moves below the top of what stands, and plastic is purged beside the part. `gcode.resume.errors` has what can be refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from gcode.facts import GcodeFacts
from gcode.interpreter import read_facts
from gcode.profile import PrinterProfile
from gcode.resume.errors import (
    LayerError,
    ResumeError,
    ResumeNotAllowedError,
    ResumeNotConfirmedError,
    SelfCheckError,
    UnsuitableError,
)
from gcode.resume.gate import begin_row, check_gate, check_heights, check_nozzle
from gcode.resume.outcome import Chained, check_outcome
from gcode.resume.preamble import Heights, clear_height, preamble_lines
from gcode.resume.state import check_suitable, names_z_first, read_state
from gcode.resume.totals import WithoutTotals, claiming, totals_lines

__all__ = [
    "LayerError",
    "ResumeError",
    "ResumeNotAllowedError",
    "ResumeNotConfirmedError",
    "Resumption",
    "SelfCheckError",
    "UnsuitableError",
    "plan_resume",
    "resume",
]

_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Resumption:
    """A program that goes on at a layer. Lengths in mm; `layer` counts from 1 and is the first that is printed.

    `offset` is where the unchanged rest begins, in bytes from where the stream stood. `facts` are those of the new program, but
    that its lines and bytes are counted without those that tell them.
    """

    layer: int
    layers_left: int
    standing_mm: float  # top of what stands on the bed
    clear_mm: float  # height at which the nozzle crosses it
    filament_left_mm: float  # with the purge
    offset: int
    preamble: bytes
    facts: GcodeFacts
    begins_at: int

    def pieces(self, stream: BinaryIO) -> Iterator[bytes]:
        """The new program, at most 64 KiB at a time; `stream` is the one that it was planned with."""
        yield self.preamble
        stream.seek(self.begins_at + self.offset)
        rest = WithoutTotals(stream)
        while piece := rest.read(_PIECE):
            yield piece


def plan_resume(
    stream: BinaryIO,
    layer: int,
    profile: PrinterProfile,
    *,
    confirmed: bool = False,
    motors_held: bool = False,
    nozzle_z_mm: float | None = None,
) -> Resumption:
    """Make a program that goes on with `layer`, and check it; `stream` must be able to seek and is put back where it stood.

    Args:
        stream: plain G-code.
        layer: from 1: the first layer that is printed again; those below stand on the bed whole.
        profile: of the printer that holds the part.
        confirmed: somebody at the printer says that the part sticks and that layer `layer - 1` is whole.
        motors_held: and that the motors were never without current since the print stopped.
        nozzle_z_mm: the height at which the nozzle stands, when the firmware was reset; None when it knows its position.

    Raises:
        ResumeError: one of the family above, in both languages.
        OSError: the stream cannot be read or cannot seek.

    """
    check_gate(profile, confirmed=confirmed, motors_held=motors_held)
    begins_at = stream.tell()
    try:
        facts = read_facts(stream, profile)
        row = begin_row(facts, layer)
        check_heights(facts)
        standing_mm = facts.layer_table[layer - 2].z_mm
        check_nozzle(nozzle_z_mm, standing_mm, profile)
        stream.seek(begins_at)
        state = read_state(stream, profile, facts, row)
        stream.seek(begins_at + row.offset)
        state.z_comes_first = names_z_first(stream, state.machine.relative)
        check_suitable(state, profile, facts)
        clear_mm = clear_height(standing_mm, profile)
        lines = preamble_lines(state, profile, Heights(layer, standing_mm, clear_mm), nozzle_z_mm)
        # The check is made without G92 Z: our machine takes its start for the height 0, the real one stands where it was said.
        checked = "\n".join(line for line in lines if not line.startswith("G92 Z")) + "\n"
        stream.seek(begins_at + row.offset)
        chained = Chained(checked.encode(), WithoutTotals(stream))
        after = read_facts(chained, profile)  # type: ignore[arg-type]  # it reads and seeks, which is all that is asked of it
        check_outcome(facts, after, layer, standing_mm)
    finally:
        stream.seek(begins_at)
    totals = totals_lines(after)
    preamble = ("\n".join([lines[0], *totals, *lines[1:]]) + "\n").encode()
    after = claiming(after, totals)
    left = facts.layers - layer + 1
    return Resumption(layer, left, standing_mm, clear_mm, after.filament_mm, row.offset, preamble, after, begins_at)


def resume(
    stream: BinaryIO,
    layer: int,
    profile: PrinterProfile,
    *,
    confirmed: bool = False,
    motors_held: bool = False,
    nozzle_z_mm: float | None = None,
) -> Iterator[bytes]:
    """The program of `plan_resume`, piece by piece; everything is checked before the first."""
    plan = plan_resume(stream, layer, profile, confirmed=confirmed, motors_held=motors_held, nozzle_z_mm=nozzle_z_mm)
    return plan.pieces(stream)
