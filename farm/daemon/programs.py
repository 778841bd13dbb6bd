"""Programs: an upload is inspected once, moved into the library as plain G-code, and known by that file's hash from then on."""

import asyncio
import errno
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from farm.daemon import audit
from farm.daemon.found import FoundBefore, way_of_checking
from farm.daemon.inspection import (
    DEFAULT_BOUNDS,
    Bounds,
    Checked,
    InspectionError,
    NoRoomError,
    OnProgress,
    ProfileReport,
    UnreadableError,
    inspect_apart,
)
from farm.daemon.inspector import Kind
from farm.daemon.orders import find_design
from farm.daemon.turns import Turns
from farm.errors import ConflictError, FarmError, InvalidError, RejectedError, StoreFullError
from farm.ids import new_id
from farm.language import system_words
from farm.profiles import unknown_profile, whole_id
from farm.request_bodies import ProgramRequest
from farm.store.library import Library, promised_hash
from gcode.profile import PrinterProfile
from gcode.texts import LANGUAGES, Bilingual
from scheduler.draft import Draft
from scheduler.model import (
    BuildSpace,
    Design,
    Farm,
    Program,
    ProgramFacts,
    ProgramReport,
    Revision,
    Verdict,
    report_key,
)

_MAX_FINDINGS: Final = 5
_NOZZLES_MM: Final = (0.05, 5.0)  # what a file may claim, as the messages of nodes have it
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENSITY_G_CM3: Final = {"PLA": 1.24, "PETG": 1.27, "ABS": 1.04, "ASA": 1.07, "TPU": 1.21, "PC": 1.20, "PA": 1.14, "PP": 0.90}
_PUT_BACK: Final = Bilingual("Put it back into profiles_folder.", "Remettez-le dans profiles_folder.")
PICTURES: Final = {Kind.PREVIEW: "preview", Kind.THUMBNAIL: "thumbnail"}


def build_space(profile: PrinterProfile) -> BuildSpace:
    """What a class of printers can reach, the strip for its purge line included."""
    volume, purge = profile.volume, profile.purge
    return BuildSpace(max(volume.max_x, purge.max_x), max(volume.max_y, purge.max_y), volume.max_z)


def density_g_cm3(material: str) -> float:
    """How heavy a material is; unknown ones count as PLA. Usual figures of data sheets."""
    return _DENSITY_G_CM3.get(material.strip().upper(), _DENSITY_G_CM3["PLA"])


@dataclass(frozen=True, slots=True)
class Incoming:
    """An upload that is in the library. `checked` is None for a program that the farm has already."""

    sha256: str
    uploaded_sha256: str
    checked: Checked | None

    @property
    def own_report(self) -> ProfileReport:
        """The report for the profile that it is for."""
        assert self.checked is not None
        return self.checked.reports[0]


def _line(finding: Mapping[str, Any]) -> int:
    """Where it is found first; 0: it is about the whole file."""
    hits = finding.get("hits") or [{}]
    return int(hits[0].get("line", 0))


def _described(finding: Mapping[str, Any], spoken: str) -> str:
    line = Bilingual("line", "ligne").spoken(spoken)
    where = f" ({line} {_line(finding)})" if _line(finding) else ""
    return f"{finding['explanation'][spoken]}{where}"


def warnings_of(report: ProfileReport) -> str:
    """What the check found and let pass, as `Program.warnings` keeps it."""
    kept = []
    for finding in report.findings:
        line = _line(finding)
        en, fr = (f" (line {line})", f" (ligne {line})") if line else ("", "")
        said = finding["explanation"]
        kept.append({"code": finding["rule"], "en": f"{said['en']}{en}", "fr": f"{said['fr']}{fr}"})
    return json.dumps(kept, ensure_ascii=False)


