"""What is made and what it is made from: designs, revisions, programs; who asks and who answers for them."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What may be done with a program on printers of its profile. The same words as `gcode.checks.Verdict`."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    TRUSTED_ONLY = "trusted-only"  # when a named person has released it
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Design:
    """What is made."""

    id: str
    name: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Revision:
    """A numbered version of a design: a draft until a named person releases it, and recalled when it must not be used.

    Only a released one is allocated; a recalled one is not counted or put into stock either.
    """

    id: str
    design: str
    created_at_s: float
    recalled: bool = False
    draft: bool = False
    released_by: str = ""  # empty: it was made before anybody had to release one
    released_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """One G-code file, by its hash, that prints `parts` of a revision on printers of one profile."""

    sha256: str
    name: str
    revision: str
    profile: str
    parts: int
    material: str
    nozzle_mm: float
    size_bytes: int
    estimated_s: float
    filament_mm: float
    filament_g: float
    layers: int
    width_mm: float  # what the extruding moves reach, from the bed's origin
    depth_mm: float
    height_mm: float
    created_at_s: float
    warnings: str = "[]"  # what the check found and let pass: JSON, a list of {"code", "en", "fr"}
    uploaded_sha256: str = ""  # of what was uploaded; another one when that was packed or held a secret
    verdict: Verdict = Verdict.PASS
    checked: str = ""  # rule set and revisions of all profiles that it was checked with; empty: by an older Essaim
    profile_revision: str = ""
    rule_set: int = 0
    trust: str = ""  # what a person must answer for, when `verdict` is trusted-only: words "rule=count"
    released_by: str = ""
    released_at_s: float | None = None
    released_for: str = ""  # the `trust` for which that person answers
    release_reason: str = ""
    worse_since_s: float | None = None  # a later check was stricter than the one before, and nobody has answered for it yet

    @property
    def released(self) -> bool:
        """Whether a named person answers for all that makes it trusted-only."""
        return bool(self.released_by) and self.released_for == self.trust

    @property
    def usable(self) -> bool:
        """Whether it may be allocated."""
        return self.verdict is Verdict.PASS or (self.verdict is Verdict.TRUSTED_ONLY and self.released)


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """What the newest inspection of a program found: `facts` is JSON (docs/gcode.md). Stored, not kept in memory."""

    sha256: str
    facts: str


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """The verdict on a program for one profile, with its findings (`report` is JSON). Stored, not kept in memory.

    It holds for one revision of the profile and one rule set; `id` is `report_key(program, profile)`: the newest one is kept.
    """

    id: str
    program: str
    profile: str
    profile_revision: str
    rule_set: int
    verdict: Verdict
    report: str


def report_key(program: str, profile: str) -> str:
    """What identifies the newest report on a program for a profile."""
    return f"{program}/{profile}"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for parts, such as a group of hospitals. One that `approves` gets only parts of revisions that it has approved."""

    id: str
    name: str
    approves: bool
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Approval:
    """A requester takes parts of a revision; `id` is `approval_key(requester, revision)`."""

    id: str
    requester: str
    revision: str
    approved_by: str
    approved_at_s: float
    note: str = ""


def approval_key(requester: str, revision: str) -> str:
    """What identifies an approval."""
    return f"{requester}/{revision}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who answers for what: `who` did `action` to `subject`, and why. Stored, not kept in memory."""

    id: str
    at_s: float
    who: str
    action: str
    subject: str
    reason: str = ""
    detail: str = ""
