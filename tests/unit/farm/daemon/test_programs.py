"""Uploads: read once in a process of their own, checked, moved into the library, known by hash."""

from dataclasses import replace
from pathlib import Path

import pytest

from farm.daemon.inspection import InspectionError
from farm.daemon.presenter import program_view
from farm.daemon.programs import Incoming, Programs, add, build_space
from farm.errors import ConflictError, InvalidError
from farm.store.library import Library, sha256_of
from farm.views import ProgramRequest
from gcode.checks import Finding, Hit, inspect
from gcode.profile import bundled_profiles
from gcode.rules import Rule, Severity
from scheduler.draft import Draft
from scheduler.model import Design, Farm, Revision
from tests.integration.small_program import small_program

PROFILES = bundled_profiles()
REQUEST = ProgramRequest(design="square", revision="square-1", profile="generic-210", parts=2, name="square.gcode")


@pytest.fixture
def taken_in(tmp_path: Path) -> Programs:
    library = Library(tmp_path / "programs")
    library.open()
    return Programs(library, PROFILES)


def upload(taken_in: Programs, content: bytes) -> Path:
    path = taken_in.library.incoming / "upload"
    path.write_bytes(content)
    return path


async def test_a_good_file_is_inspected_and_moved(taken_in: Programs) -> None:
    path = upload(taken_in, small_program())
    incoming = await taken_in.take(path, REQUEST)
    assert not path.exists()
    assert sha256_of(taken_in.library.existing(incoming.sha256)) == incoming.sha256
    assert incoming.inspection.facts.size_bytes == len(small_program())


async def test_a_rejected_file_names_the_rule_and_leaves_nothing(taken_in: Programs) -> None:
    path = upload(taken_in, b"G28\nM104 S900\nG1 X1000 Y10 E5\n")
    with pytest.raises(InvalidError) as refused:
        await taken_in.take(path, REQUEST)
    assert refused.value.code == "gcode-rejected"
    assert refused.value.next_step
    assert list(taken_in.library.incoming.iterdir()) == []


