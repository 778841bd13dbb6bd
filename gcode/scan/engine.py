"""The fast engine: reads a program in blocks, moves as columns, everything else as the interpreter does. docs/gcode.md shows how.

blocks.py   a stream as blocks of whole lines        remarks.py  lines that are no moves, known by their bytes
lines.py, numbers.py, tokens.py  moves as columns    sheet.py    what one block does, in order
corners.py, planning.py          their seconds       gather.py   facts          watch.py   rules about moves
kernel.py   tokens.py and planning.py, compiled
"""

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Final

import numpy as np

from gcode.checks import Inspection, Judge, beside, is_clean
from gcode.events import FEATURE, FIRST_LAYER, LAYER, LIMITS, STOP, EventReader
from gcode.facts import ExtruderMode, GcodeFacts
from gcode.interpreter import CountingStream
from gcode.machine import Machine
from gcode.profile import PrinterProfile
from gcode.reader import MAX_LINE_BYTES, MOVES, Line, parse_line
from gcode.scan import kernel as compiled
from gcode.scan.blocks import BLOCK_BYTES, Block, cut_blocks
from gcode.scan.columns import Columns, MoveFlag, Parsed, Parser, Planning, added_modes, copied
from gcode.scan.gather import FeatureMark, Gatherer, LayerMark, Mark, Moves
from gcode.scan.remarks import COMMAND, NOTHING, UNSURE, Remark, Remarks
from gcode.scan.sheet import LimitTable, Sheet
from gcode.scan.watch import Watch
from gcode.survey import PLA_DENSITY_G_CM3, Survey, survey
from gcode.totals import Totals, facts_of

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MOST_ROWS: Final = 64 * 1024  # of a sheet: arcs may make a thousand times as many as there are lines
_TRIAL_CALLS: Final = 8  # of a parser, before it is seen whether it is worth it in a block
_EXTRUDES: Final = np.uint8(MoveFlag.EXTRUDES)

Take = Callable[[Moves, Sequence[Mark]], None]


def _stages(kernel: bool | None) -> tuple[Parser, Planning]:
    """The parser and the planner; `kernel` None: the compiled ones where they are."""
    if compiled.available() if kernel is None else kernel:
        return compiled.KernelParser(), compiled.KernelPlanning()
    from gcode.scan.planning import NumpyPlanning  # noqa: PLC0415 - a small file is read sooner than this is loaded
    from gcode.scan.tokens import NumpyParser  # noqa: PLC0415

    return NumpyParser(), NumpyPlanning()


def _line_end(content: bytes, begin: int) -> tuple[int, int]:
    """Where the line that begins here ends: without its end, and with it."""
    feed = content.find(b"\n", begin)
    end = len(content) if feed < 0 else feed
    carriage = content.find(b"\r", begin, end)
    if 0 <= carriage < end - 1 or (carriage >= 0 and feed < 0):
        return carriage, carriage + 1
    return (end if carriage < 0 else carriage), min(end + 1, len(content))


def _parsed(raw: bytes, number: int, offset: int) -> Line:
    """A line without its end, read as `gcode.reader.read_lines` reads it."""
    raw = raw[: MAX_LINE_BYTES + 1]
    return parse_line(raw if offset else raw.removeprefix(_BYTE_ORDER_MARK), number, offset)


