"""The part of the small farm in memory that is about programs, revisions, requesters and the audit.

Anything with a G1 in it is G-code here; with an M907 it needs trust, with an M502 it is rejected.
"""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

from farm.control_errors import (
    missing,
    no_approval,
    no_design,
    no_revision,
    no_revision_to_order,
    not_approved,
    other_hash,
    program_used,
    recalled,
    requester_in_use,
    revision_draft,
)
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError, RejectedError
from farm.ids import new_id
from farm.library_views import (
    ApprovalRequest,
    ApprovalView,
    AuditView,
    FindingView,
    HitView,
    ProfileView,
    ProgramDetail,
    ReleaseRequest,
    ReportView,
    RequesterChange,
    RequesterRequest,
    RequesterView,
    RevisionView,
    Sentence,
    SignedRequest,
    profile_views,
)
from farm.request_bodies import OrderRequest, ProgramRequest
from farm.views import DesignView, JobView, OrderView, ProgramView, RevisionState, UploadView
from gcode.profile import bundled_profiles
from gcode.texts import Bilingual
from scheduler.model import Verdict

_Row = TypeVar("_Row")
_PROBLEM_FIELDS = ("code", "detail", "detail_fr", "next_step", "next_step_fr")


def found(rows: dict[str, _Row], key: str, noun: str) -> _Row:
    """The row with this id, or NotFoundError."""
    if key not in rows:
        raise missing(noun, key)
    return rows[key]


def _finding(rule: str, severity: str, content: bytes, word: bytes) -> FindingView:
    line = content[: content.index(word)].count(b"\n") + 1
    return FindingView(
        rule=rule,
        severity=severity,
        explanation=Sentence(en=f"{word.decode()} is used.", fr=f"{word.decode()} est utilisé."),
        fix=Sentence(en="Remove the line.", fr="Retirez la ligne."),
        count=content.count(word),
        hits=[HitView(line=line, offset=content.index(word), text=word.decode(), detail=word.decode())],
    )


def findings_of(content: bytes) -> list[FindingView]:
    """What the checks of this farm find."""
    kinds = (("motor-current", "trust", b"M907"), ("settings", "reject", b"M502"))
    return [_finding(rule, severity, content, word) for rule, severity, word in kinds if word in content]


