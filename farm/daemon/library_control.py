"""The part of `farm.daemon.control.DaemonControl` about the library: programs, uploads, revisions, requesters, the audit."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from farm.daemon import programs, releases, removal, requesters
from farm.daemon.audit import audit_view
from farm.daemon.catalogue import program_detail, revision_view
from farm.daemon.engine import Engine
from farm.daemon.inspection import OnProgress, Progress
from farm.daemon.presenter import designs, program_view, programs_view, recall_view
from farm.daemon.programs import Incoming
from farm.daemon.uploads import Uploads
from farm.errors import ConflictError, StoreFullError
from farm.ids import new_id
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
    profile_views,
)
from farm.log import get_logger
from farm.request_bodies import ProgramRequest
from farm.store.writer import Store
from farm.threads import made
from farm.views import DesignView, ProgramView, RecallView, UploadView
from scheduler.model import Farm, ProgramFacts, ProgramReport, report_key

_log = get_logger(__name__)
_MAX_ENTRIES: Final = 1_000


class LibraryControl:
    """What the HTTP API asks of the library."""

    def __init__(self, engine: Engine, store: Store, taken_in: programs.Programs) -> None:
        self._engine = engine
        self._store = store
        self._programs = taken_in
        self._uploads = Uploads(self._wall_s, engine.touch)
        self._files = asyncio.Lock()  # what the farm knows and the file of it come and go together
        self._seen: tuple[object, ...] = ()
        self._changes = 0

    async def close(self) -> None:
        """End the uploads that are under way."""
        await self._uploads.close()

    def library_changes(self) -> int:
        """Another number whenever the library is other than when this was asked last: pages fetch it anew then."""
        farm = self._farm
        now = (farm.designs, farm.revisions, farm.programs, farm.requesters, farm.approvals)
        if len(now) != len(self._seen) or any(new is not old for new, old in zip(now, self._seen, strict=True)):
            self._seen, self._changes = (
                now,
                self._changes + 1,
            )  # a draft copies what it changes: the same mapping is the same content
        return self._changes

    def profiles(self) -> list[ProfileView]:
        """Classes of printers that programs can be for, by name."""
        return profile_views(self._programs.profiles.values())

    # --- programs --------------------------------------------------------------------------------------------------------------

    def programs(self) -> list[ProgramView]:
        """All programs, newest first."""
        return programs_view(self._farm)

    async def program(self, sha256: str) -> ProgramDetail:
        """One program with all that was found in it. NotFoundError."""
        program = releases.find_program(self._farm, sha256)
        facts = await self._store.find(ProgramFacts, [sha256])
        reports = await self._store.find(ProgramReport, [report_key(sha256, profile) for profile in self._programs.profiles])
        pictures = await asyncio.to_thread(self._pictures, sha256)
        return program_detail(self._farm, program, facts.get(sha256), reports, pictures)

    def _pictures(self, sha256: str) -> frozenset[str]:
        library = self._programs.library
        return frozenset(name for name in programs.PICTURES.values() if library.picture(sha256, name).is_file())

    async def add_program(self, upload: Path, request: ProgramRequest) -> ProgramView:
        """Take the file `upload` into the library; it is gone afterwards.

        InvalidError: not G-code, fails the checks of the profile, or not the promised hash. Idempotent by content.
        """
        request = self._programs.spelled_out(request)
        size_bytes = (await asyncio.to_thread(upload.stat)).st_size
        view, _ = await self._uploads.follow(request, size_bytes, lambda tell: self._take(upload, request, tell))
        return view

    async def begin_program(self, upload: Path, request: ProgramRequest) -> UploadView:
        """The same in the background: `upload` tells how far it is. FarmError (throttled): too many wait."""
        self._uploads.require_room()
        request = self._programs.spelled_out(request)
        own = upload.with_name(f"{new_id('upload')}.part")  # the request that brought it ends, and removes what it wrote
        await made(partial(upload.rename, own), partial(Path.unlink, missing_ok=True))
        try:
            size_bytes = (await asyncio.to_thread(own.stat)).st_size
            return self._uploads.begin(request, size_bytes, lambda tell: self._take(own, request, tell))
        except BaseException:  # who asked is gone, or others were faster: nobody else knows of the file
            await asyncio.to_thread(own.unlink, missing_ok=True)
            raise

    async def _take(self, upload: Path, request: ProgramRequest, tell: OnProgress) -> tuple[ProgramView, bool]:
        incoming = await self._programs.take(
            upload, request, known=lambda sha256: programs.uploaded_as(self._farm, sha256), on_progress=tell
        )
        size_bytes = incoming.checked.summary.size_bytes if incoming.checked is not None else 0
        tell(Progress(step="saving", done=size_bytes, of=size_bytes))
        async with self._files:
            new = incoming.sha256 not in self._farm.programs
            await self._add(request, incoming)
            farm = self._farm
            return program_view(farm, farm.programs[incoming.sha256]), new

    async def _add(self, request: ProgramRequest, incoming: Incoming) -> None:
        """Make the program known, or keep nothing of it. ConflictError: somebody has removed this file since it was read."""
        if not await asyncio.to_thread(self._programs.library.path(incoming.sha256).is_file):
            raise programs.removed_meanwhile()
        nozzle_mm, way = self._programs.profiles[request.profile].nozzle_mm, self._programs.way
        try:
            await self._engine.ask(
                lambda draft: programs.add(draft, request, incoming, way=way, nozzle_mm=nozzle_mm, now_s=self._wall_s())
            )
        except (ConflictError, StoreFullError):  # of any other error nobody knows whether it was written
            if incoming.sha256 not in self._farm.programs:
                await self._remove_files(incoming.sha256)
            raise

    def uploads(self) -> list[UploadView]:
        """Files on their way into the library and what came of the newest, newest first."""
        return self._uploads.all()

    def upload(self, upload: str) -> UploadView:
        """One of them. NotFoundError."""
        return self._uploads.find(upload)

    @property
    def incoming_folder(self) -> Path:
        """Where uploads are streamed to, on the same file system as the library."""
        return self._programs.library.incoming

    def program_file(self, sha256: str) -> Path:
        """The file of a program. NotFoundError."""
        releases.find_program(self._farm, sha256)
        return self._programs.library.existing(sha256)

    def program_picture(self, sha256: str, name: str) -> Path:
        """Its "preview" or "thumbnail" as PNG. NotFoundError."""
        releases.find_program(self._farm, sha256)
        return self._programs.library.existing_picture(sha256, name)

    async def release_program(self, sha256: str, request: ReleaseRequest) -> ProgramView:
        """A named person answers for what makes it trusted-only. NotFoundError; ConflictError: it needs nobody, or nobody can."""
        await self._engine.ask(lambda draft: releases.release_program(draft, sha256, request, self._wall_s()))
        _log.info("program.released", program=sha256, by=request.by)
        return program_view(self._farm, self._farm.programs[sha256])

    async def withdraw_program(self, sha256: str, request: SignedRequest) -> ProgramView:
        """Nobody answers for it any more. NotFoundError; ConflictError: nobody did."""
        await self._engine.ask(lambda draft: releases.withdraw_program(draft, sha256, request, self._wall_s()))
        _log.info("program.withdrawn", program=sha256, by=request.by)
        return program_view(self._farm, self._farm.programs[sha256])

    async def remove_program(self, sha256: str, request: SignedRequest) -> None:
        """Forget a program that nothing was ever printed of, with its file. NotFoundError; ConflictError: something was."""
        releases.find_program(self._farm, sha256)
        used = await self._store.is_used(sha256)
        profiles = self._programs.profiles.keys()
        async with self._files:
            await self._engine.ask(
                lambda draft: removal.remove_program(draft, sha256, request, self._wall_s(), used_before=used, profiles=profiles)
            )
            _log.info("program.removed", program=sha256, by=request.by)
            await self._remove_files(sha256)

    async def _remove_files(self, sha256: str) -> None:
        try:
            await asyncio.to_thread(self._programs.library.remove, sha256, programs.PICTURES.values())
        except OSError as error:  # the farm knows it no more; the same file uploaded again takes its place
            _log.warning("program.file-left", program=sha256, detail=str(error))

    # --- designs and revisions -------------------------------------------------------------------------------------------------

    def designs(self) -> list[DesignView]:
        """All designs, by name, each with its revisions, newest first."""
        return designs(self._farm)

    def revision(self, revision: str) -> RevisionView:
        """One revision with its programs. NotFoundError."""
        return revision_view(self._farm, revision)

    async def release_revision(self, revision: str, request: SignedRequest) -> RevisionView:
        """A draft may be printed from now on. NotFoundError; ConflictError: it was recalled."""
        await self._engine.ask(lambda draft: releases.release_revision(draft, revision, request, self._wall_s()))
        _log.info("revision.released", revision=revision, by=request.by)
        return self.revision(revision)

    async def recall_revision(self, revision: str, request: SignedRequest) -> RecallView:
        """Start, count and give out nothing more of a revision. NotFoundError."""
        before = self._farm
        await self._engine.ask(lambda draft: removal.recall(draft, revision, request, self._wall_s()))
        _log.warning("revision.recalled", revision=revision, by=request.by)
        return recall_view(before, self._farm, revision)

    # --- requesters ------------------------------------------------------------------------------------------------------------

    def requesters(self) -> list[RequesterView]:
        """All requesters, by name."""
        return requesters.requester_views(self._farm)

    def requester(self, requester: str) -> RequesterView:
        """One requester, by id or name. NotFoundError."""
        return requesters.requester_view(self._farm, requesters.find_requester(self._farm, requester))

    async def add_requester(self, request: RequesterRequest) -> RequesterView:
        """Add a requester. ConflictError: the name is taken."""
        return self.requester(await self._engine.ask(lambda draft: requesters.add(draft, request, self._wall_s())))

    async def change_requester(self, requester: str, request: RequesterChange) -> RequesterView:
        """Another name, or whether it keeps approvals. NotFoundError; ConflictError: the name is taken."""
        return self.requester(await self._engine.ask(lambda draft: requesters.change(draft, requester, request, self._wall_s())))

    async def remove_requester(self, requester: str, by: str) -> None:
        """Forget a requester. NotFoundError; ConflictError: an order of it is open."""
        await self._engine.ask(lambda draft: requesters.remove(draft, requester, by, self._wall_s()))

    async def approve(self, requester: str, request: ApprovalRequest) -> RequesterView:
        """It takes parts of a revision. NotFoundError; ConflictError: the revision was recalled."""
        return self.requester(await self._engine.ask(lambda draft: requesters.approve(draft, requester, request, self._wall_s())))

    async def withdraw_approval(self, requester: str, revision: str, request: SignedRequest) -> RequesterView:
        """It takes no more parts of a revision: its open orders of it wait. NotFoundError."""
        return self.requester(
            await self._engine.ask(lambda draft: requesters.withdraw(draft, requester, revision, request, self._wall_s()))
        )

    # --- the audit -------------------------------------------------------------------------------------------------------------

    async def audit(self, *, subject: str | None = None, limit: int = 200, offset: int = 0) -> list[AuditView]:
        """Who answers for what, newest first; at most 1,000 at once."""
        found = await self._store.audit(subject=subject, limit=max(0, min(limit, _MAX_ENTRIES)), offset=max(0, offset))
        return [audit_view(entry) for entry in found]

    @property
    def _farm(self) -> Farm:
        return self._engine.world.durable

    def _wall_s(self) -> float:
        return self._engine.clock.wall_s()