class _Scan:
    """One program on its way through the stages."""

    def __init__(self, found: Survey, profiles: Sequence[PrinterProfile], stages: tuple[Parser, Planning]) -> None:
        self.machine: Machine = found.machine()
        self.events = EventReader(self.machine, found)
        self.judges = [Judge(profile, self.machine) for profile in profiles]
        self._parser, self._planning = stages
        self._remarks = Remarks(self.judges)
        self._watch = Watch(self.machine, self.judges)
        self._gatherer = Gatherer()
        self._limits = LimitTable(found.limits)
        self._sheet = Sheet(self._limits)
        self._block = Block(b"", 0, 0)
        self._lines = 0
        self._commands = 0
        self._last_command_line = 0
        self._mode = ExtruderMode()
        self._idle_s = 0.0  # dwell before the first move
        self.walker: Take | None = None  # takes the moves instead of facts, times and rules
        self._printed = False

    def read(self, block: Block) -> None:
        """Take the next block of the file."""
        self._block = block
        content = block.content
        if block.cut:
            self._read_line(content, 0)
        else:
            begin = 0
            if block.offset == 0 and content.startswith(_BYTE_ORDER_MARK):
                end, begin = _line_end(content, 0)
                self._read_line(content[:end], 0)
            self._read_lines(content, begin)
        self._close()

    def _read_lines(self, content: bytes, begin: int) -> None:
        """Whole lines, the plain ones by the parser."""
        calls, taken = 0, 0
        view = memoryview(content)
        while begin < len(content):
            if self._sheet.rows >= _MOST_ROWS:
                self._close()
            if calls >= _TRIAL_CALLS and taken < calls * self._parser.least_lines:
                begin = self._read_next(content, begin)
                continue
            parsed = self._parser.parse(view[begin:], self.machine, self._lines + 1, self._block.offset + begin)
            calls, taken = calls + 1, taken + parsed.lines
            stop = begin + parsed.consumed
            self._take(parsed, begin, last=stop >= len(content))
            begin = stop if stop >= len(content) else self._read_next(content, stop)

    def _take(self, parsed: Parsed, begin: int, *, last: bool) -> None:
        """What a parser made of the lines from this byte on."""
        self._commands += parsed.moves
        self._last_command_line = max(self._last_command_line, parsed.last_move_line)
        self._mode = added_modes(self._mode, parsed.mode)
        if len(parsed.events) or self.events.awaits_picture:
            self._hear_all(parsed, begin)
        self._note_printed(parsed.columns)
        # A parser may use its arrays again in its next call.
        self._sheet.add_columns(parsed.columns if last else copied(parsed.columns))
        self._lines += parsed.lines

    def _hear_all(self, parsed: Parsed, begin: int) -> None:
        """Everything that is no move."""
        events, stop = parsed.events, begin + parsed.consumed
        if self.events.awaits_picture:
            self._find_picture(begin, stop)
        codes = self._remarks.codes(self._block.content, events, begin)
        unsure = (codes == UNSURE).nonzero()[0]
        texts = np.full(len(unsure), -1) if events.text is None else events.text[unsure]
        columns = (events.begin[unsure] + begin, events.end[unsure] + begin, events.line[unsure], events.before[unsure])
        heard, frequent, rows = [], self._remarks.frequent, self._sheet.rows
        for text, *place in np.stack((texts, *columns), axis=1).tolist():
            found = frequent[text]
            if found is None:
                heard.append(self._hear_one(parsed, text, place, stop))
            elif isinstance(found, int):
                heard.append(found)
            elif found.feature is None:
                self._change_limits(found, rows + place[-1])
                heard.append(COMMAND)
            else:
                self._select(found.feature, rows + place[-1])
                heard.append(NOTHING)
        codes[unsure] = heard
        commands = (codes == COMMAND).nonzero()[0]
        if len(commands):
            self._commands += len(commands)
            self._last_command_line = max(self._last_command_line, int(events.line[commands[-1]]))

    def _hear_one(self, parsed: Parsed, text: int, place: list[int], stop: int) -> int:
        """A line that is no move and may say something; gives COMMAND when it is one, else NOTHING.

        `place`: where it begins and ends in the block, the number of the line, and how many moves of the same call come before it.
        """
        begin, end, number, before = place
        raw = self._block.content[begin:end]
        one = self._remarks.study(raw)
        self._remarks.number(text, raw, one)
        if isinstance(one, int):
            return one
        self._note_printed(parsed.columns, before)
        self._heed(one, before + self._sheet.rows, (number, begin))
        if self.events.awaits_picture:
            self._find_picture(_line_end(self._block.content, end)[1], stop)
        return COMMAND if one.line.code and one.line.defect is None else NOTHING

    def _select(self, feature: str, row: int) -> None:
        if feature != self.events.feature:
            self.events.feature = feature
            self._sheet.marks.append(FeatureMark(row, feature))

    def _heed(self, remark: Remark, row: int, place: tuple[int, int]) -> None:
        """A text that says something, at this place: number of its line, and byte of the block where it begins."""
        if remark.feature is not None:
            self._select(remark.feature, row)
            return
        number, begin = place
        if remark.whole:
            line_begin = self._line_begin(begin)
            line = remark.line._replace(number=number, offset=self._block.offset + line_begin)
            self._hear(line, row, behind_move=line_begin < begin)
            self._remarks.was_read(remark)
            return
        if remark.limits:
            self._change_limits(remark, row)
        if remark.judges:
            self._remarks.ask(remark, number, self._block.offset + begin)

    def _line_begin(self, begin: int) -> int:
        """Where the line begins that has this byte: elsewhere when it is the comment of a move."""
        content = self._block.content
        least = max(begin - MAX_LINE_BYTES - 1, 0)
        return max(content.rfind(b"\n", least, begin), content.rfind(b"\r", least, begin), least - 1) + 1

    def _change_limits(self, remark: Remark, row: int) -> None:
        limits = self._limits.step(remark.raw)
        if limits is None:
            self.events.feed(remark.line)
            self._limits.change(self.events.limits, remark.raw)
        else:
            self.events.limits = limits
        self._sheet.set_limits(row)

    def _hear(self, line: Line, row: int, *, behind_move: bool) -> None:
        """A line that is no plain move, or the comment behind one, goes to all who may want to know."""
        change = self.events.comment(line.comment) if behind_move else self.events.feed(line)
        if change:
            self._change(change, line, row)
        silent = not line.code and line.defect is None
        if not ((behind_move or silent) and is_clean(line.comment)):
            for judge in self.judges:
                if behind_move:
                    judge.comment(line)
                else:
                    judge.line(line)
        self._watch.look(row)

    def _change(self, change: int, line: Line, row: int) -> None:
        if change & LIMITS:
            self._limits.change(self.events.limits)
            self._sheet.set_limits(row)
        if change & STOP:
            if row or self._gatherer.began:
                self._sheet.stops.append((row, self.events.dwell_s))
            else:
                self._idle_s += self.events.dwell_s
        if change & FEATURE:
            self._sheet.marks.append(FeatureMark(row, self.events.feature or ""))
        if change & LAYER:
            self._sheet.marks.append(LayerMark(row, line.number, line.offset, bool(change & FIRST_LAYER)))

    def _note_printed(self, columns: Columns, before: int | None = None) -> None:
        """Tell the judges once when plastic was laid; `before`: among the first rows."""
        if not self._printed and (columns.flags[:before] & _EXTRUDES).any():
            self._printed = True
            for judge in self.judges:
                judge.situation.printed = True

    def _find_picture(self, begin: int, stop: int) -> None:
        """A picture was announced: it begins with the next line that is no plain move, also a blank one."""
        from gcode.scan.lines import Kind, examine  # noqa: PLC0415 - of the stages on NumPy; pictures are rare

        content = self._block.content
        while begin < stop and self.events.awaits_picture:
            end, after = _line_end(content, begin)
            if examine(content[begin : min(end, begin + MAX_LINE_BYTES + 1)])[0] is not Kind.MOVE:
                self.events.feed(Line(0, self._block.offset + begin, "", {}, "", ""))
            begin = after

    def _read_next(self, content: bytes, begin: int) -> int:
        """One line as the interpreter reads it; gives where the next one begins."""
        end, after = _line_end(content, begin)
        self._read_line(content[begin:end], begin)
        return after

    def _read_line(self, raw: bytes, begin: int) -> None:
        self._lines += 1
        line = self.machine.doubted(_parsed(raw, self._lines, self._block.offset + begin))
        obeyed = bool(line.code) and line.defect is None
        if obeyed:
            self._commands += 1
            self._last_command_line = line.number
        row = self._sheet.rows
        if obeyed and line.code in MOVES:
            if line.comment:
                self._hear(line, row, behind_move=True)
            if line.tight:
                beside(self.judges, line._replace(comment=""))
            moves = self.machine.apply(line)
        else:
            moves = self.machine.apply(line) if obeyed else ()
            self._hear(line, row, behind_move=False)
        self._sheet.add_moves(moves, line, self.machine.tool)
        if not self._printed and any(move.extrudes for move in moves):
            self._printed = True
            for judge in self.judges:
                judge.situation.printed = True

    def _close(self) -> None:
        """The sheet is full, or the block is read: the moves go on."""
        sheet = self._sheet
        moves = Moves(sheet.columns())
        if self.walker is not None:
            self.walker(moves, sheet.marks)
        else:
            self._gatherer.add(moves, sheet.marks)
            self._planning.add(moves.columns, self._limits.table, sheet.which(), sheet.stops)
            self._watch.add(moves, self._line_at)
            self._gatherer.settle(self._planning.take())
        self._limits.begin_sheet()
        self._sheet = Sheet(self._limits)

    def _line_at(self, number: int, offset: int) -> Line:
        begin = offset - self._block.offset
        content = self._block.content
        return _parsed(content[begin : _line_end(content, begin)[0]], number, offset)

    def finish(self, size_bytes: int) -> GcodeFacts:
        """The facts of everything that was read."""
        gatherer = self._gatherer
        gatherer.settle(self._planning.finish())
        self._remarks.finish()
        totals = Totals(
            size_bytes=size_bytes,
            lines=self._lines,
            commands=self._commands,
            time_s=gatherer.time_s + self._idle_s,
            filament_mm=gatherer.filament_mm(),
            layers=gatherer.layers,
            features=gatherer.features,
            extruding=gatherer.extruding(),
            travel=gatherer.travel(),
            extruder_mode=added_modes(self._mode, self.machine.extruder_mode),
            arcs=gatherer.arcs + self.machine.arcs,
            last_extrusion_line=gatherer.last_extrusion_line,
            last_command_line=self._last_command_line,
        )
        return facts_of(totals, self.events)


