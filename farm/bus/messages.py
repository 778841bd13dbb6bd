"""Every message that goes over MQTT, versioned (docs/protocol.md). JSON in UTF-8, at most 256 kB.

A reader ignores fields it does not know, so that a newer peer may add some; a change of meaning raises `v`. Lengths, sizes and
counts are limited here, at the border: behind it a message is what it says. Strings from printers are text, never markup.
"""

import json
import unicodedata
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from drivers.base import PrinterState
from gcode.texts import Bilingual, BilingualError
from scheduler.model import BedState, JobOutcome, OccupationKind

VERSION: Final = 1
MAX_PACKET_BYTES: Final = 262_144
MAX_FACTS: Final = 64
MAX_PRINTERS: Final = 128
MAX_ALLOCATIONS: Final = 16
MAX_CHOICES: Final = 10
MAX_REFUSALS: Final = 16
MAX_TRUST: Final = 64

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # Unicode TR 36
_NOT_SHOWN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_STAND_IN: Final = "\ufffd"


def is_harmful(character: str) -> bool:
    """Whether a terminal would obey it (ESC and the other controls), or it changes the direction or the line of a text."""
    return character in _TURNS or unicodedata.category(character) in _NOT_SHOWN


def harmless(text: str) -> str:
    """The text with a sign in the place of everything that is harmful where people read it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_STAND_IN if is_harmful(character) else character for character in text)


Text = Annotated[str, Field(max_length=500), AfterValidator(harmless)]
Word = Annotated[str, Field(max_length=80), AfterValidator(harmless)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Parts = Annotated[int, Field(ge=1, le=10_000)]
Number = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
Celsius = Annotated[float, Field(ge=-300, le=2_000, allow_inf_nan=False)]


class Message(BaseModel):
    """What all messages share."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Envelope(Message):
    """A message of its own on a topic; its version is checked before anything else is believed."""

    v: Literal[1] = VERSION


# --- dn: what the daemon says ------------------------------------------------------------------------------------------------


class ProgramReference(Message):
    """One G-code file: where a node fetches it is `GET /api/v1/programs/{sha256}/file`."""

    sha256: Sha256
    size_bytes: Number
    parts: Parts
    estimated_s: Seconds


class AllocationOrder(Message):
    """`this printer may start up to `jobs` jobs of this program for that order`. `jobs` only falls."""

    id: Id
    order: Id
    revision: Id
    program: ProgramReference
    jobs: Count
    priority: int = Field(default=0, ge=-100, le=100)
    autonomy_s: Seconds
    signature: Word | None = None
    released_by: Word = ""  # who answers for a program that needs trust on this printer; empty: nobody, or it needs none
    released_for: Annotated[list[Word], Field(max_length=MAX_TRUST)] = []  # rules that the person was shown
    rule_set: Number = 0  # by which the farm judged it; 0: an older farm, which does not say


class Settings(Message):
    """What the daemon asks of a node's agent."""

    report_every_s: Seconds = 30.0
    telemetry_every_s: Seconds = 5.0


class Desired(Envelope):
    """Everything the node should hold, whole, not a delta. (generation, version) is compared as a pair."""

    generation: Number
    version: Number
    printers: Annotated[
        dict[Id, Annotated[list[AllocationOrder], Field(max_length=MAX_ALLOCATIONS)]], Field(max_length=MAX_PRINTERS)
    ] = {}
    settings: Settings = Settings()


class Ack(Envelope):
    """The journal of `epoch` is committed up to `seq`; report `report` of boot `boot` is acknowledged (None: only the journal).

    `tag` is that of the fact `seq` as the daemon has it (`fact_tag`), or empty: a node whose own fact `seq` has another one writes
    on in an old copy of its ledger.
    """

    generation: Number
    epoch: Id
    seq: Number
    tag: Word = ""
    boot: Number | None = None
    report: Number | None = None


class Action(Message):
    """Base of what a command asks for."""

    printer: Id


class CollectAction(Action):
    """Take `good` and `scrap` parts of `job` off the bed. Has no deadline; repeated until its fact arrives."""

    kind: Literal["collect"] = "collect"
    job: Id
    good: Count
    scrap: Count
    by: Word = "operator"


class ClearBedAction(Action):
    """Whatever `occupation` was (foreign print, unknown, a job without good parts), the bed is clear now."""

    kind: Literal["clear-bed"] = "clear-bed"
    occupation: Id
    by: Word = "operator"


class JobAction(Action):
    """Pause, resume or cancel `job`."""

    kind: Literal["pause", "resume", "cancel"]
    job: Id


class StopAction(Action):
    """Emergency stop of the printer, whatever it does."""

    kind: Literal["emergency-stop"] = "emergency-stop"


class AnswerAction(Action):
    """Answer the question `prompt` (its id) of the printer by the choice with this index; 0 when it has no choices."""

    kind: Literal["answer"] = "answer"
    prompt: Word
    choice: Annotated[int, Field(ge=0, lt=MAX_CHOICES)] = 0


