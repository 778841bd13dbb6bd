"""What the HTTP API may ask of a running farm: the border between `api` and the daemon.

`farm.daemon.control.DaemonControl` is the implementation. Methods raise `farm.errors.FarmError` and nothing else.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from farm.library_views import (
    ApprovalRequest,
    AuditView,
    ProfileView,
    ProgramDetail,
    ReleaseRequest,
    RequesterChange,
    RequesterRequest,
    RequesterView,
    RevisionView,
    SignedRequest,
)
from farm.request_bodies import (
    AnswerRequest,
    ClearBedRequest,
    CollectRequest,
    EnrolmentClaim,
    InviteRequest,
    OrderChange,
    OrderRequest,
    ProgramRequest,
)
from farm.views import (
    AlarmView,
    BackupView,
    CommandAccepted,
    DesignView,
    EnrolmentGrant,
    FarmView,
    HealthView,
    InviteView,
    JobView,
    NodeView,
    OrderView,
    PrinterView,
    ProgramView,
    RecallView,
    SetAsideView,
    TakeOverView,
    UploadView,
)


class Control(Protocol):
    """A running farm, as the API sees it."""

    # reading: answered from memory, never waits for the disk
    def snapshot(self) -> FarmView:
        """Everything at once."""
        ...

    def health(self) -> HealthView:
        """Whether the store, the broker and the scheduler work."""
        ...

    def alarms(self) -> list[AlarmView]:
        """What a person must see."""
        ...

    def printers(self) -> list[PrinterView]:
        """All printers, by name."""
        ...

    def printer(self, printer: str) -> PrinterView:
        """One printer. NotFoundError."""
        ...

    def nodes(self) -> list[NodeView]:
        """All nodes, by name."""
        ...

    def node(self, node: str) -> NodeView:
        """One node. NotFoundError."""
        ...

    def set_aside(self, *, limit: int = 200, offset: int = 0) -> list[SetAsideView]:
        """Facts that could not be understood, newest first; at most 1,000 at once."""
        ...

    def orders(self) -> list[OrderView]:
        """All orders: open ones first, by priority and age."""
        ...

    def order(self, order: str) -> OrderView:
        """One order. NotFoundError."""
        ...

    async def jobs(self, *, order: str | None = None, limit: int = 200, offset: int = 0) -> list[JobView]:
        """Jobs, newest first. NotFoundError: no such order."""
        ...

    async def job(self, job: str) -> JobView:
        """One job. NotFoundError."""
        ...

    def programs(self) -> list[ProgramView]:
        """All programs."""
        ...

    async def program(self, sha256: str) -> ProgramDetail:
        """One program with all that was found in it. NotFoundError."""
        ...

    def profiles(self) -> list[ProfileView]:
        """Classes of printers that programs can be for, by name."""
        ...

    def uploads(self) -> list[UploadView]:
        """Files on their way into the library and what came of the newest, newest first, without findings."""
        ...

    def upload(self, upload: str) -> UploadView:
        """One of them. NotFoundError: it never was, or is forgotten."""
        ...

    def designs(self) -> list[DesignView]:
        """All designs."""
        ...

    def revision(self, revision: str) -> RevisionView:
        """One revision with its programs. NotFoundError."""
        ...

    def requesters(self) -> list[RequesterView]:
        """All requesters, by name."""
        ...

    def requester(self, requester: str) -> RequesterView:
        """One requester, by id or name. NotFoundError."""
        ...

    async def audit(self, *, subject: str | None = None, limit: int = 200, offset: int = 0) -> list[AuditView]:
        """Who answers for what, newest first; at most 1,000 at once."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yield whenever the snapshot is another than before, at most every 200 ms; the hub of live updates waits on it."""
        ...

    async def backups(self) -> list[BackupView]:
        """Copies of the database on the daemon's machine, newest first."""
        ...

    async def backup_file(self, name: str) -> Path:
        """The file of a backup. NotFoundError."""
        ...

    # the daemon itself
    async def take_over(self) -> TakeOverView:
        """Go above every generation ever heard of and act from now on; nodes tell again what they did."""
        ...

    async def finish_healing(self) -> None:
        """Wait no longer for nodes that have not told again what they did; nothing happens when the farm has healed."""
        ...

    async def backup(self) -> BackupView:
        """Copy the database. StoreFullError: no room for the copy."""
        ...

    async def look_at_set_aside(self, fact: str) -> None:
        """Somebody has looked at a fact that was set aside: it is shown no more. NotFoundError."""
        ...

    # nodes, printers and revisions that are gone
    async def remove_node(self, node: str, *, also_last: bool = False) -> None:
        """Shut a node out for good. NotFoundError; ConflictError: the people's node, or the last one unless `also_last`."""
        ...

    async def remove_printer(self, printer: str) -> None:
        """Forget a printer that its node does not report. NotFoundError; ConflictError: it is reported."""
        ...

    async def recall_revision(self, revision: str, request: SignedRequest) -> RecallView:
        """Start, count and give out nothing more of a revision. NotFoundError."""
        ...

    async def release_revision(self, revision: str, request: SignedRequest) -> RevisionView:
        """A draft may be printed from now on. NotFoundError; ConflictError: it was recalled."""
        ...

    # orders
    async def place_order(self, request: OrderRequest) -> OrderView:
        """NotFoundError: no such design or revision; ConflictError: no program prints it."""
        ...

    async def change_order(self, order: str, change: OrderChange) -> OrderView:
        """ConflictError: the order is met or cancelled."""
        ...

    async def cancel_order(self, order: str) -> OrderView:
        """Unstarted jobs are withdrawn; running ones are left alone, their good parts become stock."""
        ...

    # programs
    async def add_program(self, upload: Path, request: ProgramRequest) -> ProgramView:
        """Take the file `upload` (a complete temporary file in `incoming_folder`) into the library; it is moved or removed.

        InvalidError (RejectedError): not G-code, fails the checks of the profile, or not the promised hash. Idempotent by content.
        """
        ...

    async def begin_program(self, upload: Path, request: ProgramRequest) -> UploadView:
        """The same in the background: `upload` tells how far it is. FarmError (throttled): too many wait."""
        ...

    @property
    def incoming_folder(self) -> Path:
        """Where uploads are streamed to, on the same file system as the library."""
        ...

    def program_file(self, sha256: str) -> Path:
        """The file of a program. NotFoundError."""
        ...

    def program_picture(self, sha256: str, name: str) -> Path:
        """Its "preview" or "thumbnail" as PNG. NotFoundError."""
        ...

    async def release_program(self, sha256: str, request: ReleaseRequest) -> ProgramView:
        """A named person answers for what makes it trusted-only. NotFoundError; ConflictError: it needs nobody, or nobody can."""
        ...

    async def withdraw_program(self, sha256: str, request: SignedRequest) -> ProgramView:
        """Nobody answers for it any more. NotFoundError; ConflictError: nobody did."""
        ...

    async def remove_program(self, sha256: str, request: SignedRequest) -> None:
        """Forget a program that nothing was ever printed of, with its file. NotFoundError; ConflictError: something was."""
        ...

    # requesters
    async def add_requester(self, request: RequesterRequest) -> RequesterView:
        """Add a requester. ConflictError: the name is taken."""
        ...

    async def change_requester(self, requester: str, request: RequesterChange) -> RequesterView:
        """Another name, or whether it keeps approvals. NotFoundError; ConflictError: the name is taken."""
        ...

    async def remove_requester(self, requester: str, by: str) -> None:
        """Forget a requester. NotFoundError; ConflictError: an order of it is open."""
        ...

    async def approve(self, requester: str, request: ApprovalRequest) -> RequesterView:
        """It takes parts of a revision. NotFoundError; ConflictError: the revision was recalled."""
        ...

    async def withdraw_approval(self, requester: str, revision: str, request: SignedRequest) -> RequesterView:
        """It takes no more parts of a revision: its open orders of it wait. NotFoundError."""
        ...

    # printers and jobs
    async def collect(self, printer: str, request: CollectRequest) -> CommandAccepted:
        """ConflictError: that job is not on this bed or still runs; InvalidError: good + scrap is more than its parts."""
        ...

    async def clear_bed(self, printer: str, request: ClearBedRequest) -> CommandAccepted:
        """ConflictError: that occupation is not on this bed, or a job runs."""
        ...

    async def command_job(self, job: str, action: str) -> CommandAccepted:
        """Pause, resume or cancel. ConflictError: the job does not run, or its node is not reachable."""
        ...

    async def emergency_stop(self, printer: str) -> CommandAccepted:
        """Stop heat and motion of the printer at once."""
        ...

    async def answer(self, printer: str, request: AnswerRequest) -> CommandAccepted:
        """NotFoundError; ConflictError: it does not ask that any more; InvalidError: no such choice; UnreachableError: its node."""
        ...

    # enrolment
    async def invite(self, request: InviteRequest) -> InviteView:
        """Make a code for one maker. ConflictError: the broker in use cannot serve joined nodes."""
        ...

    async def claim(self, claim: EnrolmentClaim) -> EnrolmentGrant:
        """Redeem a code. NotFoundError, the same for unknown, used and expired codes."""
        ...

    def authenticate_node(self, node: str, password: str) -> bool:
        """Tell whether this is the node's password (constant time)."""
        ...

    @property
    def authority_pem(self) -> str | None:
        """The certificate of the farm's own authority, which nodes compare with the pin of their code; None without TLS."""
        ...