class MemoryLibrary:
    """What `MemoryControl` answers of its library. `recalled` are revisions, `drafts` too; `pictures` are (program, name)."""

    now: float
    full: bool
    recalled: set[str]
    order_rows: dict[str, OrderView]
    job_rows: dict[str, JobView]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)  # type: ignore[call-arg] # the other halves of `MemoryControl` take it
        self.program_rows: dict[str, ProgramView] = {}
        self.drafts: set[str] = set()
        self.released_by: dict[str, str] = {}
        self.upload_rows: dict[str, UploadView] = {}
        self.requester_rows: dict[str, RequesterView] = {}
        self.audit_rows: list[AuditView] = []
        self._seen = ""
        self._changes = 0
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def touch(self) -> None:
        """Tell everybody who waits for changes."""
        raise NotImplementedError

    def _check_disk(self) -> None:
        raise NotImplementedError

    def _allocate(self) -> None:
        raise NotImplementedError

    def _note(self, who: str, action: str, subject: str, reason: str = "", detail: str = "") -> None:
        entry = AuditView(id=new_id("audit"), at=self.now, who=who, action=action, subject=subject, reason=reason, detail=detail)
        self.audit_rows.insert(0, entry)
        self.touch()

    def library_changes(self) -> int:
        """Another number whenever the library is other than when this was asked last."""
        now = repr((self.program_rows, sorted(self.drafts), sorted(self.recalled), self.requester_rows))
        if now != self._seen:
            self._seen, self._changes = now, self._changes + 1
        return self._changes

    def profiles(self) -> list[ProfileView]:
        """The bundled ones."""
        return profile_views(bundled_profiles().values())

    # --- programs

    def programs(self) -> list[ProgramView]:
        """All programs."""
        return list(self.program_rows.values())

    async def program(self, sha256: str) -> ProgramDetail:
        """One program with its report."""
        row = found(self.program_rows, sha256, "program")
        content = self.program_file_path(sha256).read_bytes()
        others = [key for key in bundled_profiles() if key != row.profile]
        reports = [
            ReportView(profile=key, profile_revision="1", rule_set=1, verdict=row.verdict, findings=findings_of(content))
            for key in (row.profile, *others)
        ]
        return ProgramDetail(
            **row.model_dump(),
            facts={"layers": row.layers, "time_s": row.estimated_s},
            reports=reports,
            has_preview=self._picture_path(sha256, "preview").is_file(),
            has_thumbnail=self._picture_path(sha256, "thumbnail").is_file(),
        )

    async def add_program(self, upload: Path, request: ProgramRequest) -> ProgramView:
        """Take a file over."""
        self._check_disk()
        content = upload.read_bytes()  # noqa: ASYNC240 - small files of tests
        sha256 = hashlib.sha256(content).hexdigest()
        if request.sha256 not in {None, sha256}:
            raise other_hash(sha256, request.sha256)
        if b"G1" not in content:
            raise InvalidError(
                Bilingual("The file is no G-code.", "Le fichier n'est pas du G-code."),
                next_step=Bilingual("Export G-code from a slicer.", "Exportez du G-code depuis un trancheur."),
                code="not-gcode",
            )
        if b"M502" in content:
            findings = [finding.model_dump() for finding in findings_of(content)]
            verdicts = dict.fromkeys(bundled_profiles(), Verdict.REJECT.value)
            first = findings_of(content)[0]
            raise RejectedError(
                Bilingual(
                    f"The file does not pass the checks of profile {request.profile}: {first.explanation.en}",
                    f"Le fichier ne passe pas les vérifications du profil {request.profile} : {first.explanation.fr}",
                ),
                next_step=Bilingual(first.fix.en, first.fix.fr),
                findings=findings,
                verdicts=verdicts,
            )
        upload.rename(self.program_file_path(sha256))  # noqa: ASYNC240
        if sha256 not in self.program_rows:
            self._make(sha256, request, content)
            self._allocate()
        return self.program_rows[sha256]

    def _make(self, sha256: str, request: ProgramRequest, content: bytes) -> None:
        trusted = b"M907" in content
        if all(row.revision != request.revision for row in self.program_rows.values()):
            if request.draft:
                self.drafts.add(request.revision)
            else:
                self.released_by[request.revision] = request.by
        self.program_rows[sha256] = ProgramView(
            sha256=sha256,
            name=request.name,
            design=request.design,
            revision=request.revision,
            profile=request.profile,
            parts=request.parts,
            material=request.material,
            nozzle_mm=0.4,
            size_bytes=len(content),
            estimated_s=3_600.0,
            filament_mm=8_000.0,
            filament_g=24.0,
            layers=100,
            created_at=self.now,
            uploaded_sha256=sha256,
            verdict=Verdict.TRUSTED_ONLY if trusted else Verdict.PASS,
            usable=not trusted,
            profile_revision="1",
            rule_set=1,
            trust=["motor-current"] if trusted else [],
        )

    async def begin_program(self, upload: Path, request: ProgramRequest) -> UploadView:
        """The same; it has ended when this returns."""
        size_bytes = upload.stat().st_size  # noqa: ASYNC240 - small files of tests
        known = set(self.program_rows)
        row = UploadView(
            id=new_id("upload"),
            name=request.name,
            design=request.design,
            revision=request.revision,
            profile=request.profile,
            size_bytes=size_bytes,
            state="waiting",
            begun_at=self.now,
        )
        try:
            view = await self.add_program(upload, request)
            end: dict[str, Any] = {"state": "ready", "program": view.sha256, "new": view.sha256 not in known}
        except FarmError as error:
            problem: dict[str, Any] = {name: getattr(error, name) for name in _PROBLEM_FIELDS}
            if isinstance(error, RejectedError):
                problem |= {"findings": error.findings, "verdicts": error.verdicts}
            end = {"state": "refused", "problem": problem}
        self.upload_rows[row.id] = row.model_copy(update=end)
        self.touch()
        return self.upload_rows[row.id]

    def uploads(self) -> list[UploadView]:
        """What came of uploads, newest first."""
        return list(reversed(self.upload_rows.values()))

    def upload(self, upload: str) -> UploadView:
        """One of them."""
        return found(self.upload_rows, upload, "upload")

    @property
    def incoming_folder(self) -> Path:
        """Where uploads are streamed to."""
        return self._incoming

    def program_file_path(self, sha256: str) -> Path:
        """Where the file of a program is or would be."""
        return self._folder / f"{sha256}.gcode"

    def program_file(self, sha256: str) -> Path:
        """The file of a program."""
        found(self.program_rows, sha256, "program")
        return self.program_file_path(sha256)

    def _picture_path(self, sha256: str, name: str) -> Path:
        return self._folder / f"{sha256}.{name}.png"

    def draw(self, sha256: str, name: str, content: bytes) -> None:
        """Give a program a picture."""
        self._picture_path(sha256, name).write_bytes(content)

    def program_picture(self, sha256: str, name: str) -> Path:
        """A picture that a test has drawn."""
        found(self.program_rows, sha256, "program")
        path = self._picture_path(sha256, name)
        if not path.is_file():
            raise NotFoundError(
                Bilingual(f"There is no {name} of this program.", f"Il n'y a pas d'image de ce programme ({name})."),
                next_step=Bilingual(
                    "Its G-code has none, or is not drawn yet.", "Son G-code n'en a pas, ou elle n'est pas encore dessinée."
                ),
            )
        return path

    async def release_program(self, sha256: str, request: ReleaseRequest) -> ProgramView:
        """Somebody answers for it."""
        self._check_disk()
        row = found(self.program_rows, sha256, "program")
        if row.verdict is Verdict.PASS:
            raise ConflictError(
                Bilingual("The program passes all checks.", "Le programme passe toutes les vérifications."),
                next_step=Bilingual("It needs no release.", "Il n'a pas besoin d'être validé."),
                code="release-not-needed",
            )
        if row.released_by:
            raise ConflictError(
                Bilingual(f"{row.released_by} has released the program.", f"{row.released_by} a validé le programme."),
                next_step=Bilingual("Withdraw that release first.", "Retirez d'abord cette validation."),
                code="released-already",
            )
        release = {"released_by": request.by, "released_at": self.now, "release_reason": request.reason, "usable": True}
        self.program_rows[sha256] = row.model_copy(update=release)
        self._note(request.by, "program.release", sha256, request.reason, " ".join(row.trust))
        self._allocate()
        return self.program_rows[sha256]

    async def withdraw_program(self, sha256: str, request: SignedRequest) -> ProgramView:
        """Nobody answers for it."""
        self._check_disk()
        row = found(self.program_rows, sha256, "program")
        if not row.released_by:
            raise ConflictError(
                Bilingual("Nobody has released the program.", "Personne n'a validé le programme."),
                next_step=Bilingual("There is nothing to withdraw.", "Il n'y a rien à retirer."),
                code="not-released",
            )
        nobody = {"released_by": "", "released_at": None, "release_reason": "", "usable": False}
        self.program_rows[sha256] = row.model_copy(update=nobody)
        self._note(request.by, "program.withdraw", sha256, request.reason)
        self.touch()
        return self.program_rows[sha256]

    async def remove_program(self, sha256: str, request: SignedRequest) -> None:
        """Nothing was printed of it, so it is forgotten."""
        self._check_disk()
        row = found(self.program_rows, sha256, "program")
        if any(job.program == sha256 for job in self.job_rows.values()):
            raise program_used(row.revision)
        del self.program_rows[sha256]
        self.program_file_path(sha256).unlink()
        what = f"{row.name}: {row.parts} x {row.revision} for {row.profile}"
        self._note(request.by, "program.remove", sha256, request.reason, what)

    # --- designs and revisions

    def designs(self) -> list[DesignView]:
        """Designs that have a program, their newest revision first."""
        revisions: dict[str, list[str]] = {}
        for program in reversed(self.program_rows.values()):
            known = revisions.setdefault(program.design, [])
            if program.revision not in known:
                known.append(program.revision)
        return [
            DesignView(
                id=design,
                name=design,
                revisions=known,
                recalled=[key for key in known if key in self.recalled],
                drafts=[key for key in known if key in self.drafts and key not in self.recalled],
            )
            for design, known in revisions.items()
        ]

    def revision(self, revision: str) -> RevisionView:
        """One revision."""
        mine = [row for row in self.program_rows.values() if row.revision == revision]
        if not mine:
            raise no_revision(revision)
        state: RevisionState = "recalled" if revision in self.recalled else "draft" if revision in self.drafts else "released"
        takers = [row.id for row in self.requester_rows.values() if any(item.revision == revision for item in row.approvals)]
        return RevisionView(
            id=revision,
            design=mine[0].design,
            state=state,
            created_at=self.now,
            released_by=self.released_by.get(revision, ""),
            programs=mine,
            approved_by=takers,
        )

    async def release_revision(self, revision: str, request: SignedRequest) -> RevisionView:
        """It is no draft any more."""
        if self.revision(revision).state == "recalled":
            another = Bilingual("Give the new revision another name.", "Donnez un autre nom à la nouvelle révision.")
            raise ConflictError(recalled(revision), next_step=another, code="recalled")
        self._check_disk()
        if revision in self.drafts:
            self.drafts.discard(revision)
            self.released_by[revision] = request.by
            self._note(request.by, "revision.release", revision, request.reason)
        self._allocate()
        return self.revision(revision)

    def meant(self, request: OrderRequest) -> tuple[DesignView, str, RequesterView | None]:
        """What an order means. NotFoundError; ConflictError: recalled, a draft, or not approved."""
        design = next((row for row in self.designs() if request.revision in row.revisions or row.id == request.design), None)
        if design is None:
            if request.revision is not None:
                raise no_revision_to_order(request.revision)
            raise no_design(str(request.design), (row.name for row in self.designs()))
        requester = self.requester(request.requester) if request.requester is not None else None
        revision = request.revision or design.revisions[0]
        if revision in self.recalled:
            newest = Bilingual("Order the newest revision of its design.", "Commandez la révision la plus récente de son modèle.")
            raise ConflictError(recalled(revision), next_step=newest)
        if revision in self.drafts:
            raise revision_draft(revision)
        if requester is not None and requester.approves and all(item.revision != revision for item in requester.approvals):
            raise not_approved(requester.name, (item.revision for item in requester.approvals), revision)
        return design, revision, requester

    # --- requesters

    def requesters(self) -> list[RequesterView]:
        """All, by name."""
        return sorted(self.requester_rows.values(), key=lambda row: row.name)

    def requester(self, requester: str) -> RequesterView:
        """One, by id or name."""
        named = {row.name: row for row in self.requester_rows.values()}
        row = self.requester_rows.get(requester) or found(named, requester, "requester")
        open_orders = sum(1 for order in self.order_rows.values() if order.requester == row.id and order.state == "open")
        return row.model_copy(update={"open_orders": open_orders})

    async def add_requester(self, request: RequesterRequest) -> RequesterView:
        """Add one."""
        self._check_disk()
        if any(row.name == request.name for row in self.requester_rows.values()):
            raise ConflictError(
                Bilingual(f"There is a requester {request.name!r} already.", f"Il y a déjà un demandeur {request.name!r}."),
                next_step=Bilingual("Take another name.", "Prenez un autre nom."),
                code="name-taken",
            )
        row = RequesterView(
            id=new_id("requester"), name=request.name, approves=request.approves, approvals=[], open_orders=0, created_at=self.now
        )
        self.requester_rows[row.id] = row
        self._note(request.by, "requester.add", row.id, detail=row.name)
        return row

    async def change_requester(self, requester: str, request: RequesterChange) -> RequesterView:
        """Change one."""
        self._check_disk()
        row = self.requester(requester)
        wish = request.model_dump(exclude_none=True, exclude={"by"})
        self.requester_rows[row.id] = row.model_copy(update=wish)
        made = self.requester_rows[row.id]
        named = made.name if made.name == row.name else f"{row.name} -> {made.name}"
        words = "keeps approvals" if made.approves else "keeps no approvals"
        self._note(request.by, "requester.change", row.id, detail=f"{named}: {words}")
        return self.requester_rows[row.id]

    async def remove_requester(self, requester: str, by: str) -> None:
        """Forget one."""
        row = self.requester(requester)
        if row.open_orders:
            raise requester_in_use(row.name)
        self._check_disk()
        del self.requester_rows[row.id]
        self._note(by, "requester.remove", row.id)

    async def approve(self, requester: str, request: ApprovalRequest) -> RequesterView:
        """It takes a revision."""
        row = self.requester(requester)
        if self.revision(request.revision).state == "recalled":
            following = Bilingual("Approve the one that follows it.", "Approuvez celle qui la suit.")
            raise ConflictError(recalled(request.revision), next_step=following, code="recalled")
        self._check_disk()
        if all(item.revision != request.revision for item in row.approvals):
            approval = ApprovalView(revision=request.revision, approved_by=request.by, approved_at=self.now, note=request.note)
            self.requester_rows[row.id] = row.model_copy(update={"approvals": [approval, *row.approvals]})
            self._note(request.by, "approval.add", row.id, request.note, request.revision)
        return self.requester_rows[row.id]

    async def withdraw_approval(self, requester: str, revision: str, request: SignedRequest) -> RequesterView:
        """It takes it no more."""
        row = self.requester(requester)
        kept = [item for item in row.approvals if item.revision != revision]
        if len(kept) == len(row.approvals):
            raise no_approval(row.name, revision)
        self._check_disk()
        self.requester_rows[row.id] = row.model_copy(update={"approvals": kept})
        self._note(request.by, "approval.withdraw", row.id, request.reason, revision)
        return self.requester_rows[row.id]

    async def audit(self, *, subject: str | None = None, limit: int = 200, offset: int = 0) -> list[AuditView]:
        """Newest first."""
        rows = [row for row in self.audit_rows if subject in {None, row.subject}]
        return rows[offset : offset + limit]
