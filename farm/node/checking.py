"""The agent's side of a node's own check: the owner's `limits.toml`, and one program after another in a process of its own.

Nothing here changes `limits.toml`, and no message from the farm reaches it: an agent that may not even write it is the best.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from farm.bus.messages import MAX_TRUST
from farm.errors import ConfigurationError
from farm.language import system_words
from farm.log import get_logger
from farm.node import core
from farm.node.core import Checked, NodeState
from farm.node.core.state import QuietHours
from farm.node.keeper import Keeper
from farm.process import bound_to_us
from gcode.limits import MAX_FILE_BYTES, Limits, LimitsError, OwnerLimits, as_record, limits_of_nobody, parse_limits
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
FILE_NAME: Final = "limits.toml"
TIMEOUT_S: Final = 3600.0  # real: 200 MB on the slowest Raspberry Pi
MEMORY_BYTES: Final = 512 * 1024**2  # address space, of which such a process uses about a tenth
_LOOK_EVERY_S: Final = 5.0  # real: how soon a changed limits.toml is noticed
_MAX_ANSWER_BYTES: Final = 64 * 1024
_MAX_RULE: Final = 80
_KEPT_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR")
_CORRECT_IT: Final = Bilingual(
    "Correct the file: `farm node limits` checks it, configs/limits.toml shows every key.",
    "Corrigez le fichier : `farm node limits` le vérifie, configs/limits.toml montre chaque clé.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A program to be judged for a printer of a profile."""

    program: Path
    sha256: str
    profile: str
    limits: Limits


Check = Callable[[Request], Awaitable[Checked]]


async def _everything_passes(_request: Request) -> Checked:
    return Checked()


JUDGED_ELSEWHERE: Final[Check] = _everything_passes
"""For the people's node, which is the farm itself and has judged the file: it prints nothing, people do."""