def scan(
    stream: BinaryIO,
    found: Survey,
    profiles: Sequence[PrinterProfile],
    stages: tuple[Parser, Planning],
    *,
    progress: Callable[[int], None] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Inspection:
    """Read a program once with these stages; `inspect` and `read_facts` choose them."""
    counting = CountingStream(stream)
    one = _Scan(found, profiles, stages)
    for block in cut_blocks(counting, block_bytes):
        one.read(block)
        if progress is not None:
            progress(block.offset + block.length)
    facts = one.finish(counting.size_bytes)
    return Inspection(facts, tuple(judge.report(facts) for judge in one.judges))


def walk(stream: BinaryIO, found: Survey, take: Take, *, kernel: bool | None = None) -> None:
    """Read a program for its moves alone: `take` gets those of a block, and the marks of layers and features among them.

    The arrays are the parser's and good until the next call.
    """
    one = _Scan(found, (), _stages(kernel))
    one.walker = take
    for block in cut_blocks(stream):
        one.read(block)


def inspect(
    stream: BinaryIO,
    profiles: Sequence[PrinterProfile],
    *,
    density_g_cm3: float = PLA_DENSITY_G_CM3,
    claims: Mapping[str, str] | None = None,
    kernel: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> Inspection:
    """Read a program once, for facts and checks: what `gcode.checks.inspect` finds, faster.

    Args:
        stream: the program from its beginning.
        profiles: at least one; the first gives the motion limits where the file names none, and the filament's diameter.
        density_g_cm3: of the filament.
        claims: those of a container around the program (`gcode.containers.OpenedProgram.claims`).
        kernel: use the compiled kernel; None: where it is built.
        progress: is called after every block with the bytes that were read.

    Raises:
        KernelError: the kernel is asked for and not here. The content of a program never raises.

    """
    found = survey(stream, profiles[0], density_g_cm3=density_g_cm3, claims=claims)
    return scan(stream, found, profiles, _stages(kernel), progress=progress)


def read_facts(
    stream: BinaryIO,
    profile: PrinterProfile | None = None,
    *,
    density_g_cm3: float = PLA_DENSITY_G_CM3,
    claims: Mapping[str, str] | None = None,
    kernel: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> GcodeFacts:
    """The facts alone: what `gcode.interpreter.read_facts` finds, faster. See `inspect`."""
    found = survey(stream, profile, density_g_cm3=density_g_cm3, claims=claims)
    return scan(stream, found, (), _stages(kernel), progress=progress).facts
