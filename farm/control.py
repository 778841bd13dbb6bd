"""What the HTTP API may ask of a running farm: the border between `api` and the daemon.

`farm.daemon.control.DaemonControl` is the implementation. Methods raise `farm.errors.FarmError` and nothing else.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from farm.views import (
    AlarmView,
    AnswerRequest,
    BackupView,
    ClearBedRequest,
    CollectRequest,
    CommandAccepted,
    DesignView,
    EnrolmentClaim,
    EnrolmentGrant,
    FarmView,
    HealthView,
    InviteRequest,
    InviteView,
    JobView,
    NodeView,
    OrderChange,
    OrderRequest,
    OrderView,
    PrinterView,
    ProgramRequest,
    ProgramView,
    RecallView,
    SetAsideView,
    TakeOverView,
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

    def designs(self) -> list[DesignView]:
        """All designs."""
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

    async def recall_revision(self, revision: str) -> RecallView:
        """Start, count and give out nothing more of a revision. NotFoundError."""
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

        InvalidError: not G-code, fails the checks of the profile, or not the promised hash. Idempotent by content.
        """
        ...

    @property
    def incoming_folder(self) -> Path:
        """Where uploads are streamed to, on the same file system as the library."""
        ...

    def program_file(self, sha256: str) -> Path:
        """The file of a program. NotFoundError."""
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