class ProcessCheck:
    """Judges in a process of its own (`farm.node.judging`), whose answers are kept in `folder`.

    `profiles_folder`: profiles beside the bundled ones (`farm.profiles`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        profiles_folder: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._folder = folder
        self._profiles_folder = None if profiles_folder is None else str(profiles_folder.absolute())
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes

    async def __call__(self, request: Request) -> Checked:
        """What is to be said of a program; one whose judge dies or does not end is refused."""
        task = {
            "program": str(request.program),
            "sha256": request.sha256,
            "profile": request.profile,
            "limits": as_record(request.limits),
            "folder": str(self._folder),
            "memory_bytes": self._memory_bytes,
            "profiles_folder": self._profiles_folder,
        }
        try:
            said = await self._ask(json.dumps(task).encode())
            return _understood(json.loads(said))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.error("program.unchecked", program=request.sha256[:12], detail=str(error)[:200])
            refused = core.refusal(
                "It could not be checked on this node: reading it took too long, or too much memory.",
                "Il n'a pas pu être vérifié sur ce nœud : sa lecture a pris trop de temps ou trop de mémoire.",
            )
            return Checked(refused)

    async def _ask(self, task: bytes) -> bytes:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        pipe = asyncio.subprocess.PIPE
        command = bound_to_us([sys.executable, "-m", "farm.node.judging"])
        child = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=environment, start_new_session=True
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said, _ = await child.communicate(task)
        finally:
            if child.returncode is None:
                child.kill()
                await child.communicate()  # what was not read would keep its pipe open
        if child.returncode != 0 or len(said) > _MAX_ANSWER_BYTES:
            raise ValueError(f"the process ended with code {child.returncode}")
        return said


def _understood(record: dict[str, Any]) -> Checked:
    refused = record["refused"]
    note = None if refused is None else core.refusal(str(refused["en"]), str(refused["fr"]))
    trust = frozenset(str(rule)[:_MAX_RULE] for rule in record["trust"][:MAX_TRUST])
    return Checked(note, needs_trust=bool(record["needs_trust"]), trust=trust, rule_set=int(record["rule_set"]))


class OwnerFile:
    """`limits.toml`. Without one the profile alone limits, and files that need trust are not accepted.

    Args:
        path: where it is; None: there is none.
        required: somebody named it, so it must be there.

    """

    def __init__(self, path: Path | None, *, required: bool = False) -> None:
        self.path = path
        self._required = required

    def content(self) -> bytes:
        """Its bytes, empty when there is none.

        Raises:
            LimitsError: it is there and cannot be read.

        """
        if self.path is None:
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            if self._required:
                raise _unreadable(error) from error
            return b""
        except OSError as error:
            raise _unreadable(error) from error


def _unreadable(error: OSError) -> LimitsError:
    why = system_words(error)
    return LimitsError(Bilingual(f"limits.toml cannot be read: {why.en}.", f"limits.toml ne peut pas être lu : {why.fr}."))


@dataclass(frozen=True, slots=True)
class _Known:
    """A printer as node.toml has it."""

    name: str
    profile: str
    quiet_hours: QuietHours


class Checking:
    """Keeps the owner's limits, and checks what waits to be printed.

    Args:
        keeper: where results go.
        take: the file of a program, or None when it is not here.
        owner: limits.toml.
        check: who judges.

    """

    def __init__(self, keeper: Keeper, take: Callable[[str], Path | None], owner: OwnerFile, check: Check) -> None:
        self._keeper = keeper
        self._take = take
        self._owner = owner
        self._check = check
        self._limits = OwnerLimits()
        self._content: bytes | None = None  # None: what is there now cannot be read
        self._told: tuple[bytes | None, str] | None = None
        self._printers: dict[str, _Known] = {}
        self._soon = asyncio.Event()

    async def open(self) -> None:
        """Read the limits for the first time.

        Raises:
            ConfigurationError: they cannot be used.

        """
        try:
            await self._read()
        except LimitsError as error:
            raise ConfigurationError(error.bilingual, next_step=_CORRECT_IT, code=error.code) from error

    def know(self, printer: str, name: str, profile: str, quiet_hours: QuietHours) -> QuietHours:
        """A printer is there; return when it is quiet: by node.toml, and by its owner's limits."""
        self._printers[printer] = _Known(name, profile, quiet_hours)
        self._soon.set()  # limits.toml may have named it before it was there
        return quiet_hours + self._limits.of(name).quiet_hours

    def soon(self) -> None:
        """Something may be there to be checked."""
        self._soon.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._soon.clear()
            done = await self.turn()
            waiting = core.tasks(self._keeper.state)
            if waiting and waiting[0] != done:  # a result that could not be taken over is found again, but not without a pause
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._soon.wait()

    async def turn(self) -> core.Task | None:
        """See whether the limits are still the same, then check the most urgent program; return which one that was."""
        await self._look()
        waiting = core.tasks(self._keeper.state)
        if not waiting:
            return None
        await self._do(waiting[0])
        return waiting[0]

    async def _read(self) -> None:
        content = await asyncio.to_thread(self._owner.content)
        if content != self._content:
            self._limits = parse_limits(content)
            self._content = content

    async def _look(self) -> None:
        """What cannot be read, understood or applied stops everything until it can: the owner meant something by it."""
        trouble: LimitsError | None = None
        try:
            await self._read()
            trouble = limits_of_nobody(self._limits, [known.name for known in self._printers.values()])
        except LimitsError as error:
            self._content, trouble = None, error
        told = (self._content, "" if trouble is None else str(trouble))
        if told == self._told:
            return
        await self._tell(trouble, first=self._told is None)
        self._told = told

    async def _tell(self, trouble: LimitsError | None, *, first: bool) -> None:
        revision = self._revision
        quiet = {key: known.quiet_hours + self._limits.of(known.name).quiet_hours for key, known in self._printers.items()}
        note = None
        if trouble is not None:
            said = trouble.bilingual
            note = core.limits_note(f"{said.en} {_CORRECT_IT.en}", f"{said.fr} {_CORRECT_IT.fr}")
            _log.error("limits.unusable", detail=Told(trouble.code, *said), next_step=Told(trouble.code, *_CORRECT_IT))
        elif not first:
            _log.info("limits.changed", revision=revision)
        await self._keeper.apply_surely(lambda state, _now: core.on_limits(state, revision, quiet, note), key="limits")

    @property
    def _revision(self) -> str:
        return "" if self._content is None else sha256(self._content).hexdigest()[:12]

    async def _do(self, task: core.Task) -> None:
        known, program, revision = self._printers.get(task.printer), self._take(task.program), self._revision
        if known is None or program is None:  # it is fetched again, or gone with its printer
            return
        checked = await self._check(Request(program, task.program, known.profile, self._limits.of(known.name)))
        if checked.refused is not None:
            refused = Told(checked.refused.code, checked.refused.en, checked.refused.fr)
            _log.warning("program.refused", program=task.program[:12], printer=task.printer, detail=refused)

        def event(state: NodeState, _now: core.Moment) -> core.Step:
            return core.on_checked(state, task, checked, revision)

        await self._keeper.apply_surely(event, key=f"checked {task.printer} {task.program}")
