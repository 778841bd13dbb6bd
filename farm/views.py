"""What people and programs see of a farm: the answers of the HTTP API (docs/api.md); what they may ask is in `farm.request_bodies`.

One definition for the routes, the live updates, the command line and the tests. Times `*_at` are unix seconds of farm time;
durations end in `_s`. Strings that came from printers or makers are text: pages must never treat them as markup.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from drivers.base import PrinterState
from farm.bus.messages import FaultNote, PromptNote, ReasonNote
from scheduler.model import BedState, JobOutcome, OccupationKind, Verdict

OrderState = Literal["open", "met", "cancelled"]
JobState = Literal["running", "ended", "collected"]
RevisionState = Literal["draft", "released", "recalled"]
UploadState = Literal["waiting", "opening", "checking", "drawing", "saving", "ready", "refused"]


class View(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True)


class OccupationView(View):
    """What is on a bed that is not clear; `good_at_most` is what a collect may say at most."""

    id: str
    kind: OccupationKind
    job: str | None = None
    order: str | None = None
    outcome: JobOutcome | None = None
    running: bool = False
    good_at_most: int = 0
    recalled: bool = False  # its revision was recalled: its parts are set aside, not counted


class PrinterView(View):
    """One printer. `why_not` says why it would not start a job now; empty when it would.

    While its node was not heard since the daemon's start (code `not-heard`), it is offline, its bed unknown, and `occupation` what
    the daemon still waits for: it can be collected, the word waits for the node.
    """

    id: str
    node: str
    name: str
    driver: str
    profile: str
    material: str
    nozzle_mm: float
    state: PrinterState
    bed: BedState
    occupation: OccupationView | None
    ready: bool
    why_not: list[ReasonNote]
    online: bool
    progress: float | None = None
    remaining_s: float | None = None
    nozzle_c: float | None = None
    nozzle_target_c: float | None = None
    bed_c: float | None = None
    bed_target_c: float | None = None
    note: str | None = None
    note_fr: str | None = None  # None: the words of `note` are the machine's
    fault: FaultNote | None = None
    prompt: PromptNote | None = None  # what the machine asks now
    firmware: str | None = None
    capabilities: list[str] = []
    allocation: str | None = None
    order: str | None = None
    jobs_left: int = 0  # that it may still start


class NodeView(View):
    """One node agent. `silent_s`: since its last acknowledged report; None until it is heard after the daemon's start.

    `told`: it has told everything that it did, so that its printers may be given work.
    """

    id: str
    name: str
    online: bool
    suspect: bool
    silent_s: float | None
    agent: str
    printers: list[str]
    journal_behind: int  # facts written at the node that we have not committed
    told: bool = True
    not_known: ReasonNote | None = None  # why nothing it says is taken in now: what is shown is what was known before
    rejected: dict[str, int] = {}  # messages that could not be taken in, by reason, since the daemon's start


class OrderView(View):
    """One order and what it still owes: `owed` = quantity - good; `expected` is being made; `to_allocate` is nobody's yet."""

    id: str
    design: str
    revision: str
    quantity: int
    good: int
    scrap: int
    expected: int
    to_allocate: int
    owed: int
    priority: int
    destination: str
    state: OrderState
    created_at: float
    met_at: float | None = None
    why_waiting: list[ReasonNote] = []
    recalled: bool = False  # its revision was recalled: nothing more of it is made, and who has its parts must be told
    requester: str = ""  # id; empty: nobody in particular
    requester_name: str = ""


class JobView(View):
    """One print of a program on one printer."""

    id: str
    order: str
    revision: str
    program: str
    printer: str
    node: str
    allocation: str
    parts: int
    state: JobState
    outcome: JobOutcome | None
    detail: str
    detail_fr: str = ""  # and the stable code of it; empty where nobody has said
    detail_code: str = ""
    good: int
    scrap: int
    started_at: float
    ended_at: float | None
    collected_at: float | None
    collected_by: str | None
    written_off: bool
    recalled: bool = False  # its revision was recalled: cancel it if it runs, its parts do not count


class ProgramView(View):
    """One G-code file: prints `parts` of `revision` on printers of `profile`.

    `warnings` are what the check found and let pass, by the id of the rule: who prints it should know. `usable`: it may be given to
    printers (its `verdict` is "pass", or "trusted-only" and a named person has released it). `trust` names the rules that somebody
    must answer for. `checked` false: it was checked by an older Essaim, and is checked again soon. `worse_since`: a stricter check
    than the one before took it out of use, and nobody has answered for it yet.
    """

    sha256: str
    name: str
    design: str
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
    created_at: float
    warnings: list[ReasonNote] = []
    uploaded_sha256: str = ""  # of what was uploaded; another one than `sha256` when that was packed or held a secret
    verdict: Verdict = Verdict.PASS
    usable: bool = True
    checked: bool = True
    profile_revision: str = ""
    rule_set: int = 0
    trust: list[str] = []
    released_by: str = ""
    released_at: float | None = None
    release_reason: str = ""
    worse_since: float | None = None