def _require_printable(reports: Sequence[ProfileReport]) -> None:
    """Raise RejectedError when the first, which is that of its own profile, says so."""
    report = reports[0]
    if report.verdict is not Verdict.REJECT:
        return
    rejecting = [finding for finding in report.findings if finding["severity"] == "reject"]
    what, what_fr = ("; ".join(_described(finding, spoken) for finding in rejecting[:_MAX_FINDINGS]) for spoken in LANGUAGES)
    fix = rejecting[0]["fix"]
    raise RejectedError(
        Bilingual(
            f"The file does not pass the checks of profile {report.profile}: {what}",
            f"Le fichier ne passe pas les vérifications du profil {report.profile} : {what_fr}",
        ),
        next_step=Bilingual(fix["en"], fix["fr"]),
        findings=report.findings,
        verdicts={other.profile: other.verdict.value for other in reports},
    )


def _require_material(profile: PrinterProfile, material: str) -> None:
    if material.strip().casefold() not in {known.casefold() for known in profile.materials}:
        raise InvalidError(
            Bilingual(
                f"Printers of profile {profile.id} do not print {material.strip() or 'nothing'}.",
                f"Les imprimantes du profil {profile.id} n'impriment pas {material.strip() or 'rien'}.",
            ),
            next_step=Bilingual(
                f"Say one of its materials: {', '.join(profile.materials)}.",
                f"Indiquez l'une de ses matières : {', '.join(profile.materials)}.",
            ),
            code="unknown-material",
        )


def _ignore(_progress: object) -> None:
    """Nobody watches."""


