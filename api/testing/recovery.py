"""The part of the small farm in memory that has to do with backups, take-overs, and what is gone."""

from pathlib import Path

from api.testing.texts import disk_full
from farm.control_errors import last_node, missing, no_revision, people_node, printer_in_use
from farm.errors import ConflictError, NotFoundError
from farm.ids import new_id
from farm.library_views import AuditView, SignedRequest
from farm.views import (
    BackupView,
    FenceView,
    HealedView,
    HealingView,
    JobView,
    NodeView,
    OrderView,
    PrinterView,
    ProgramView,
    RecallView,
    StockView,
    TakeOverView,
)
from gcode.texts import Bilingual


class MemoryRecovery:
    """What `MemoryControl` answers of generations, backups, removals and recalls. Tests set `fence`, `healing` and `stock_rows`."""

    now: float
    full: bool
    node_rows: dict[str, NodeView]
    printer_rows: dict[str, PrinterView]
    order_rows: dict[str, OrderView]
    job_rows: dict[str, JobView]
    program_rows: dict[str, ProgramView]
    passwords: dict[str, str]
    audit_rows: list[AuditView]

    def __init__(self, folder: Path) -> None:
        self.generation = 1
        self.fence: FenceView | None = None
        self.healing: HealingView | None = None
        self.healed: HealedView | None = None
        self.stock_rows: dict[str, StockView] = {}
        self.recalled: set[str] = set()
        self.recalled_by = ""
        self._backups = folder / "backups"

    def touch(self) -> None:
        """Tell everybody who waits for changes."""
        raise NotImplementedError

    async def take_over(self) -> TakeOverView:
        """A higher generation; nodes tell again what they did."""
        self._room()
        self.generation = max(self.generation, self.fence.heard if self.fence is not None else 0) + 1
        names = sorted(row.name for row in self.node_rows.values())
        self.fence = None
        self.healing = HealingView(
            why="taken-over", since=self.now, backup_at=None, nodes=len(names), told=0, missing=names, found=0
        )
        self.touch()
        return TakeOverView(generation=self.generation)

    async def finish_healing(self) -> None:
        """The farm has healed."""
        if self.fence is not None:
            raise ConflictError(
                Bilingual("This daemon only watches.", "Ce démon ne fait que regarder."),
                next_step=Bilingual("`farm status` says why.", "`farm status` dit pourquoi."),
                code="fenced",
            )
        if (now := self.healing) is not None:
            self.healed = HealedView(
                why=now.why, since=now.since, ended=self.now, nodes=now.nodes, told=now.told, missing=now.missing, found=now.found
            )
        self.healing = None
        self.touch()

    async def backups(self) -> list[BackupView]:
        """What `backup` made, newest first."""
        paths = sorted(self._backups.glob("*.sqlite3"), reverse=True)
        return [self._view(path) for path in paths]

    async def backup_file(self, name: str) -> Path:
        """The file of a backup."""
        for view in await self.backups():
            if view.name == name:
                return Path(view.path)
        raise NotFoundError(
            Bilingual(f"There is no backup {name}.", f"Il n'y a pas de sauvegarde {name}."),
            next_step=Bilingual("GET /api/v1/backups lists them all.", "GET /api/v1/backups les donne toutes."),
        )

    async def backup(self) -> BackupView:
        """A file that stands for a copy of the database."""
        self._room()
        self._backups.mkdir(parents=True, exist_ok=True)
        path = self._backups / f"essaim-{len(await self.backups()):04d}.sqlite3"
        path.write_bytes(b"SQLite format 3\0")
        return self._view(path)

    async def remove_node(self, node: str, *, also_last: bool = False) -> None:
        """It and its printers are gone."""
        if node not in self.node_rows:
            raise missing("node", node)
        if node == "people":
            raise people_node()
        if len(set(self.node_rows) - {"people"}) == 1 and not also_last:
            raise last_node(self.node_rows[node].name)
        del self.node_rows[node]
        self.passwords.pop(node, None)
        self.printer_rows = {key: row for key, row in self.printer_rows.items() if row.node != node}
        self.touch()

    async def remove_printer(self, printer: str) -> None:
        """It is gone, unless it is online."""
        if printer not in self.printer_rows:
            raise missing("known printer", printer)
        if self.printer_rows[printer].online:
            raise printer_in_use(self.printer_rows[printer].name)
        del self.printer_rows[printer]
        self.touch()

    async def recall_revision(self, revision: str, request: SignedRequest) -> RecallView:
        """Flag its jobs, set its stock aside."""
        if all(row.revision != revision for row in self.program_rows.values()):
            raise no_revision(revision)
        self._room()
        if revision not in self.recalled:
            made = AuditView(
                id=new_id("audit"),
                at=self.now,
                who=request.by,
                action="revision.recall",
                subject=revision,
                reason=request.reason,
                detail="",
            )
            self.audit_rows.insert(0, made)
        self.recalled.add(revision)
        self.recalled_by = request.by
        mine = [job for job in self.job_rows.values() if job.revision == revision]
        self.job_rows |= {job.id: job.model_copy(update={"recalled": True}) for job in mine}
        for key, row in self.printer_rows.items():
            if row.occupation is not None and row.occupation.job in {job.id for job in mine}:
                flagged = row.occupation.model_copy(update={"recalled": True})
                self.printer_rows[key] = row.model_copy(update={"occupation": flagged})
        of_it = [row for row in self.order_rows.values() if row.revision == revision]
        self.order_rows |= {row.id: row.model_copy(update={"recalled": True}) for row in of_it}
        stock = self.stock_rows.get(revision)
        if stock is not None:
            self.stock_rows[revision] = stock.model_copy(update={"recalled": True})
        self.touch()
        return RecallView(
            revision=revision,
            running=[self.job_rows[job.id] for job in mine if job.state == "running"],
            withdrawn_jobs=0,
            stock_set_aside=stock.parts if stock is not None else 0,
            open_orders=[row.id for row in self.order_rows.values() if row.revision == revision and row.state == "open"],
        )

    def _view(self, path: Path) -> BackupView:
        return BackupView(name=path.name, path=str(path), made_at=self.now, size_bytes=path.stat().st_size)

    def _room(self) -> None:
        if self.full:
            raise disk_full()