class DesignView(View):
    """A design with its revisions, newest first; `recalled` are those of them that must not be used, `drafts` not yet."""

    id: str
    name: str
    revisions: list[str]
    recalled: list[str] = []
    drafts: list[str] = []


class UploadView(View):
    """A file on its way into the library. `done` and `of` are bytes of this step; `program` is its hash once it is `ready`.

    `problem` of a refused one is that of docs/api.md: code, detail, next_step, and the findings when it does not pass its checks.
    """

    id: str
    name: str
    design: str
    revision: str
    profile: str
    size_bytes: int
    state: UploadState
    done: int = 0
    of: int = 0
    begun_at: float
    program: str | None = None
    new: bool = False  # False: the farm had this program already
    problem: dict[str, Any] | None = None


class SetAsideView(View):
    """Fact `number` of a node's journal, which could not be understood. `content` and `reason` are text, never markup.

    `reason_fr`: the same in French; in English where nobody knows it; empty from an older farm.
    """

    id: str
    node: str
    node_name: str
    epoch: str
    number: int
    reason: str
    content: str
    created_at: float
    reason_fr: str = ""


class AlarmView(View):
    """Something a person of the farm must see: `text` and `next_step` in English, and the same in French."""

    code: str
    text: str
    next_step: str
    since: float
    text_fr: str = ""
    next_step_fr: str = ""


class FenceView(View):
    """This daemon only watches. `why`: `taken-over` and `same-generation`: another one acts; `put-back`: its database is old.

    `node` (its name) showed `heard` where we have `known`: of its `counted`: generations, versions of its plan, acknowledged facts.
    """

    why: Literal["taken-over", "same-generation", "put-back"]
    node: str
    heard: int
    known: int
    counted: Literal["generation", "plan", "facts"] = "generation"


class HealingView(View):
    """After a restore or a take-over: `told` of `nodes` nodes have told again what they did, `missing` (names) have not yet.

    `found` are good parts that came back from nodes that had not told everything. `backup_at`: the moment that was restored.
    """

    why: Literal["restored", "put-back", "taken-over"]
    since: float
    backup_at: float | None
    nodes: int
    told: int
    missing: list[str]
    found: int


class HealedView(View):
    """How the last healing ended: `missing` were waited for no longer; `found` as in `HealingView`."""

    why: Literal["restored", "put-back", "taken-over"]
    since: float
    ended: float
    nodes: int
    told: int
    missing: list[str]
    found: int


class StockView(View):
    """Good parts of a revision that no order has taken. Those of a recalled one are set aside and never offered."""

    revision: str
    parts: int
    recalled: bool = False


class RecallView(View):
    """What a recall has found: `running` jobs go on until a person cancels them; `withdrawn_jobs` are not started any more."""

    revision: str
    running: list[JobView]
    withdrawn_jobs: int
    stock_set_aside: int
    open_orders: list[str]


class TakeOverView(View):
    """The generation in which this daemon acts from now on."""

    generation: int


class BackupView(View):
    """A copy of the database on the daemon's machine. `made_at` is the unix time of that machine, of the moment that it holds."""

    name: str
    path: str
    made_at: float
    size_bytes: int


class FarmView(View):
    """Everything at once: what a page shows when it opens."""

    name: str
    generation: int
    now: float
    broker: str
    printers: list[PrinterView]
    nodes: list[NodeView]
    orders: list[OrderView]
    waiting: list[JobView]  # ended, waiting to be collected
    alarms: list[AlarmView]
    stock: list[StockView] = []
    fence: FenceView | None = None  # this daemon only watches
    healing: HealingView | None = None  # nodes tell again what they did
    healed: HealedView | None = None  # the last time that they did
    uploads: list[UploadView] = []  # files on their way into the library, and what came of the newest
    library: int = 0  # another number whenever programs, designs, revisions, requesters or approvals are other than before


class HealthView(View):
    """Whether the daemon can do its work. `checks`: name -> "ok", "ok, ..." with some, or what is wrong; `checks_fr`: in French."""

    ready: bool
    checks: dict[str, str]
    checks_fr: dict[str, str] = {}


class CommandAccepted(View):
    """A command was sent; its outcome arrives as a fact of the node (`/api/v1/events`, or the state of the printer)."""

    command: str


class InviteView(View):
    """A code for one maker. `command` is what the maker types; the code works once, until `expires_at`."""

    code: str
    command: str
    expires_at: float


class EnrolmentGrant(View):
    """What a node needs to work; told once. `ca_pem` is the farm's own certificate authority, None without TLS."""

    node: str
    farm_url: str
    mqtt_urls: list[str]
    password: str
    ca_pem: str | None


class ManualJobView(View):
    """A batch of a maker who prints by hand: accept it, download the file, print, report."""

    printer: str
    job: str
    design: str
    revision: str
    program: str
    parts: int
    state: Literal["offered", "accepted", "reported"]
    good: int | None = None  # what was counted, once it is reported
    scrap: int | None = None


class MakerView(View):
    """A maker who prints by hand. `token` is told once, when the maker is added."""

    printer: str
    name: str
    profile: str
    token: str | None = None
