"""The machine of the serial bench, in a process of its own: ptys that answer like the simplest possible Marlin.

Whoever starts it reads one line of JSON from it (`{"ports": [...]}`), writes the process id of the sender to its standard input and
reads one more: what it saw between the first measured line and the last, on its own clock. All senders are measured in this one
way, whatever they are written in: lines as they come, seconds between them, and the processor time of the sender's process.

Three kinds: `instant` answers at once; `paced` answers each line when the move before would have ended; `uart` models a wire
of `baud` with ten bits a byte, a receive buffer of 128 bytes that loses what does not fit, four command slots, a planner of 16
moves and a millisecond of work a line.
"""

import argparse
import heapq
import json
import os
import re
import select
import sys
import time
import tty
from collections import deque
from typing import Final

READ_BYTES: Final = 65_536
RING_BYTES: Final = 128
SLOTS: Final = 4
PLANNER_MOVES: Final = 16
WORK_S: Final = 0.001
OK: Final = b"ok\n"
_PROCESS_CLOCK: Final = 2  # of the kernel: CPUCLOCK_SCHED, for a whole process (clock_getcpuclockid)
_NUMBER: Final = re.compile(rb" *N(\d+) ?(.*?)\*\d+$")


def processor_s(pid: int) -> float:
    """User and system time of all threads of a process, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)


class Uart:
    """When each line's ok reaches the host, and what the receive buffer lost. Times are real ones."""

    def __init__(self, baud: int, move_s: float, latency_s: float = 0.0) -> None:
        self._latency_s = latency_s
        self._byte_s = 10 / baud if baud else 0.0
        self._move_s = move_s
        self._work_s = WORK_S if baud else 0.0
        self._wire_s = self._done_s = self._still_s = 0.0
        self._slots: deque[float] = deque(maxlen=SLOTS)  # when the lines before are done
        self._moves: deque[float] = deque(maxlen=PLANNER_MOVES)  # when the moves before have ended
        self._ring: deque[tuple[float, int]] = deque()  # when a line is taken out of the buffer, and its bytes
        self.lost_bytes = 0
        self.fullest_bytes = 0

    def answered_s(self, length: int, now_s: float) -> float:
        """A line of `length` bytes was written `now_s`."""
        self._wire_s = arrived_s = max(now_s, self._wire_s) + length * self._byte_s
        taken_s = max(arrived_s, self._slots[0] if len(self._slots) == SLOTS else 0.0)
        self._look(arrived_s, taken_s, length)
        room_s = self._moves[0] if len(self._moves) == PLANNER_MOVES else 0.0
        self._done_s = max(taken_s, self._done_s, room_s) + self._work_s
        self._slots.append(self._done_s)
        self._still_s = max(self._done_s, self._still_s) + self._move_s
        self._moves.append(self._still_s)
        return self._done_s + len(OK) * self._byte_s + self._latency_s

    def _look(self, arrived_s: float, taken_s: float, length: int) -> None:
        while self._ring and self._ring[0][0] <= arrived_s:
            self._ring.popleft()
        self._ring.append((taken_s, length))
        held = sum(line for _, line in self._ring)
        self.fullest_bytes = max(self.fullest_bytes, held)
        self.lost_bytes += max(0, held - RING_BYTES)


