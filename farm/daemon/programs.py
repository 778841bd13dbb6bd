"""Programs: an upload is read once for facts and checks, moved into the library, and known by its hash from then on."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.daemon.inspection import InspectionError, inspect_apart
from farm.daemon.orders import find_design
from farm.errors import ConflictError, InvalidError
from farm.ids import new_id
from farm.store.library import Library
from farm.views import ProgramRequest
from gcode.checks import Finding, Inspection
from gcode.profile import PrinterProfile
from scheduler.draft import Draft
from scheduler.model import BuildSpace, Design, Program, Revision

_MAX_FINDINGS: Final = 5


def build_space(profile: PrinterProfile) -> BuildSpace:
    """What a class of printers can reach, the strip for its purge line included."""
    volume, purge = profile.volume, profile.purge
    return BuildSpace(max(volume.max_x, purge.max_x), max(volume.max_y, purge.max_y), volume.max_z)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An upload that was inspected and is in the library."""

    sha256: str
    inspection: Inspection


def _line(finding: Finding) -> int:
    """Where it is found first; 0: it is about the whole file."""
    return finding.hits[0].line if finding.hits else 0


def _described(finding: Finding) -> str:
    where = f" (line {_line(finding)})" if _line(finding) else ""
    return f"{finding.rule.explanation_en}{where}"


def warnings_of(inspection: Inspection) -> str:
    """What the check found and let pass, as `Program.warnings` keeps it."""
    kept = []
    for finding in inspection.reports[0].findings:
        rule, line = finding.rule, _line(finding)
        en, fr = (f" (line {line})", f" (ligne {line})") if line else ("", "")
        kept.append({"code": rule.id, "en": f"{rule.explanation_en}{en}", "fr": f"{rule.explanation_fr}{fr}"})
    return json.dumps(kept, ensure_ascii=False)


def _require_printable(inspection: Inspection) -> None:
    report = inspection.reports[0]
    if report.printable:
        return
    rejecting = [finding for finding in report.findings if finding.severity == "reject"]
    what = "; ".join(_described(finding) for finding in rejecting[:_MAX_FINDINGS])
    raise InvalidError(
        f"The file does not pass the checks of profile {report.profile}: {what}",
        next_step=rejecting[0].rule.fix_en,
        code="gcode-rejected",
    )


def _require_material(profile: PrinterProfile, material: str) -> None:
    if material.strip().casefold() not in {known.casefold() for known in profile.materials}:
        raise InvalidError(
            f"Printers of profile {profile.id} do not print {material.strip() or 'nothing'}.",
            next_step=f"Say one of its materials: {', '.join(profile.materials)}.",
            code="unknown-material",
        )


class Programs:
    """Takes uploads in."""

    def __init__(self, library: Library, profiles: dict[str, PrinterProfile]) -> None:
        self.library = library
        self.profiles = profiles
        self._one_at_a_time = asyncio.Lock()  # an inspection uses a whole core, and a Raspberry Pi has four

    async def take(self, upload: Path, request: ProgramRequest) -> Incoming:
        """Inspect `upload` and move it into the library. It is gone afterwards, also after an error.

        Raises:
            InvalidError: unknown profile, a material that it does not list, not G-code, fails the checks, or not the promised hash.

        """
        try:
            profile = self.profiles.get(request.profile)
            if profile is None:
                raise InvalidError(
                    f"There is no profile {request.profile!r}.", next_step=f"Known profiles: {', '.join(sorted(self.profiles))}."
                )
            _require_material(profile, request.material)
            async with self._one_at_a_time:
                inspection = await inspect_apart(upload, profile)
            _require_printable(inspection)
            return Incoming(await asyncio.to_thread(self.library.take, upload, request.sha256), inspection)
        except InspectionError as error:
            raise InvalidError(
                f"The file could not be read to its end: {error}.", next_step="Check it with your slicer."
            ) from error
        finally:
            await asyncio.to_thread(upload.unlink, missing_ok=True)


def add(draft: Draft, request: ProgramRequest, incoming: Incoming, nozzle_mm: float, now_s: float) -> str:
    """Make the program known, with its design and revision; returns its hash. The same again changes nothing.

    Raises:
        ConflictError: this file is known as something else, or the revision is one of another design.

    """
    known = draft.farm.programs.get(incoming.sha256)
    if known is not None and (known.revision, known.profile, known.parts) == (request.revision, request.profile, request.parts):
        return known.sha256
    if known is not None:
        raise ConflictError(
            f"This file is known already: revision {known.revision}, profile {known.profile}, {known.parts} parts.",
            next_step="Slice it for the other purpose: one file is one program.",
            code="program-known",
        )
    _name_revision(draft, request, now_s)
    facts, box = incoming.inspection.facts, incoming.inspection.facts.extruding
    draft.put(
        Program(
            sha256=incoming.sha256,
            name=request.name,
            revision=request.revision,
            profile=request.profile,
            parts=request.parts,
            material=request.material,
            nozzle_mm=nozzle_mm,
            size_bytes=facts.size_bytes,
            estimated_s=facts.time_s,
            filament_mm=facts.filament_mm,
            filament_g=facts.filament_g,
            layers=facts.layers,
            width_mm=box.max_x if box is not None else 0.0,
            depth_mm=box.max_y if box is not None else 0.0,
            height_mm=box.max_z if box is not None else 0.0,
            created_at_s=now_s,
            warnings=warnings_of(incoming.inspection),
        )
    )
    return incoming.sha256


def _name_revision(draft: Draft, request: ProgramRequest, now_s: float) -> None:
    revision = draft.farm.revisions.get(request.revision)
    design = find_design(draft.farm, request.design)
    if revision is not None:
        if design is None or revision.design != design.id:
            raise ConflictError(
                f"Revision {request.revision} is one of another design.", next_step="Give the revision another name."
            )
        if revision.recalled:
            raise ConflictError(f"Revision {request.revision} was recalled.", next_step="Give the new revision another name.")
        return
    if design is None:
        design = Design(new_id("design"), request.design.strip(), now_s)
        draft.put(design)
    draft.put(Revision(request.revision, design.id, now_s))