class Programs:
    """Takes uploads in, and looks at what is in the library again."""

    def __init__(self, library: Library, profiles: dict[str, PrinterProfile], *, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self.library = library
        self.profiles = profiles
        self.way = way_of_checking(profiles.values())
        self.found = FoundBefore(library.checked)
        self.bounds = bounds
        self._turns = Turns()

    def spelled_out(self, request: ProgramRequest) -> ProgramRequest:
        """The same with the whole id of its profile, of which the end is enough when it is bundled; an unknown one stays."""
        whole = whole_id(request.profile, self.profiles)
        return request if whole is None else request.model_copy(update={"profile": whole})

    async def take(
        self,
        upload: Path,
        request: ProgramRequest,
        *,
        known: Callable[[str], Program | None] = lambda _sha256: None,
        on_progress: OnProgress = _ignore,
    ) -> Incoming:
        """Inspect `upload` and move it into the library. It is gone afterwards, also after an error.

        `known` says which program came from an upload with this hash: such a one is not inspected again, unless its file is lost.

        Raises:
            RejectedError: it fails the checks of its profile.
            InvalidError: unknown profile, a material that it does not list, not a program, or not the promised hash.
            StoreFullError: no room for it.
            FarmError: this machine could not read or keep it.

        """
        try:
            profile = self.profiles.get(request.profile)
            if profile is None:
                raise unknown_profile(InvalidError, request.profile, self.profiles)
            _require_material(profile, request.material)
            uploaded = await asyncio.to_thread(promised_hash, upload, request.sha256)
            program = known(uploaded)
            if program is not None and await asyncio.to_thread(self.library.path(program.sha256).is_file):
                return Incoming(program.sha256, uploaded, None)
            async with self._turns.of_a_person():
                checked = await self._checked(upload, profile, request.material, uploaded, on_progress=on_progress)
            return Incoming(checked.sha256, uploaded, checked)
        except OSError as error:  # the disk, or no process more: who sent the file must hear of it
            raise _store_full() if error.errno in _FULL else _machine_trouble(error) from error
        finally:
            await asyncio.to_thread(upload.unlink, missing_ok=True)

    async def _checked(
        self, upload: Path, profile: PrinterProfile, material: str, uploaded: str, *, on_progress: OnProgress
    ) -> Checked:
        purpose = _purpose(profile.id, material)
        before = await asyncio.to_thread(self.found.get, uploaded, purpose, self.way)
        if before is not None:
            _require_printable(before.reports)
            if await asyncio.to_thread(self.library.path(before.sha256).is_file):
                return before
        plain = upload.with_name(f"{upload.name}.plain")
        try:
            checked, pictures = await self._inspect(upload, plain, profile, material, on_progress=on_progress)
            await asyncio.to_thread(self.found.put, uploaded, purpose, self.way, checked)
            _require_printable(checked.reports)
            await asyncio.to_thread(self._keep, plain, checked.sha256, pictures)
        finally:
            await asyncio.to_thread(plain.unlink, missing_ok=True)
        return checked

    async def _inspect(
        self,
        source: Path,
        plain: Path,
        profile: PrinterProfile,
        material: str,
        *,
        on_progress: OnProgress,
        niceness: int | None = None,
    ) -> tuple[Checked, Mapping[Kind, bytes]]:
        others = [other for key, other in sorted(self.profiles.items()) if key != profile.id]
        bounds = self.bounds if niceness is None else replace(self.bounds, niceness=niceness)
        try:
            found = await inspect_apart(
                source, plain, [profile, *others], density_g_cm3=density_g_cm3(material), bounds=bounds, on_progress=on_progress
            )
        except UnreadableError as error:
            said = error.problem
            detail, next_step = Bilingual(said.detail, said.detail_fr), Bilingual(said.next_step, said.next_step_fr)
            raise InvalidError(detail, next_step=next_step, code="not-gcode") from error
        except NoRoomError as error:
            raise _store_full() from error
        except InspectionError as error:
            raise InvalidError(
                Bilingual(
                    f"The file could not be read to its end: {error}.",
                    "Le fichier n'a pas pu être lu jusqu'au bout : "
                    "il demande trop de temps ou de mémoire, ou sa lecture s'est arrêtée.",
                ),
                next_step=Bilingual("Check it with your slicer.", "Vérifiez-le avec votre trancheur."),
                code="unreadable",
            ) from error
        assert found.checked is not None
        return found.checked, found.pictures

    def _keep(self, plain: Path, sha256: str, pictures: Mapping[Kind, bytes]) -> None:
        """The program comes last: what is half done when the power fails is a picture that nobody asks for."""
        try:
            self._keep_pictures(sha256, pictures)
            self.library.take(plain, sha256)
        except OSError as error:
            if error.errno in _FULL:
                raise _store_full() from error
            raise

    def _keep_pictures(self, sha256: str, pictures: Mapping[Kind, bytes]) -> None:
        for kind, content in pictures.items():
            self.library.keep_picture(sha256, PICTURES[kind], content)

    async def look_again(self, program: Program, *, niceness: int) -> Checked:
        """Inspect a program that is in the library, when no person waits; its file stays as it is.

        Raises:
            InvalidError: it cannot be read any more, or nobody knows its profile: that of another says nothing about it.
            NotFoundError: the library has lost it.
            StoreFullError: no room to read it.

        """
        profile = self.profiles.get(program.profile)
        if profile is None:
            raise unknown_profile(InvalidError, program.profile, self.profiles, more=_PUT_BACK)
        profile = replace(profile, house_blocks=False)  # judged as it lies there, which is how it is printed
        checked, pictures = await self._turns.in_background(lambda: self._read_again(program, profile, niceness))
        with suppress(OSError):  # the disk is full: the pictures of before stay, and the verdict counts
            await asyncio.to_thread(self._keep_pictures, program.sha256, pictures)
        return checked

    async def _read_again(self, program: Program, profile: PrinterProfile, niceness: int) -> tuple[Checked, Mapping[Kind, bytes]]:
        path = await asyncio.to_thread(self.library.existing, program.sha256)
        plain = self.library.incoming / f"again-{program.sha256}.plain"
        try:
            return await self._inspect(path, plain, profile, program.material, on_progress=_ignore, niceness=niceness)
        finally:
            await asyncio.to_thread(plain.unlink, missing_ok=True)


def _machine_trouble(error: OSError) -> FarmError:
    why = system_words(error)
    return FarmError(
        Bilingual(
            f"The farm could not read or keep the file: {why.en}.", f"La ferme n'a pas pu lire ou garder le fichier : {why.fr}."
        ),
        next_step=Bilingual(
            "Look at disk and memory of the daemon's computer, then send the file again.",
            "Regardez le disque et la mémoire de l'ordinateur de la ferme, puis envoyez de nouveau le fichier.",
        ),
        code="upload-failed",
    )


def _store_full() -> StoreFullError:
    return StoreFullError(
        Bilingual("The disk of the farm is full.", "Le disque de la ferme est plein."),
        next_step=Bilingual(
            "Make room on it; nothing was kept of this upload.", "Libérez de la place ; rien n'a été gardé de cet envoi."
        ),
    )


def _purpose(profile: str, material: str) -> str:
    """What else an inspection depends on: the profile gives limits of motion, the material grams."""
    return f"{profile} {density_g_cm3(material):g}"


def uploaded_as(farm: Farm, uploaded_sha256: str) -> Program | None:
    """The program that came from an upload with this hash, or is that file itself."""
    if uploaded_sha256 in farm.programs:
        return farm.programs[uploaded_sha256]
    return next((item for item in farm.programs.values() if item.uploaded_sha256 == uploaded_sha256), None)


def removed_meanwhile() -> ConflictError:
    """Somebody removed the program while its file came again."""
    return ConflictError(
        Bilingual("This program was removed in the meantime.", "Ce programme a été retiré entre-temps."),
        next_step=Bilingual("Upload it again.", "Envoyez-le de nouveau."),
        code="program-removed",
    )


def add(draft: Draft, request: ProgramRequest, incoming: Incoming, *, way: str, nozzle_mm: float, now_s: float) -> str:
    """Make the program known, with its design and revision; returns its hash. The same again changes nothing.

    Raises:
        ConflictError: this file is known as something else or was removed while it came, the revision is one of another design or
            was recalled, or a draft was asked for of one that is released.

    """
    known = draft.farm.programs.get(incoming.sha256)
    if known is not None:
        _require_same(draft.farm, known, request)
        return known.sha256
    if incoming.checked is None:
        raise removed_meanwhile()
    joins = request.revision in draft.farm.revisions  # otherwise the release of that is what is recorded
    _name_revision(draft, request, now_s)
    if joins:
        audit.note(draft, request.by, "program.add", incoming.sha256, now_s, detail=f"{request.revision} for {request.profile}")
    made = Program(
        sha256=incoming.sha256,
        name=request.name,
        revision=request.revision,
        profile=request.profile,
        parts=request.parts,
        material=request.material,
        nozzle_mm=nozzle_mm,
        created_at_s=now_s,
        uploaded_sha256=incoming.uploaded_sha256,
        **incoming.checked.summary_fields(),
    )
    draft.put(judged(made, incoming.checked, way))
    remember_findings(draft, incoming.sha256, incoming.checked)
    return incoming.sha256


def _require_same(farm: Farm, known: Program, request: ProgramRequest) -> None:
    """Raise ConflictError when the upload of a known file says that it is something else."""
    revision, design = farm.revisions.get(known.revision), find_design(farm, request.design)
    parts = _number_of_parts(known.parts)
    if (known.revision, known.profile, known.parts) != (request.revision, request.profile, request.parts):
        raise ConflictError(
            Bilingual(
                f"This file is known already: revision {known.revision}, profile {known.profile}, {parts.en}.",
                f"Ce fichier est déjà connu : révision {known.revision}, profil {known.profile}, {parts.fr}.",
            ),
            next_step=Bilingual(
                f"If that is wrong, remove it and upload it again: farm program remove {known.sha256[:12]}. "
                "If both are wanted, slice it for the other purpose: one file is one program.",
                f"Si c'est faux, retirez-le et envoyez-le de nouveau : farm program remove {known.sha256[:12]}. "
                "Si les deux sont voulus, tranchez-le pour l'autre usage : un fichier est un programme.",
            ),
            code="program-known",
        )
    if revision is not None and (design is None or revision.design != design.id):
        raise _of_another_design(request.revision)


def _of_another_design(revision: str) -> ConflictError:
    return ConflictError(
        Bilingual(f"Revision {revision} is one of another design.", f"La révision {revision} est celle d'un autre modèle."),
        next_step=Bilingual("Give the revision another name.", "Donnez un autre nom à la révision."),
    )


def _number_of_parts(parts: int) -> Bilingual:
    return Bilingual("1 part", "1 pièce") if parts == 1 else Bilingual(f"{parts} parts", f"{parts} pièces")


def judged(program: Program, checked: Checked, way: str) -> Program:
    """The program with the figures and the verdict of an inspection."""
    own = checked.reports[0]
    return replace(
        program,
        **checked.summary_fields(),
        nozzle_mm=_nozzle_mm(checked) or program.nozzle_mm,
        warnings=warnings_of(own),
        verdict=own.verdict,
        checked=way,
        profile_revision=own.profile_revision,
        rule_set=own.rule_set,
        trust=own.trust,
    )


def _nozzle_mm(checked: Checked) -> float | None:
    """The nozzle that the file was sliced for, by its own word; a printer with another one does not get it."""
    claimed_mm = checked.facts.get("claimed_nozzle_mm")
    if not isinstance(claimed_mm, int | float) or not _NOZZLES_MM[0] <= claimed_mm <= _NOZZLES_MM[1]:
        return None
    return float(claimed_mm)


def remember_findings(draft: Draft, sha256: str, checked: Checked) -> None:
    """Store facts and reports of a program; those of an earlier inspection are replaced."""
    draft.put(ProgramFacts(sha256, json.dumps(checked.facts, ensure_ascii=False)))
    for report in checked.reports:
        draft.put(
            ProgramReport(
                id=report_key(sha256, report.profile),
                program=sha256,
                profile=report.profile,
                profile_revision=report.profile_revision,
                rule_set=report.rule_set,
                verdict=report.verdict,
                report=json.dumps(report.findings, ensure_ascii=False),
            )
        )


def _name_revision(draft: Draft, request: ProgramRequest, now_s: float) -> None:
    revision = draft.farm.revisions.get(request.revision)
    design = find_design(draft.farm, request.design)
    if revision is not None:
        if design is None or revision.design != design.id:
            raise _of_another_design(request.revision)
        if revision.recalled:
            raise ConflictError(
                Bilingual(f"Revision {request.revision} was recalled.", f"La révision {request.revision} a été rappelée."),
                next_step=Bilingual("Give the new revision another name.", "Donnez un autre nom à la nouvelle révision."),
            )
        if request.draft and not revision.draft:
            raise ConflictError(
                Bilingual(
                    f"Revision {request.revision} is released: what is added to it is printed at once.",
                    f"La révision {request.revision} est validée : ce qui y est ajouté est imprimé aussitôt.",
                ),
                next_step=Bilingual(
                    "Give the draft a revision of its own, or leave --draft away.",
                    "Donnez au brouillon une révision à lui, ou enlevez --draft.",
                ),
                code="released-already",
            )
        return
    if design is None:
        design = Design(new_id("design"), request.design.strip(), now_s)
        draft.put(design)
    if request.draft:
        draft.put(Revision(request.revision, design.id, now_s, draft=True))
        return
    draft.put(Revision(request.revision, design.id, now_s, released_by=request.by, released_at_s=now_s))
    audit.note(draft, request.by, "revision.release", request.revision, now_s, reason="uploaded")