class Machine:
    """One pty. `moves` counts the lines that are G-code moves; everything else is small talk."""

    def __init__(self, uart: Uart | None) -> None:
        self.descriptor, slave = os.openpty()
        tty.setraw(slave)
        self.slave = slave  # held open, so that no read fails between two senders
        self.port = os.ttyname(slave)
        self.uart = uart
        self.moves = 0
        self._last = 0
        self._rest = b""

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Bytes from the host: how many plain moves they end, and what is said to all the rest at once."""
        if self._rest:
            data = self._rest + data
        if b"M" not in data and data[-1:] == b"\n":
            self._rest = b""
            count = data.count(b"\n")
            self.moves += count
            self._last += count
            return count, b""
        return self._slowly(data)

    def _slowly(self, data: bytes) -> tuple[int, bytes]:
        *lines, self._rest = data.split(b"\n")
        count, said = 0, b""
        for line in lines:
            numbered = _NUMBER.match(line)
            number, command = (int(numbered[1]), numbered[2]) if numbered else (None, line)
            if number is not None:
                if number != self._last + 1 and not command.startswith(b"M110"):
                    said += b"Error:Line Number is not Last Line Number+1, Last Line: %d\nResend: %d\nok\n" % (
                        self._last,
                        self._last + 1,
                    )
                    continue
                self._last = number
            if command[:1] == b"G":
                count += 1
            elif command:
                said += self._answer(command)
        self.moves += count
        return count, said

    def _answer(self, command: bytes) -> bytes:
        if command.startswith(b"M110"):
            self._last = 0
        elif command.startswith(b"M115"):
            return b"FIRMWARE_NAME:Marlin 2.1.2 (bench) EXTRUDER_COUNT:1\nCap:AUTOREPORT_TEMP:1\nok\n"
        elif command.startswith(b"M118"):
            return command[5:] + b"\nok\n"
        elif command.startswith(b"M105"):
            return b"ok T:20.0 /0.0 B:20.0 /0.0\n"
        elif command.startswith(b"M114"):
            return b"X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0\nok\n"
        return OK


class Watch:
    """Wall and processor time from the move `first` to the move `last`, counted over all machines."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.pid = 0
        self._began: tuple[float, float, int] | None = None
        self.found: dict[str, float] | None = None

    def look(self, moves: int) -> None:
        """So many moves have come by now."""
        if self._began is None:
            if moves >= self.first:
                self._began = (time.monotonic(), processor_s(self.pid), moves)
        elif moves >= self.last and self.found is None:
            began_s, used_s, before = self._began
            self.found = {
                "seconds": time.monotonic() - began_s,
                "processor_s": processor_s(self.pid) - used_s,
                "lines": moves - before,
            }


def serve_instant(machine: Machine, watch: Watch) -> None:
    """One machine, as fast as this language answers, until the sender has said all that is measured."""
    descriptor, read, write, look = machine.descriptor, os.read, os.write, watch.look
    while watch.found is None:
        count, said = machine.take(read(descriptor, READ_BYTES))
        if count:
            write(descriptor, OK * count)
            if machine.moves >= watch.first:
                look(machine.moves)
        if said:
            write(descriptor, said)


def serve_timed(machines: list[Machine], watch: Watch) -> None:
    """Many machines that answer in their own time."""
    by_descriptor = {machine.descriptor: machine for machine in machines}
    due: list[tuple[float, int]] = []
    moves = 0
    while watch.found is None:
        wait_s = max(0.0, due[0][0] - time.monotonic()) if due else 1.0
        for descriptor in select.select(by_descriptor, (), (), wait_s)[0]:  # epoll would wait whole milliseconds
            moves += _hear(by_descriptor[descriptor], due)
        now_s = time.monotonic()
        while due and due[0][0] <= now_s:
            os.write(heapq.heappop(due)[1], OK)
        watch.look(moves)


def _hear(machine: Machine, due: list[tuple[float, int]]) -> int:
    data = os.read(machine.descriptor, READ_BYTES)
    count, said = machine.take(data)
    if said:
        os.write(machine.descriptor, said)
    assert machine.uart is not None, "a machine with a time of its own"
    lengths = [len(line) for line in data.splitlines(keepends=True)] if count > 1 else [len(data)]
    now_s = time.monotonic()
    for length in lengths[:count]:
        heapq.heappush(due, (machine.uart.answered_s(length, now_s), machine.descriptor))
    return count


def main(words: list[str]) -> None:
    """Make the machines and serve one sender."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["instant", "paced", "uart"])
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--first", type=int, default=1_000)
    parser.add_argument("--last", type=int, default=20_000)
    parser.add_argument("--baud", type=int, default=0)
    parser.add_argument("--move-s", type=float, default=0.0)
    parser.add_argument("--latency-s", type=float, default=0.0)
    chosen = parser.parse_args(words)
    timed = chosen.kind != "instant"
    machines = [Machine(Uart(chosen.baud, chosen.move_s, chosen.latency_s) if timed else None) for _ in range(chosen.machines)]
    print(json.dumps({"ports": [machine.port for machine in machines]}), flush=True)
    watch = Watch(chosen.first, chosen.last)
    watch.pid = int(sys.stdin.readline())
    if timed:
        serve_timed(machines, watch)
    else:
        serve_instant(machines[0], watch)
    lost = sum(machine.uart.lost_bytes for machine in machines if machine.uart)
    fullest = max((machine.uart.fullest_bytes for machine in machines if machine.uart), default=0)
    print(json.dumps({**(watch.found or {}), "lost_bytes": lost, "fullest_bytes": fullest}), flush=True)
    sys.stdin.readline()  # the sender is stopped first: until then somebody must hold the other side


if __name__ == "__main__":
    main(sys.argv[1:])
