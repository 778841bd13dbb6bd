"""What people see of the library and may ask of it: findings, releases, requesters and the audit; beside `farm.views`."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from farm.bus.messages import Id
from farm.request_bodies import Name, Plain, RequestBody
from farm.views import ProgramView, RevisionState, View
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual, BilingualError
from scheduler.model import Verdict

Reason = Plain  # a sentence of a person
_NOBODY: Final = frozenset({"operator", "opérateur", "admin", "administrator", "root", "farm", "nobody", "anonymous", "unknown"})


class HitView(View):
    """One place in a file: line from 1, byte offset. `text` (the line) and `detail` are untrusted text.

    `value` is what the file says where a rule compares it with a `limit`.
    """

    line: int
    offset: int
    text: str
    detail: str
    value: float | None = None
    limit: float | None = None


class Sentence(View):
    """The same in English and in French."""

    en: str
    fr: str


class FindingView(View):
    """A broken rule: what it is about, what helps, how often, and the first places (line 0: the whole file)."""

    rule: str
    severity: str
    explanation: Sentence
    fix: Sentence
    count: int
    hits: list[HitView] = Field(default_factory=list)


class ReportView(View):
    """The verdict on a program for one revision of a profile and one rule set."""

    profile: str
    profile_revision: str
    rule_set: int
    verdict: Verdict
    findings: list[FindingView] = Field(default_factory=list)


class ProgramDetail(ProgramView):
    """A program with its facts (docs/gcode.md names the fields; empty until it was checked) and a report for every profile."""

    facts: dict[str, Any] = Field(default_factory=dict)
    reports: list[ReportView] = Field(default_factory=list)
    has_preview: bool = False
    has_thumbnail: bool = False


class RevisionView(View):
    """A revision of a design. Only a released one is printed; `programs` are its variants."""

    id: str
    design: str
    state: RevisionState
    created_at: float
    released_by: str = ""
    released_at: float | None = None
    programs: list[ProgramView] = Field(default_factory=list)
    approved_by: list[str] = Field(default_factory=list)  # ids of the requesters that have approved it


def _person(name: str) -> str:
    """Refuse what names nobody: somebody must answer."""
    if len(name.strip()) < 2 or name.strip().casefold() in _NOBODY:
        raise BilingualError(
            Bilingual("name the person who answers, not a role", "donnez le nom de la personne qui répond, pas un rôle")
        )
    return name.strip()


Person = Annotated[Name, AfterValidator(_person)]


class ReleaseRequest(RequestBody):
    """A named person answers for it, and says why.

    `rules`: those that the person was shown, so that nobody answers for what a check found since; left out: what there is.
    """

    by: Person
    reason: Reason = Field(min_length=3, max_length=500)
    rules: Annotated[list[Name], Field(max_length=100)] | None = None


class SignedRequest(RequestBody):
    """A named person does this; the reason may be left out."""

    by: Name = "operator"
    reason: Reason = Field(default="", max_length=500)


class RequesterRequest(RequestBody):
    """A new requester. `approves`: it gets only parts of revisions that it has approved."""

    name: Name
    approves: bool = False
    by: Name = "operator"


class RequesterChange(RequestBody):
    """Another name, or whether it keeps approvals."""

    name: Name | None = None
    approves: bool | None = None
    by: Name = "operator"


class ApprovalRequest(RequestBody):
    """A requester takes parts of this revision: who says so, and perhaps why."""

    revision: Id
    by: Person
    note: Reason = Field(default="", max_length=500)


class ApprovalView(View):
    """A revision that a requester has approved."""

    revision: str
    approved_by: str
    approved_at: float
    note: str


class RequesterView(View):
    """Who asks for parts. `approves`: it gets only parts of the revisions in `approvals`."""

    id: str
    name: str
    approves: bool
    approvals: list[ApprovalView]
    open_orders: int
    created_at: float


class UploadLimits(View):
    """What an upload may be: bytes of one file, files at once."""

    max_upload_bytes: int
    at_once: int


class ProfileView(View):
    """A class of printers that programs can be for: its bed (mm) and the materials that it prints."""

    id: str
    name: str
    nozzle_mm: float
    width_mm: float
    depth_mm: float
    height_mm: float
    materials: list[str]


def profile_views(profiles: Iterable[PrinterProfile]) -> list[ProfileView]:
    """Classes of printers as people see them, by name."""
    return [
        ProfileView(
            id=profile.id,
            name=profile.name,
            nozzle_mm=profile.nozzle_mm,
            width_mm=profile.volume.max_x - profile.volume.min_x,
            depth_mm=profile.volume.max_y - profile.volume.min_y,
            height_mm=profile.volume.max_z - profile.volume.min_z,
            materials=list(profile.materials),
        )
        for profile in sorted(profiles, key=lambda profile: profile.name)
    ]


class AuditView(View):
    """Who answers for what: `who` did `action` ("program.release", ...) to `subject`, and why. Texts are people's."""

    id: str
    at: float
    who: str
    action: str
    subject: str
    reason: str
    detail: str
