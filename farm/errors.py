"""Errors that reach a person. Every one says what is wrong and what to do next.

    FarmError
    ├── ConfigurationError      a key, file or folder of this process is wrong; it does not start
    ├── NotFoundError           no such order, printer, job, program...
    ├── ConflictError           the thing exists, but not in a state that allows this
    ├── InvalidError            a value is out of range or contradicts another
    │   └── RejectedError       a program does not pass its checks; `findings` say where and why
    ├── TooLargeError           over a limit that is named in the message
    ├── NotAllowedError         who asks may not do this
    ├── StoreFullError          the disk of the daemon is full: nothing was written, nothing was acknowledged
    └── UnreachableError        a daemon, broker or printer does not answer

They are raised where the cause is known and translated once: to problem details (RFC 9457) in `api.problems`, to one line and an
exit code in `farm.cli`.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gcode.texts import Bilingual, Told, both

_COMMAND: Final = re.compile(r"(^|`|[:.] )farm (?=[a-z])")


def command_name() -> str:
    """What a person types to run this program: FARM_COMMAND, which ./farm.sh sets, or `farm`."""
    return os.environ.get("FARM_COMMAND") or "farm"


def as_typed(text: str) -> str:
    """A text whose commands (`farm status`) are as this person types them."""
    return _COMMAND.sub(lambda found: f"{found[1]}{command_name()} ", text)


class FarmError(Exception):
    """Something a person must know: `detail` says what is wrong and where, `next_step` what to do about it.

    Both in English and, with `_fr`, in French: a text in one language is a type error here. `code` is stable and machine-readable
    (kebab-case); people's texts may change, it does not. Given on as a string, either text still knows its French (`Told`).
    """

    code = "farm-error"
    exit_code = 1

    def __init__(self, detail: Bilingual | Told, *, next_step: Bilingual | Told, code: str | None = None) -> None:
        if code is not None:
            self.code = code
        said, step = both(detail), both(next_step)
        self.detail: str = Told(self.code, *said)
        self.next_step: str = Told(self.code, *step)
        self.detail_fr, self.next_step_fr = said.fr, step.fr
        super().__init__(said.en)

    @property
    def bilingual(self) -> Bilingual:
        """Detail and next step as one text."""
        return Bilingual(str(self), f"{self.detail_fr} {self.next_step_fr}".rstrip())

    def __str__(self) -> str:
        return f"{self.detail} {self.next_step}".rstrip()


class ConfigurationError(FarmError):
    """A configuration file, key or folder is wrong."""

    code = "configuration"
    exit_code = 2


class NotFoundError(FarmError):
    """There is no such thing."""

    code = "not-found"


class ConflictError(FarmError):
    """The thing is not in a state that allows this."""

    code = "conflict"


class InvalidError(FarmError):
    """A value is out of range, malformed or contradicts another."""

    code = "invalid"


class RejectedError(InvalidError):
    """A program does not pass its checks. `findings` are those of its profile (`farm.library_views.FindingView` as JSON).

    `verdicts`: profile -> "pass", "trusted-only" or "reject", for all profiles: another one may print it.
    """

    code = "gcode-rejected"

    def __init__(
        self,
        detail: Bilingual | Told,
        *,
        next_step: Bilingual | Told,
        findings: Sequence[Mapping[str, Any]],
        verdicts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, next_step=next_step)
        self.findings = list(findings)
        self.verdicts = dict(verdicts or {})


class TooLargeError(FarmError):
    """Over a limit that the message names."""

    code = "too-large"


class NotAllowedError(FarmError):
    """Who asks is unknown or may not do this."""

    code = "not-allowed"


class StoreFullError(FarmError):
    """The daemon's disk is full: nothing was written and nothing was acknowledged."""

    code = "store-full"


class UnreachableError(FarmError):
    """A daemon, broker or printer does not answer."""

    code = "unreachable"