async def test_a_file_that_kills_its_reader_is_refused(taken_in: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(*_: object) -> None:
        raise InspectionError("the process ended with code -9")

    monkeypatch.setattr("farm.daemon.programs.inspect_apart", die)
    path = upload(taken_in, small_program())
    with pytest.raises(InvalidError, match="-9"):
        await taken_in.take(path, REQUEST)
    assert not path.exists()


async def test_a_damaged_transfer_is_refused(taken_in: Programs) -> None:
    path = upload(taken_in, small_program())
    with pytest.raises(InvalidError, match="promised"):
        await taken_in.take(path, REQUEST.model_copy(update={"sha256": "0" * 64}))
    assert not path.exists()


async def test_an_unknown_profile_is_refused_with_the_known_ones(taken_in: Programs) -> None:
    path = upload(taken_in, small_program())
    with pytest.raises(InvalidError) as refused:
        await taken_in.take(path, REQUEST.model_copy(update={"profile": "mk9"}))
    assert "generic-210" in refused.value.next_step
    assert not path.exists()


def test_the_bed_reaches_as_far_as_its_purge_strip() -> None:
    profile = PROFILES["generic-210"]
    assert build_space(profile).width_mm == max(profile.volume.max_x, profile.purge.max_x)
    assert build_space(profile).height_mm == profile.volume.max_z


@pytest.mark.parametrize("material", ["Nutella", "", "PLA+"])
async def test_a_material_that_the_profile_does_not_list_is_refused(taken_in: Programs, material: str) -> None:
    path = upload(taken_in, small_program())
    with pytest.raises(InvalidError) as refused:
        await taken_in.take(path, REQUEST.model_copy(update={"material": material}))
    assert refused.value.code == "unknown-material"
    assert "PLA, PETG" in refused.value.next_step
    assert not path.exists()


async def test_the_case_of_a_material_does_not_matter(taken_in: Programs) -> None:
    path = upload(taken_in, small_program())
    await taken_in.take(path, REQUEST.model_copy(update={"material": " petg"}))
    assert not path.exists()


# --- making it known --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def incoming(tmp_path: Path) -> Incoming:
    path = tmp_path / "square.gcode"
    path.write_bytes(small_program())
    with path.open("rb") as stream:
        return Incoming("c" * 64, inspect(stream, (PROFILES["generic-210"],)))


def empty() -> Draft:
    return Draft(Farm(generation=1, uptime_s=0.0))


def test_design_and_revision_are_made_when_a_program_names_them(incoming: Incoming) -> None:
    draft = empty()
    add(draft, REQUEST, incoming, 0.4, 5.0)
    (design,) = draft.farm.designs.values()
    assert design.name == "square"
    assert draft.farm.revisions["square-1"].design == design.id
    made = draft.farm.programs["c" * 64]
    assert (made.revision, made.profile, made.parts, made.nozzle_mm, made.name) == (
        "square-1",
        "generic-210",
        2,
        0.4,
        "square.gcode",
    )
    facts = incoming.inspection.facts
    assert facts.extruding is not None
    assert (made.estimated_s, made.filament_mm, made.width_mm) == (facts.time_s, facts.filament_mm, facts.extruding.max_x)


def test_the_same_again_changes_nothing(incoming: Incoming) -> None:
    first = empty()
    add(first, REQUEST, incoming, 0.4, 5.0)
    second = Draft(first.farm)
    assert add(second, REQUEST, incoming, 0.4, 9.0) == "c" * 64
    assert second.changes == []


@pytest.mark.parametrize("other", [{"revision": "square-2"}, {"parts": 9}, {"profile": "generic-300"}])
def test_one_file_is_one_program(incoming: Incoming, other: dict[str, object]) -> None:
    draft = empty()
    add(draft, REQUEST, incoming, 0.4, 5.0)
    with pytest.raises(ConflictError) as refused:
        add(draft, REQUEST.model_copy(update=other), incoming, 0.4, 5.0)
    assert refused.value.code == "program-known"


def test_a_second_variant_joins_the_same_design(incoming: Incoming) -> None:
    draft = empty()
    add(draft, REQUEST, incoming, 0.4, 5.0)
    add(draft, REQUEST.model_copy(update={"design": " SQUARE "}), Incoming("d" * 64, incoming.inspection), 0.4, 6.0)
    assert len(draft.farm.designs) == len(draft.farm.revisions) == 1
    assert len(draft.farm.programs) == 2


@pytest.mark.parametrize("revision", [Revision("square-1", "other", 0.0), Revision("square-1", "d1", 0.0, recalled=True)])
def test_a_revision_of_another_design_or_a_recalled_one_takes_no_program(incoming: Incoming, revision: Revision) -> None:
    draft = empty()
    draft.put(Design("d1", "square", 0.0))
    draft.put(revision)
    with pytest.raises(ConflictError):
        add(draft, REQUEST, incoming, 0.4, 5.0)
    assert draft.farm.programs == {}


def test_what_the_check_lets_pass_is_kept_in_both_languages_with_its_line(incoming: Incoming) -> None:
    rule = Rule("odd-thing", Severity.WARN, "It is odd.", "C'est bizarre.", "Fix it.", "Corrigez.")
    findings = (Finding(rule, 2, (Hit(7, 90, "M1", "odd"),)), Finding(replace(rule, id="whole"), 1, (Hit(0, 0, "", "odd"),)))
    report = replace(incoming.inspection.reports[0], findings=findings)
    draft = empty()
    add(draft, REQUEST, replace(incoming, inspection=replace(incoming.inspection, reports=(report,))), 0.4, 5.0)
    view = program_view(draft.farm, draft.farm.programs["c" * 64])
    assert [(note.code, note.en, note.fr) for note in view.warnings] == [
        ("odd-thing", "It is odd. (line 7)", "C'est bizarre. (ligne 7)"),
        ("whole", "It is odd.", "C'est bizarre."),
    ]