class Command(Envelope):
    """Idempotent by `id`. With a deadline it is void `deadline_s` after the node sent report `report` of boot `boot`.

    The deadline is relative to a moment of the node's own clock, because clocks are never compared across machines.
    """

    generation: Number
    id: Id
    action: Annotated[CollectAction | ClearBedAction | JobAction | StopAction | AnswerAction, Field(discriminator="kind")]
    boot: Number | None = None
    report: Number | None = None
    deadline_s: Seconds | None = None


# --- up: what a node says ----------------------------------------------------------------------------------------------------


class JobReference(Message):
    """What a job is: enough for a daemon that has never heard of its allocation to adopt it."""

    job: Id
    allocation: Id
    order: Id
    revision: Id
    program: Sha256
    parts: Parts
    estimated_s: Seconds = 0.0


class Occupation(Message):
    """What is on a bed that is not clear. `job` and `outcome` are there for a job only."""

    id: Id
    kind: OccupationKind
    job: JobReference | None = None
    outcome: JobOutcome | None = None  # None while it is running
    age_s: Seconds = 0.0  # since it began, on the node's clock


class FaultNote(Message):
    """A fault of a printer, for people: in both languages, with the machine's own line."""

    code: Word
    text: Text
    meaning_en: Text = ""
    meaning_fr: Text = ""
    action_en: Text = ""
    action_fr: Text = ""
    recovery: Word = ""  # `drivers.base.Recovery`; empty: an older node, which does not say
    text_fr: Text | None = None  # where `text` is the driver's and no line of the machine


class PromptNote(Message):
    """What a machine asks now; `id` is another one for each question. No choices: "go on".

    The words are the machine's and stay as they are; where they are the driver's, they have French.
    """

    id: Word
    text: Text
    choices: Annotated[list[Word], Field(max_length=MAX_CHOICES)] = []
    text_fr: Text | None = None  # None: the machine's words, or an older node
    choices_fr: Annotated[list[Word], Field(max_length=MAX_CHOICES)] = []  # as many as `choices`, or none


class ReasonNote(Message):
    """Why something does not happen: a stable code for programs, a sentence for people in both languages."""

    code: Word
    en: Text
    fr: Text


class ProgramRefusal(Message):
    """A program that this node does not print on a printer: its own check of the file, or its owner's limits, are against it.

    With `needs` it is printed once somebody answers for these rules, which the farm has not shown to anybody.
    """

    program: Sha256
    reason: ReasonNote
    needs: Annotated[list[Word], Field(max_length=MAX_TRUST)] = []
    rule_set: Number = 0  # by which the node judged it; 0: not said


class PrinterReport(Message):
    """One printer as it is. `ready` false has a `reason`."""

    id: Id
    name: Word
    driver: Word
    profile: Id
    material: Word = ""
    nozzle_mm: float = Field(default=0.4, gt=0, le=5)
    state: PrinterState
    bed: BedState
    occupation: Occupation | None = None
    ready: bool = False
    reason: ReasonNote | None = None
    fault: FaultNote | None = None
    autonomy_s: Seconds | None = None  # the most that this printer's owner allows; None: the daemon's default
    capabilities: Annotated[list[Word], Field(max_length=20)] = []
    firmware: Text | None = None
    prompt: PromptNote | None = None  # None also from an older node
    refusals: Annotated[list[ProgramRefusal], Field(max_length=MAX_REFUSALS)] = []  # what is allocated first, others in turn
    checks: Word = ""  # what the refusals rest on: each one that was told stands while this is the same; empty: an older node


class JournalPosition(Message):
    """Where the outbox of a node stands."""

    epoch: Id
    oldest: Number  # the first sequence number that the node still holds
    head: Number  # the last one written
    acked: Number | None = None  # the last one that a daemon of the node's generation has acknowledged


class Report(Envelope):
    """What *is* at a node: at birth, on change and every 30 s. Newer means a greater (boot, report)."""

    generation: Number
    desired_version: Number
    boot: Number
    report: Number
    journal: JournalPosition
    printers: Annotated[list[PrinterReport], Field(max_length=MAX_PRINTERS)] = []
    name: Word = ""
    agent: Word = ""
    started: Annotated[dict[Id, Count], Field(max_length=MAX_PRINTERS * MAX_ALLOCATIONS)] = {}


class FactBase(Message):
    """A fact of the journal. `at_s` is the node's wall clock: for people, never for arithmetic."""

    seq: Number
    printer: Id
    at_s: Seconds = 0.0


class JobFact(FactBase):
    """A fact about a job carries the whole reference."""

    reference: JobReference


class JobStarted(JobFact):
    """The intent to start was written; the first command goes to the printer after that."""

    kind: Literal["job-started"] = "job-started"


