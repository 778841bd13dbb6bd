"""Child processes that die with us, and those of an earlier run that did not.

Linux kills the child when its parent dies (`PR_SET_PDEATHSIG`), also after `kill -9` of the parent. Two properties of that call
matter (prctl(2)): it fires on the death of the *thread* that started the child, so start children from the event loop of a thread
that lives as long as the process, the main thread; and it is cleared when the child changes its user, so a child must not drop
privileges. A child is in a session of its own: Ctrl-C reaches us, and we end our children in the order that suits them.
"""

import asyncio
import os
import select
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from farm.room import NO_ROOM

_MAX_TAIL_LINES: Final = 50
_MAX_LINE_BYTES: Final = 65_536
_LAST_OUTPUT_S: Final = 1.0  # a grandchild may hold the pipe open for ever

# Runs between fork and the real command, because a preexec_fn in a program with threads may deadlock.
_LAUNCHER: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]))  # 1 is PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    os._exit(1)  # the parent died before we could ask
try:
    os.execvp(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error.strerror}")
"""


def bound_to_us(command: Sequence[str], death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """`command` wrapped so that the process it becomes dies with this one; for callers that start processes themselves."""
    return [sys.executable, "-IS", "-c", _LAUNCHER, str(os.getpid()), str(int(death_signal)), *command]


class _Output(asyncio.SubprocessProtocol):
    """Hears a child: its lines, and its end. Own, because `asyncio.subprocess.Process.wait` returns only when the pipe is closed.

    `ended` is its code; `silent` is set when all of its output was heard, or a while after its end: then nothing of it is open.
    """

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()
        self.lines: deque[str] = deque(maxlen=_MAX_TAIL_LINES)
        self._on_line = on_line
        self._unfinished = bytearray()
        self._too_long = False  # the line that has no end yet
        self._transport: asyncio.SubprocessTransport | None = None
        self._last_output: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, _fd: int, data: bytes) -> None:
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._take(piece)
            self._end_line()
        self._take(rest)

    def pipe_connection_lost(self, _fd: int, _error: Exception | None) -> None:
        self._be_silent()

    def process_exited(self) -> None:
        assert self._transport is not None, "it was made before it ended"
        if not self.ended.done():
            self.ended.set_result(self._transport.get_returncode() or 0)
        if self.silent.done():
            self._transport.close()
        else:
            self._last_output = asyncio.get_running_loop().call_later(_LAST_OUTPUT_S, self._be_silent)

    def _take(self, piece: bytes) -> None:
        self._too_long = self._too_long or len(self._unfinished) + len(piece) > _MAX_LINE_BYTES
        if self._too_long:
            self._unfinished.clear()
        else:
            self._unfinished += piece

    def _end_line(self) -> None:
        line, too_long = self._unfinished.decode("utf-8", "replace").rstrip(), self._too_long
        self._unfinished.clear()
        self._too_long = False
        if not too_long:
            self.lines.append(line)
            if self._on_line is not None:
                self._on_line(line)

    def _be_silent(self) -> None:
        if self.silent.done():
            return
        self.silent.set_result(None)
        if self._unfinished:
            self._end_line()
        if self._last_output is not None:
            self._last_output.cancel()
        if self.ended.done() and self._transport is not None:
            self._transport.close()


class Child:
    """A running child process; its output (both streams) is kept as `tail` and may be listened to."""

    def __init__(self, transport: asyncio.SubprocessTransport, output: _Output, pid_file: Path | None) -> None:
        self._transport = transport
        self._output = output
        self._pid_file = pid_file
        self._pid = transport.get_pid()

    @classmethod
    async def start(  # noqa: PLR0913 - each but the first has its usual value
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        inherit: bool = True,
        folder: Path | None = None,
        pid_file: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> "Child":
        """Start `command` (program and arguments, no shell).

        Args:
            command: the program is searched for in PATH unless it has a slash.
            environment: set beside what we have ourselves.
            inherit: False: it gets `environment` alone.
            folder: where it works; None: where we do.
            pid_file: written now, removed when the child has ended; `find_stale` reads it after a crash.
            on_line: called with each line of its output.
            death_signal: what the child gets when we die. SIGTERM lets it tidy up; SIGKILL is sure.

        Raises:
            OSError: no process could be started, or the pid file not written (a full disk is no reason: the child dies with us
                all the same). A program that does not exist ends with code 1 and says so in `tail`.

        """
        transport, output = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Output(on_line),
            *bound_to_us(command, death_signal),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env={**(os.environ if inherit else {}), **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
        child = cls(transport, output, pid_file)
        if pid_file is not None:
            # Three numbers: the child, us who own it, and when we began (clock ticks since boot). With the last two `find_stale`
            # tells a child that was left behind from one whose owner still runs, also when the owner's id is another's by now.
            note = f"{child.pid} {os.getpid()} {_start_ticks(os.getpid())}\n"
            try:
                await asyncio.to_thread(_write_note, pid_file, note)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    await child.stop(0.0)
                    raise
            except asyncio.CancelledError:
                await child.stop(0.0)  # who asked for it will never have it
                raise
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._output.ended.result() if self._output.ended.done() else None

    @property
    def tail(self) -> list[str]:
        """The last lines of its output, oldest first."""
        return list(self._output.lines)

    async def wait(self) -> int:
        """Wait for its end and its whole output; return the code. Nothing of it is open then, also when a grandchild goes on."""
        code = await asyncio.shield(self._output.ended)
        await asyncio.shield(self._output.silent)
        if self._pid_file is not None:
            await asyncio.to_thread(self._pid_file.unlink, missing_ok=True)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self._transport.send_signal(number)

    async def stop(self, timeout_s: float = 5.0) -> int:
        """Ask it to end; kill it after `timeout_s`. Return its code. Safe to call twice."""
        if timeout_s > 0:
            self.send_signal(signal.SIGTERM)
            await asyncio.wait({self._output.ended}, timeout=timeout_s)
        if not self._output.ended.done():
            self.send_signal(signal.SIGKILL)
        return await self.wait()


def _write_note(path: Path, note: str) -> None:
    """Write a file for its owner alone. OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # one that an older version left may be for all to read
        file.write(note)


