"""A small farm in memory that behaves like a real one, for tests of everything that stands on `farm.control.Control`.

Orders are allocated to idle printers at once; `finish` ends a print; collecting counts parts. Nothing happens by itself: `now`
moves only by `pass_time`. Everything is public, so that a test can bring about any state.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

from api.testing.library import MemoryLibrary, found
from api.testing.nodes import MemoryNodes
from api.testing.questions import MemoryQuestions
from api.testing.recovery import MemoryRecovery
from api.testing.texts import disk_full
from drivers.base import PrinterState
from farm.bus.messages import ReasonNote
from farm.control_errors import CANCEL_OR_WAIT, COUNT_AGAIN, LOOK
from farm.errors import ConflictError, InvalidError, NotAllowedError, NotFoundError
from farm.ids import new_id
from farm.request_bodies import ClearBedRequest, CollectRequest, EnrolmentClaim, InviteRequest, OrderChange, OrderRequest
from farm.views import (
    AlarmView,
    CommandAccepted,
    EnrolmentGrant,
    FarmView,
    HealthView,
    InviteView,
    JobView,
    NodeView,
    OccupationView,
    OrderView,
    PrinterView,
    ProgramView,
)
from gcode.texts import Bilingual, both, told
from scheduler.model import BedState, JobOutcome, OccupationKind

_Row = TypeVar("_Row")
MAX_CLAIMS = 10  # wrong codes before everybody must wait


class MemoryControl(MemoryLibrary, MemoryRecovery, MemoryNodes, MemoryQuestions):
    """A `Control` without disk, broker or nodes."""

    def __init__(self, folder: Path, *, name: str = "Essaim") -> None:
        super().__init__(folder)
        self.name = name
        self.now = 1_700_000_000.0
        self.full = False  # as if the disk were full
        self.health_checks = {"store": "ok", "broker": "ok", "scheduler": "ok"}
        self.alarm_rows: list[AlarmView] = []
        self.answers = []
        self.printer_rows: dict[str, PrinterView] = {}
        self.node_rows = {}
        self.set_aside_rows = {}
        self.order_rows: dict[str, OrderView] = {}
        self.job_rows: dict[str, JobView] = {}
        self.invites: dict[str, str] = {}  # code -> name
        self.passwords: dict[str, str] = {}  # node -> password
        self.wrong_codes = 0
        self.authority_pem: str | None = None
        self._waiters: set[asyncio.Event] = set()

    # --- what a test brings about

    def add_node(self, node: str, *, name: str = "", password: str = "") -> NodeView:
        """A node that is online."""
        row = NodeView(
            id=node,
            name=name or node,
            online=True,
            suspect=False,
            silent_s=1.0,
            agent="essaim 0.1.0",
            printers=[],
            journal_behind=0,
        )
        self.node_rows[node] = row
        self.passwords[node] = password
        self.touch()
        return row

    def add_printer(self, printer: str, name: str, node: str = "nod-1", profile: str = "generic-210", **more: Any) -> PrinterView:
        """An idle printer with a clear bed; `more` are other fields of its view."""
        if node not in self.node_rows:
            self.add_node(node)
        values: dict[str, Any] = {
            "driver": "marlin",
            "material": "PLA",
            "nozzle_mm": 0.4,
            "state": PrinterState.IDLE,
            "bed": BedState.CLEAR,
            "occupation": None,
            "ready": True,
            "why_not": [],
            "online": True,
            "nozzle_c": 21.0,
            "nozzle_target_c": 0.0,
            "bed_c": 21.0,
            "bed_target_c": 0.0,
            "capabilities": ["pause", "cancel", "emergency-stop", "temperatures"],
            **more,
        }
        self.printer_rows[printer] = PrinterView(id=printer, node=node, name=name, profile=profile, **values)
        known = self.node_rows[node]
        self.node_rows[node] = known.model_copy(update={"printers": sorted({*known.printers, printer})})
        self._allocate()
        return self.printer_rows[printer]

    def change_printer(self, printer: str, **fields: Any) -> None:
        """Anything about a printer."""
        self.printer_rows[printer] = self.printer(printer).model_copy(update=fields)
        self.touch()

    def pass_time(self, seconds: float) -> None:
        """Let time pass; nobody is told, because nothing has happened."""
        self.now += seconds

    def finish(self, printer: str, outcome: JobOutcome = JobOutcome.PRINTED) -> JobView:
        """The job on this printer ends: its parts wait on the bed."""
        row = self.printer(printer)
        if row.occupation is None or row.occupation.job is None:
            raise ConflictError(told("Nothing is printing there."), next_step=told("A test orders something first."))
        job = self.job_rows[row.occupation.job]
        self.job_rows[job.id] = job.model_copy(update={"state": "ended", "outcome": outcome, "ended_at": self.now})
        occupation = row.occupation.model_copy(update={"running": False, "outcome": outcome})
        self.change_printer(
            printer,
            state=PrinterState.IDLE,
            occupation=occupation,
            ready=False,
            why_not=[ReasonNote(code="bed-occupied", en="The bed is occupied.", fr="Le plateau est occupé.")],
            progress=None,
            remaining_s=None,
            nozzle_target_c=0.0,
        )
        return self.job_rows[job.id]

    def touch(self) -> None:
        """Tell everybody who waits for changes."""
        for waiter in self._waiters:
            waiter.set()

    # --- reading

    def snapshot(self) -> FarmView:
        """Everything at once."""
        return FarmView(
            name=self.name,
            generation=self.generation,
            now=self.now,
            broker="memory",
            printers=self.printers(),
            nodes=self.nodes(),
            orders=self.orders(),
            waiting=[job for job in self.job_rows.values() if job.state == "ended"],
            alarms=self.alarms(),
            stock=list(self.stock_rows.values()),
            fence=self.fence,
            healing=self.healing,
            healed=self.healed,
            uploads=self.uploads(),
            library=self.library_changes(),
        )

    def health(self) -> HealthView:
        """Ready when every check is ok."""
        checks_fr = {name: both(check).fr for name, check in self.health_checks.items()}
        ready = all(check == "ok" for check in self.health_checks.values())
        return HealthView(ready=ready, checks=self.health_checks, checks_fr=checks_fr)

    def alarms(self) -> list[AlarmView]:
        """What the test put there."""
        return list(self.alarm_rows)

    def printers(self) -> list[PrinterView]:
        """All printers, by name."""
        return sorted(self.printer_rows.values(), key=lambda row: row.name)

    def printer(self, printer: str) -> PrinterView:
        """One printer."""
        return found(self.printer_rows, printer, "printer")

    def orders(self) -> list[OrderView]:
        """Open ones first, by priority and age."""
        return sorted(self.order_rows.values(), key=lambda row: (row.state != "open", -row.priority, row.created_at))

    def order(self, order: str) -> OrderView:
        """One order."""
        return found(self.order_rows, order, "order")

    async def jobs(self, *, order: str | None = None, limit: int = 200, offset: int = 0) -> list[JobView]:
        """Newest first."""
        if order is not None:
            found(self.order_rows, order, "order")
        rows = [job for job in reversed(self.job_rows.values()) if order in {None, job.order}]
        return rows[offset : offset + limit]

    async def job(self, job: str) -> JobView:
        """One job."""
        return found(self.job_rows, job, "job")

    async def changes(self) -> AsyncIterator[None]:
        """Yield after every `touch`."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            while True:
                await waiter.wait()
                waiter.clear()
                yield
        finally:
            self._waiters.discard(waiter)

    # --- orders

    async def place_order(self, request: OrderRequest) -> OrderView:
        """Take an order and start what can be started."""
        self._check_disk()
        design, revision, requester = self.meant(request)
        order = OrderView(
            id=new_id("ord"),
            design=design.id,
            revision=revision,
            requester=requester.id if requester is not None else "",
            requester_name=requester.name if requester is not None else "",
            quantity=request.quantity,
            good=0,
            scrap=0,
            expected=0,
            to_allocate=request.quantity,
            owed=request.quantity,
            priority=request.priority,
            destination=request.destination,
            state="open",
            created_at=self.now,
        )
        self.order_rows[order.id] = order
        self._allocate()
        return self.order_rows[order.id]

    async def change_order(self, order: str, change: OrderChange) -> OrderView:
        """Change an open order."""
        self._check_disk()
        row = self.order(order)
        if row.state != "open":
            raise ConflictError(
                Bilingual(f"Order {order} is met or cancelled.", f"La commande {order} est honorée ou annulée."),
                next_step=Bilingual("Place a new order.", "Passez une nouvelle commande."),
            )
        wish = change.model_dump(exclude_none=True)
        if "quantity" in wish:
            wish["quantity"] = max(row.good, wish["quantity"])
        self.order_rows[order] = row.model_copy(update=wish)
        self._recount(order)
        self._allocate()
        return self.order_rows[order]

    async def cancel_order(self, order: str) -> OrderView:
        """Take an order back."""
        self._check_disk()
        if self.order(order).state == "met":
            raise ConflictError(
                Bilingual(f"Order {order} is met already.", f"La commande {order} est déjà honorée."),
                next_step=Bilingual("Nothing is left to cancel.", "Il ne reste rien à annuler."),
            )
        self.order_rows[order] = self.order(order).model_copy(update={"state": "cancelled", "to_allocate": 0, "owed": 0})
        self.touch()
        return self.order_rows[order]

    # --- printers and jobs

    async def collect(self, printer: str, request: CollectRequest) -> CommandAccepted:
        """Count the parts and free the bed."""
        occupation = self._occupation(printer)
        if occupation.job != request.job:
            name = self.printer(printer).name
            other = Bilingual(
                f"Job {request.job} is not on the bed of {name}.", f"L'impression {request.job} n'est pas sur le plateau de {name}."
            )
            raise ConflictError(other, next_step=LOOK, code="not-on-this-bed")
        if occupation.running:
            runs = Bilingual(f"Job {request.job} still runs.", f"L'impression {request.job} est encore en cours.")
            raise ConflictError(runs, next_step=CANCEL_OR_WAIT, code="job-runs")
        job = self.job_rows[request.job]
        if request.good + request.scrap > job.parts:
            good, scrap, parts = request.good, request.scrap, job.parts
            raise InvalidError(
                Bilingual(
                    f"{good} good and {scrap} scrap are more than the {parts} parts of this job.",
                    f"{good} bonnes et {scrap} au rebut, c'est plus que les {parts} pièces de cette impression.",
                ),
                next_step=COUNT_AGAIN,
            )
        collected = {"state": "collected", "good": request.good, "scrap": request.scrap, "collected_at": self.now}
        self.job_rows[job.id] = job.model_copy(update={**collected, "collected_by": request.by})
        self._clear(printer)
        self._recount(job.order)
        self._allocate()
        return CommandAccepted(command=new_id("cmd"))

    async def clear_bed(self, printer: str, request: ClearBedRequest) -> CommandAccepted:
        """Free the bed without counting anything."""
        occupation = self._occupation(printer)
        if occupation.id != request.occupation:
            name = self.printer(printer).name
            other = Bilingual(f"That is not on the bed of {name} any more.", f"Cela n'est plus sur le plateau de {name}.")
            raise ConflictError(other, next_step=LOOK, code="not-on-this-bed")
        if occupation.running:
            runs = Bilingual("A job runs on this bed.", "Une impression est en cours sur ce plateau.")
            raise ConflictError(runs, next_step=CANCEL_OR_WAIT, code="job-runs")
        if occupation.job is not None:
            self.job_rows[occupation.job] = self.job_rows[occupation.job].model_copy(update={"state": "collected"})
        self._clear(printer)
        self._allocate()
        return CommandAccepted(command=new_id("cmd"))

    async def command_job(self, job: str, action: str) -> CommandAccepted:
        """Pause, resume or cancel."""
        row = found(self.job_rows, job, "job")
        if row.state != "running":
            ended = Bilingual(f"Job {job} has ended.", f"L'impression {job} est terminée.")
            raise ConflictError(ended, next_step=LOOK, code="job-ended")
        if action == "cancel":
            self.finish(row.printer, JobOutcome.CANCELLED)
        else:
            self.change_printer(row.printer, state=PrinterState.PAUSED if action == "pause" else PrinterState.PRINTING)
        return CommandAccepted(command=new_id("cmd"))

    async def emergency_stop(self, printer: str) -> CommandAccepted:
        """Stop everything there."""
        self.printer(printer)
        self.change_printer(printer, state=PrinterState.FAULT, ready=False, nozzle_target_c=0.0, bed_target_c=0.0)
        return CommandAccepted(command=new_id("cmd"))

    # --- enrolment

    async def invite(self, request: InviteRequest) -> InviteView:
        """Make a code."""
        code = f"BCDF-{len(self.invites):04d}"
        self.invites[code] = request.name
        return InviteView(code=code, command=f"farm node join http://127.0.0.1 {code}", expires_at=self.now + 1800)

    async def claim(self, claim: EnrolmentClaim) -> EnrolmentGrant:
        """Redeem a code, once."""
        if self.wrong_codes >= MAX_CLAIMS:
            raise NotAllowedError(
                Bilingual("Too many codes were tried.", "Trop de codes ont été essayés."),
                next_step=Bilingual("Wait a minute, then try again.", "Attendez une minute, puis réessayez."),
                code="throttled",
            )
        if self.invites.pop(claim.code, None) is None:
            self.wrong_codes += 1
            raise NotFoundError(
                Bilingual("This code does not work.", "Ce code ne marche pas."),
                next_step=Bilingual("Ask the farm for a new invitation.", "Demandez une nouvelle invitation à la ferme."),
                code="unknown-code",
            )
        node, password = new_id("nod"), new_id("pw")
        self.add_node(node, name=claim.name, password=password)
        return EnrolmentGrant(
            node=node, farm_url="http://127.0.0.1", mqtt_urls=["mqtt://127.0.0.1:1883"], password=password, ca_pem=None
        )

    def authenticate_node(self, node: str, password: str) -> bool:
        """Whether this is the password that `add_node` or `claim` gave."""
        return hmac.compare_digest(self.passwords.get(node, "").encode(), password.encode()) and bool(password)

    # --- how it works

    def _check_disk(self) -> None:
        if self.full:
            raise disk_full()

    def _occupation(self, printer: str) -> OccupationView:
        row = self.printer(printer)
        if row.occupation is None:
            clear = Bilingual(f"The bed of {row.name} is clear.", f"Le plateau de {row.name} est libre.")
            raise ConflictError(clear, next_step=LOOK, code="bed-is-clear")
        return row.occupation

    def _clear(self, printer: str) -> None:
        self.change_printer(printer, occupation=None, bed=BedState.CLEAR, ready=True, why_not=[], order=None)

    def _recount(self, order: str) -> None:
        row = self.order_rows.get(order)
        if row is None:
            return
        jobs = [job for job in self.job_rows.values() if job.order == order]
        good = sum(job.good for job in jobs)
        expected = sum(job.parts for job in jobs if job.state != "collected")
        owed = max(0, row.quantity - good) if row.state != "cancelled" else 0
        met = row.state == "open" and owed == 0
        self.order_rows[order] = row.model_copy(
            update={
                "good": good,
                "scrap": sum(job.scrap for job in jobs),
                "expected": expected,
                "owed": owed,
                "to_allocate": max(0, owed - expected),
                "state": "met" if met else row.state,
                "met_at": self.now if met else row.met_at,
            }
        )

    def _allocate(self) -> None:
        """Start a job on every printer that may start one."""
        for printer in self.printers():
            for order in self.orders():
                program = self._program_for(order, printer)
                if printer.ready and program is not None and order.state == "open" and order.to_allocate > 0:
                    self._start(printer, order, program)
                    break
        self.touch()

    def _program_for(self, order: OrderView, printer: PrinterView) -> ProgramView | None:
        wanted = (order.revision, printer.profile)
        if order.revision in self.drafts or order.revision in self.recalled:
            return None
        usable = (program for program in self.programs() if program.usable)
        return next((program for program in usable if (program.revision, program.profile) == wanted), None)

    def _start(self, printer: PrinterView, order: OrderView, program: ProgramView) -> None:
        job = JobView(
            id=new_id("job"),
            order=order.id,
            revision=order.revision,
            program=program.sha256,
            printer=printer.id,
            node=printer.node,
            allocation=new_id("alc"),
            parts=program.parts,
            state="running",
            outcome=None,
            detail="",
            good=0,
            scrap=0,
            started_at=self.now,
            ended_at=None,
            collected_at=None,
            collected_by=None,
            written_off=False,
        )
        self.job_rows[job.id] = job
        occupation = OccupationView(
            id=job.id, kind=OccupationKind.JOB, job=job.id, order=order.id, running=True, good_at_most=program.parts
        )
        heat = {"nozzle_c": 205.2, "nozzle_target_c": 205.0, "bed_c": 60.1, "bed_target_c": 60.0}
        self.printer_rows[printer.id] = printer.model_copy(
            update={
                "state": PrinterState.PRINTING,
                "bed": BedState.OCCUPIED,
                "occupation": occupation,
                "ready": False,
                "why_not": [ReasonNote(code="job-runs", en="A job is running.", fr="Une impression est en cours.")],
                "progress": 0.0,
                "remaining_s": program.estimated_s,
                "order": order.id,
                **heat,
            }
        )
        self._recount(order.id)