class JobEnded(JobFact):
    """The machine is done with the job; its parts are still on the bed."""

    kind: Literal["job-ended"] = "job-ended"
    outcome: JobOutcome
    detail: Text = ""
    detail_fr: Text | None = None  # None, here and below: an older node, whose facts keep the tag that they were told with
    code: Word | None = None
    by_person: bool = False
    took_s: Seconds = 0.0


_TOO_MANY: Final = Bilingual(
    "good + scrap is more than the parts of the job", "bonnes et rebut font plus que les pièces de l'impression"
)


class JobCollected(JobFact):
    """A hand took the parts off and said how many are good. Only now they count."""

    kind: Literal["job-collected"] = "job-collected"
    good: Count
    scrap: Count
    by: Word = ""

    @model_validator(mode="after")
    def _no_more_than_the_job_has(self) -> "JobCollected":
        if self.good + self.scrap > self.reference.parts:
            raise BilingualError(_TOO_MANY)
        return self


class BedCleared(FactBase):
    """An occupation that was no job of ours is gone."""

    kind: Literal["bed-cleared"] = "bed-cleared"
    occupation: Id
    by: Word = ""


class FaultRaised(FactBase):
    """A printer reported a fault."""

    kind: Literal["fault-raised"] = "fault-raised"
    fault: FaultNote
    job: Id | None = None


class CommandDone(FactBase):
    """What came of a command; what kept it has a stable code and a sentence in both languages (older nodes: only `detail`)."""

    kind: Literal["command-done"] = "command-done"
    command: Id
    ok: bool
    detail: Text = ""
    detail_fr: Text = ""
    code: Word = ""


Fact = Annotated[JobStarted | JobEnded | JobCollected | BedCleared | FaultRaised | CommandDone, Field(discriminator="kind")]


class RawFact(Message):
    """The part of a fact that must be readable for the stream to go on: its place. A fact that says nothing else is set aside."""

    model_config = ConfigDict(frozen=True, extra="allow")
    seq: Number
    kind: Any = None


class PlacedFact(RawFact):
    """What came where a fact must be, without a number that can be read: the facts beside it say which it is."""

    told: Any = None  # as it came


def _something(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _something(item) for key, item in value.items() if item is not None}
    return [_something(item) for item in value] if isinstance(value, list) else value


def fact_tag(fact: RawFact) -> str:
    """What tells a fact from another one with the same number: a digest of everything but the number.

    What is null is left out, at every depth: it does not travel (`farm.bus.client.encoded`), and a ledger keeps it.
    """
    content = _something(fact.model_dump(mode="json", exclude={"seq"}))
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


class JournalHead(Envelope):
    """What a batch of the outbox says of itself."""

    epoch: Id
    oldest: Number
    head: Number


class Journal(JournalHead):
    """A batch of the outbox, in order and without holes. Facts are parsed one by one, so that a poisoned one blocks nothing."""

    facts: Annotated[list[RawFact], Field(max_length=MAX_FACTS)]

    @field_validator("facts", mode="before")
    @classmethod
    def _numbered_by_place(cls, rows: Any) -> Any:
        return list(_placed(rows)) if isinstance(rows, list) else rows


def _placed(rows: list[Any]) -> Iterator[Any]:
    """Facts are consecutive: one whose number cannot be read has that of its place, as long as another one has a number."""
    numbers = [_number_of(row) for row in rows]
    first = next((number - place for place, number in enumerate(numbers) if number is not None), None)
    for place, (row, number) in enumerate(zip(rows, numbers, strict=True)):
        if number is not None or first is None or first + place < 0:
            yield row
        else:
            yield PlacedFact(seq=first + place, told=row)


_NUMBER: Final[TypeAdapter[int]] = TypeAdapter(Number)


def _number_of(row: Any) -> int | None:
    if isinstance(row, RawFact):
        return row.seq
    try:
        return _NUMBER.validate_python(row.get("seq")) if isinstance(row, dict) else None
    except ValidationError:
        return None


class Link(Envelope):
    """Birth and last will. Only hastens *suspect*; ignored if a newer `connection` was seen."""

    connection: Number
    online: bool


class PrinterTelemetry(Message):
    """The newest of one printer; never stored."""

    state: PrinterState
    job: Id | None = None
    progress: float | None = Field(default=None, ge=0, le=1)
    remaining_s: Seconds | None = None  # farm time
    nozzle_c: Celsius | None = None
    nozzle_target_c: Celsius | None = None
    bed_c: Celsius | None = None
    bed_target_c: Celsius | None = None
    note: Text | None = None
    note_fr: Text | None = None  # where the words are the driver's and not the machine's


class Telemetry(Envelope):
    """Temperatures and progress: newest wins."""

    boot: Number
    count: Number
    printers: Annotated[dict[Id, PrinterTelemetry], Field(max_length=MAX_PRINTERS)] = {}