def _start_ticks(pid: int) -> int:
    """When a process began, in clock ticks since boot; with its id it names a process for good. 0: there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def command_line(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """The command line of a process; empty when there is none."""
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode("utf-8", "replace") for part in raw.split(b"\0")[:-1]]


class OwnerAliveError(Exception):
    """The process that a pid file names belongs to another one of ours that runs: `pid` is that owner's."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} still runs and owns it")
        self.pid = pid


def find_stale(pid_file: Path, marker: str) -> int | None:
    """The process of an earlier run that `pid_file` names, if it still runs and `marker` is one of its arguments.

    Process ids are used again, so a pid file alone proves nothing: `marker` must be something that no other program has in its
    command line, such as the path of our own configuration file.

    Raises:
        OwnerAliveError: it is not stale, because who started it still runs.

    """
    try:
        pid, owner, owner_ticks = (int(word) for word in pid_file.read_text("utf-8").split())
    except (OSError, ValueError):
        return None
    if marker not in command_line(pid):
        return None
    if owner != os.getpid() and owner_ticks and _start_ticks(owner) == owner_ticks:
        raise OwnerAliveError(owner)
    return pid


async def end_stale(pid_file: Path, marker: str, timeout_s: float = 5.0) -> int | None:
    """End what `find_stale` finds: ask, then kill. Return its process id, None when there was nothing to end.

    Raises:
        OwnerAliveError: as `find_stale`.
        PermissionError: it belongs to another user.

    """
    pid = find_stale(pid_file, marker)
    if pid is not None:
        await asyncio.to_thread(_end, pid, marker, timeout_s)
    await asyncio.to_thread(pid_file.unlink, missing_ok=True)
    return pid


def _end(pid: int, marker: str, timeout_s: float) -> None:
    """End a process that is not our child. The descriptor keeps its id from being used again between the look and the signal."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if marker not in command_line(pid):
            return
        for number, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, timeout_s)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], wait_s)[0]:
                return
    finally:
        os.close(descriptor)
