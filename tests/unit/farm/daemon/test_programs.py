"""Uploads: inspected once in a process of their own, kept as plain G-code, known by hash."""

import asyncio
import errno
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.daemon import programs
from farm.daemon.inspection import Checked, Found, InspectionError, NoRoomError, Problem, UnreadableError
from farm.daemon.inspector import Kind
from farm.daemon.presenter import program_view
from farm.daemon.programs import Incoming, Programs, add, build_space, density_g_cm3, uploaded_as
from farm.errors import ConflictError, InvalidError, NotFoundError, RejectedError, StoreFullError
from farm.request_bodies import ProgramRequest
from farm.store.library import Library, sha256_of
from gcode.profile import PrinterProfile, bundled_profiles
from scheduler.draft import Draft
from scheduler.model import Design, Farm, Program, ProgramFacts, ProgramReport, Revision, Verdict
from tests.integration.small_program import small_program
from tests.unit.farm.daemon.checked import TRUST, checked, finding, report

PROFILES = bundled_profiles()
REQUEST = ProgramRequest(design="square", revision="square-1", profile="generic-210", parts=2, name="square.gcode", by="Eve")
WAY = "2-abc"


@pytest.fixture
def taken_in(tmp_path: Path) -> Programs:
    return opened(tmp_path)


def opened(folder: Path) -> Programs:
    library = Library(folder / "programs")
    library.open()
    return Programs(library, PROFILES)


def upload(taken_in: Programs, content: bytes) -> Path:
    path = taken_in.library.incoming / "upload"
    path.write_bytes(content)
    return path


class Reader:
    """Takes the place of the process: answers what the test says, and counts."""

    def __init__(self, answer: Checked | Exception, pictures: dict[Kind, bytes] | None = None) -> None:
        self.answer, self.pictures = answer, pictures or {}
        self.asked: list[tuple[str, float]] = []
        self.running = self.most = 0
        self.house_blocks = False

    async def __call__(
        self, source: Path, plain: Path, profiles: Sequence[PrinterProfile], *, density_g_cm3: float, **_: Any
    ) -> Found:
        self.asked.append((profiles[0].id, density_g_cm3))
        self.house_blocks = profiles[0].house_blocks
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        plain.write_bytes(source.read_bytes())
        if isinstance(self.answer, Exception):
            raise self.answer
        return Found(self.answer.model_copy(update={"sha256": sha256_of(plain)}), self.pictures)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = Reader(checked(), {Kind.PREVIEW: b"preview", Kind.THUMBNAIL: b"thumbnail"})
    monkeypatch.setattr(programs, "inspect_apart", made)
    return made


def nothing_left(taken_in: Programs) -> bool:
    return list(taken_in.library.incoming.iterdir()) == []


async def test_a_packed_file_is_kept_plain_and_known_by_both_hashes(taken_in: Programs) -> None:
    packed = gzip.compress(small_program())
    path = upload(taken_in, packed)
    uploaded = sha256_of(path)
    incoming = await taken_in.take(path, REQUEST)
    assert taken_in.library.existing(incoming.sha256).read_bytes() == small_program()
    assert sha256_of(taken_in.library.existing(incoming.sha256)) == incoming.sha256
    assert incoming.uploaded_sha256 == uploaded != incoming.sha256
    assert incoming.checked is not None
    assert incoming.checked.reports[0].profile == "generic-210"
    assert {found.profile for found in incoming.checked.reports} == set(PROFILES)
    assert nothing_left(taken_in)


async def test_pictures_lie_beside_the_program(taken_in: Programs, reader: Reader) -> None:
    incoming = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert taken_in.library.existing_picture(incoming.sha256, "preview").read_bytes() == b"preview"
    assert taken_in.library.existing_picture(incoming.sha256, "thumbnail").read_bytes() == b"thumbnail"


async def test_the_material_says_how_heavy_a_file_is(taken_in: Programs, reader: Reader) -> None:
    await taken_in.take(upload(taken_in, b"x"), REQUEST.model_copy(update={"material": "petg"}))
    assert reader.asked == [("generic-210", 1.27)]
    assert density_g_cm3("nobody knows") == density_g_cm3("PLA") == 1.24


async def test_a_rejected_file_says_everything_and_leaves_nothing(taken_in: Programs) -> None:
    path = upload(taken_in, b"G28\nM104 S900\nG1 X1000 Y10 E5\n")
    with pytest.raises(RejectedError) as refused:
        await taken_in.take(path, REQUEST)
    assert refused.value.code == "gcode-rejected"
    assert refused.value.next_step
    assert refused.value.verdicts == dict.fromkeys(PROFILES, "reject")
    rejecting = [found for found in refused.value.findings if found["severity"] == "reject"]
    assert {found["hits"][0]["line"] for found in rejecting if found["hits"]} >= {2}
    assert nothing_left(taken_in)
    assert list(taken_in.library.incoming.parent.rglob("*.gcode")) == []


async def test_a_file_that_is_no_program_is_refused_with_its_reason(taken_in: Programs, reader: Reader) -> None:
    texts = {"detail": "A picture.", "detail_fr": "Une image.", "next_step": "Slice.", "next_step_fr": "Tranchez."}
    reader.answer = UnreadableError(Problem(code="picture", **texts))
    with pytest.raises(InvalidError, match="A picture") as refused:
        await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert refused.value.code == "not-gcode"
    assert nothing_left(taken_in)


async def test_a_file_that_kills_its_reader_is_refused(taken_in: Programs, reader: Reader) -> None:
    reader.answer = InspectionError("the process ended with code -9")
    with pytest.raises(InvalidError, match="-9"):
        await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert nothing_left(taken_in)


async def test_a_full_disk_is_told_as_one(taken_in: Programs, reader: Reader) -> None:
    reader.answer = NoRoomError("the disk is full")
    with pytest.raises(StoreFullError):
        await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert nothing_left(taken_in)


async def test_a_damaged_transfer_is_refused_before_it_is_read(taken_in: Programs, reader: Reader) -> None:
    path = upload(taken_in, b"x")
    with pytest.raises(InvalidError, match="promised") as refused:
        await taken_in.take(path, REQUEST.model_copy(update={"sha256": "0" * 64}))
    assert refused.value.code == "hash-mismatch"
    assert reader.asked == []
    assert nothing_left(taken_in)


async def test_an_unknown_profile_is_refused_with_the_known_ones(taken_in: Programs) -> None:
    with pytest.raises(InvalidError) as refused:
        await taken_in.take(upload(taken_in, b"x"), REQUEST.model_copy(update={"profile": "mk9"}))
    assert refused.value.code == "unknown-profile"
    assert "generic-210" in refused.value.next_step
    assert nothing_left(taken_in)


def test_the_bed_reaches_as_far_as_its_purge_strip() -> None:
    profile = PROFILES["generic-210"]
    assert build_space(profile).width_mm == max(profile.volume.max_x, profile.purge.max_x)
    assert build_space(profile).height_mm == profile.volume.max_z


@pytest.mark.parametrize("material", ["Nutella", "", "PLA+"])
async def test_a_material_that_the_profile_does_not_list_is_refused(taken_in: Programs, material: str) -> None:
    path = upload(taken_in, b"x")
    with pytest.raises(InvalidError) as refused:
        await taken_in.take(path, REQUEST.model_copy(update={"material": material}))
    assert refused.value.code == "unknown-material"
    assert "PLA, PETG" in refused.value.next_step
    assert not path.exists()


# --- not twice --------------------------------------------------------------------------------------------------------------------


async def test_the_same_bytes_are_inspected_once_also_after_a_restart(taken_in: Programs, reader: Reader, tmp_path: Path) -> None:
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    again = opened(tmp_path)
    assert await again.take(upload(again, b"x"), REQUEST) == first
    assert len(reader.asked) == 1


async def test_another_purpose_or_another_way_of_checking_is_another_inspection(taken_in: Programs, reader: Reader) -> None:
    await taken_in.take(upload(taken_in, b"x"), REQUEST)
    await taken_in.take(upload(taken_in, b"x"), REQUEST.model_copy(update={"profile": "prusa-mk3s"}))
    taken_in.way = "9-other"
    await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert [profile for profile, _ in reader.asked] == ["generic-210", "prusa-mk3s", "generic-210"]


async def test_what_was_rejected_once_is_rejected_again_at_once(taken_in: Programs, reader: Reader) -> None:
    reader.answer = checked(Verdict.REJECT)
    for _ in range(2):
        with pytest.raises(RejectedError):
            await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert len(reader.asked) == 1
    assert nothing_left(taken_in)


async def test_a_file_that_the_library_has_lost_is_inspected_again(taken_in: Programs, reader: Reader) -> None:
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    taken_in.library.path(first.sha256).unlink()
    await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert len(reader.asked) == 2
    assert taken_in.library.existing(first.sha256).read_bytes() == b"x"


async def test_a_program_that_the_farm_has_is_not_read_at_all(taken_in: Programs, reader: Reader) -> None:
    known = {"hash": program()}
    path = taken_in.library.path("c" * 64)
    path.parent.mkdir()
    path.write_bytes(b"x")
    incoming = await taken_in.take(upload(taken_in, b"x"), REQUEST, known=lambda _sha256: known["hash"])
    assert incoming.sha256 == "c" * 64
    assert incoming.checked is None
    assert reader.asked == []
    assert nothing_left(taken_in)


async def test_a_known_program_whose_file_was_lost_comes_back_with_an_upload(taken_in: Programs, reader: Reader) -> None:
    """A backup holds the database only: this is what the library's own next step says."""
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    taken_in.library.path(first.sha256).unlink()
    lost = program(sha256=first.sha256)
    again = await taken_in.take(upload(taken_in, b"x"), REQUEST, known=lambda _sha256: lost)
    assert again.sha256 == first.sha256
    assert taken_in.library.existing(first.sha256).read_bytes() == b"x"


@pytest.mark.parametrize("method", ["keep_picture", "take"])
async def test_a_disk_that_is_full_while_it_is_kept_is_told(
    taken_in: Programs, reader: Reader, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(taken_in.library, method, full)
    with pytest.raises(StoreFullError):
        await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert nothing_left(taken_in)


async def test_a_verdict_counts_though_its_pictures_find_no_room(
    taken_in: Programs, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(taken_in.library, "keep_picture", full)
    reader.answer = checked(Verdict.REJECT)
    again = await taken_in.look_again(program(sha256=first.sha256), niceness=19)
    assert again.reports[0].verdict is Verdict.REJECT


async def test_looking_again_judges_the_file_that_is_printed_not_one_with_other_start_code(
    taken_in: Programs, reader: Reader
) -> None:
    taken_in.profiles = {key: replace(profile, house_blocks=True) for key, profile in PROFILES.items()}
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert reader.house_blocks
    await taken_in.look_again(program(sha256=first.sha256), niceness=19)
    assert not reader.house_blocks


async def test_a_program_of_a_profile_that_is_gone_is_not_judged_by_another(taken_in: Programs, reader: Reader) -> None:
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    with pytest.raises(InvalidError, match="no profile 'gone'"):
        await taken_in.look_again(program(sha256=first.sha256, profile="gone"), niceness=19)
    assert len(reader.asked) == 1


async def test_one_inspection_at_a_time(taken_in: Programs, reader: Reader) -> None:
    paths = [taken_in.library.incoming / f"upload-{number}" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * (number + 1))
    await asyncio.gather(*[taken_in.take(path, REQUEST) for path in paths])
    assert (len(reader.asked), reader.most) == (3, 1)


async def test_looking_again_leaves_the_file_as_it_is(taken_in: Programs, reader: Reader) -> None:
    first = await taken_in.take(upload(taken_in, b"x"), REQUEST)
    reader.answer, reader.pictures = checked(Verdict.TRUSTED_ONLY), {Kind.PREVIEW: b"newer"}
    again = await taken_in.look_again(program(sha256=first.sha256), niceness=19)
    assert again.reports[0].verdict is Verdict.TRUSTED_ONLY
    assert taken_in.library.existing(first.sha256).read_bytes() == b"x"
    assert taken_in.library.existing_picture(first.sha256, "preview").read_bytes() == b"newer"
    assert nothing_left(taken_in)
    with pytest.raises(NotFoundError):
        await taken_in.look_again(program(sha256="9" * 64), niceness=19)


# --- making it known --------------------------------------------------------------------------------------------------------------


def program(**fields: Any) -> Program:
    draft = empty()
    key = make_known(draft)
    values = {name: getattr(draft.farm.programs[key], name) for name in Program.__slots__}
    return Program(**{**values, **fields})


def empty() -> Draft:
    return Draft(Farm(generation=1, uptime_s=0.0))


def make_known(
    draft: Draft, request: ProgramRequest = REQUEST, found: Checked | None = None, *, uploaded: str = "f" * 64, now_s: float = 5.0
) -> str:
    found = found or checked()
    return add(draft, request, Incoming(found.sha256, uploaded, found), way=WAY, nozzle_mm=0.4, now_s=now_s)


def test_design_and_revision_are_made_when_a_program_names_them() -> None:
    draft = empty()
    make_known(draft)
    (design,) = draft.farm.designs.values()
    assert design.name == "square"
    made_revision = draft.farm.revisions["square-1"]
    assert (made_revision.design, made_revision.draft, made_revision.released_by) == (design.id, False, "Eve")
    made = draft.farm.programs["c" * 64]
    assert (made.revision, made.profile, made.parts, made.nozzle_mm, made.name) == (
        "square-1",
        "generic-210",
        2,
        0.4,
        "square.gcode",
    )
    assert (made.estimated_s, made.filament_mm, made.width_mm, made.size_bytes, made.layers) == (19.6, 38.9, 120.0, 903, 4)
    assert (made.verdict, made.checked, made.profile_revision, made.rule_set) == (Verdict.PASS, WAY, "rev-1", 2)
    assert made.uploaded_sha256 == "f" * 64
    assert made.usable


def test_facts_and_a_report_for_every_profile_are_stored_with_it() -> None:
    draft = empty()
    make_known(draft, found=checked(Verdict.TRUSTED_ONLY))
    facts = [change for change in draft.changes if isinstance(change, ProgramFacts)]
    assert [json.loads(item.facts) for item in facts] == [{"layers": 4}]
    reports = {change.profile: change for change in draft.changes if isinstance(change, ProgramReport)}
    assert {key: item.verdict for key, item in reports.items()} == {
        "generic-210": Verdict.TRUSTED_ONLY,
        "prusa-mk3s": Verdict.PASS,
    }
    assert json.loads(reports["generic-210"].report)[0]["rule"] == "motor-current"


def test_a_program_that_needs_trust_waits_for_somebody_who_answers() -> None:
    draft = empty()
    key = make_known(draft, found=checked(Verdict.TRUSTED_ONLY))
    made = draft.farm.programs[key]
    assert (made.verdict, made.trust, made.usable) == (Verdict.TRUSTED_ONLY, TRUST, False)


def test_the_same_again_changes_nothing() -> None:
    first = empty()
    make_known(first)
    second = Draft(first.farm)
    assert make_known(second, now_s=9.0) == "c" * 64
    assert second.changes == []
    known = Incoming("c" * 64, "f" * 64, None)
    assert add(second, REQUEST, known, way=WAY, nozzle_mm=0.4, now_s=9.0) == "c" * 64


def test_an_upload_is_found_by_its_own_hash_and_by_that_of_the_plain_file() -> None:
    draft = empty()
    make_known(draft)
    for sha256 in ("f" * 64, "c" * 64):
        found = uploaded_as(draft.farm, sha256)
        assert found is not None
        assert found.sha256 == "c" * 64
    assert uploaded_as(draft.farm, "e" * 64) is None


@pytest.mark.parametrize("other", [{"revision": "square-2"}, {"parts": 9}, {"profile": "generic-300"}])
def test_one_file_is_one_program(other: dict[str, object]) -> None:
    draft = empty()
    make_known(draft)
    with pytest.raises(ConflictError) as refused:
        make_known(draft, REQUEST.model_copy(update=other))
    assert refused.value.code == "program-known"
    assert f"farm program remove {'c' * 12}" in refused.value.next_step


@pytest.mark.parametrize("design", ["visor", "nobody knows"])
def test_a_known_file_does_not_hide_that_its_revision_is_of_another_design(design: str) -> None:
    draft = empty()
    make_known(draft)
    draft.put(Design("d2", "visor", 0.0))
    with pytest.raises(ConflictError, match="another design"):
        make_known(draft, REQUEST.model_copy(update={"design": design}))


def test_a_program_that_is_removed_while_it_comes_again_is_told() -> None:
    with pytest.raises(ConflictError) as refused:
        add(empty(), REQUEST, Incoming("c" * 64, "f" * 64, None), way=WAY, nozzle_mm=0.4, now_s=9.0)
    assert refused.value.code == "program-removed"


def test_a_second_variant_joins_the_same_design() -> None:
    draft = empty()
    make_known(draft)
    make_known(draft, REQUEST.model_copy(update={"design": " SQUARE "}), checked(sha256="d" * 64))
    assert len(draft.farm.designs) == len(draft.farm.revisions) == 1
    assert len(draft.farm.programs) == 2


@pytest.mark.parametrize("revision", [Revision("square-1", "other", 0.0), Revision("square-1", "d1", 0.0, recalled=True)])
def test_a_revision_of_another_design_or_a_recalled_one_takes_no_program(revision: Revision) -> None:
    draft = empty()
    draft.put(Design("d1", "square", 0.0))
    draft.put(revision)
    with pytest.raises(ConflictError):
        make_known(draft)
    assert draft.farm.programs == {}


def test_a_draft_stays_one_whoever_adds_a_variant() -> None:
    draft = empty()
    make_known(draft, REQUEST.model_copy(update={"draft": True}))
    assert draft.farm.revisions["square-1"].draft
    assert draft.farm.audit == {}
    make_known(draft, found=checked(sha256="d" * 64))
    assert draft.farm.revisions["square-1"].draft


def test_what_is_released_does_not_become_a_draft_by_an_upload() -> None:
    draft = empty()
    make_known(draft)
    with pytest.raises(ConflictError) as refused:
        make_known(draft, REQUEST.model_copy(update={"draft": True}), checked(sha256="d" * 64))
    assert refused.value.code == "released-already"


def test_uploading_a_new_revision_is_releasing_it_and_recorded() -> None:
    draft = empty()
    make_known(draft)
    (entry,) = draft.farm.audit.values()
    assert (entry.who, entry.action, entry.subject, entry.at_s) == ("Eve", "revision.release", "square-1", 5.0)


def test_who_adds_to_a_released_revision_is_recorded_what_is_added_is_printed_at_once() -> None:
    draft = empty()
    make_known(draft)
    make_known(draft, REQUEST.model_copy(update={"by": "Adam"}), checked(sha256="d" * 64), now_s=6.0)
    found = [(entry.who, entry.action, entry.subject, entry.detail) for entry in draft.farm.audit.values() if entry.at_s == 6.0]
    assert found == [("Adam", "program.add", "d" * 64, "square-1 for generic-210")]


def test_what_the_check_lets_pass_is_kept_in_both_languages_with_its_line() -> None:
    found = checked(reports=[report(findings=[finding("odd-thing", "warn"), finding("whole", "warn", line=0)])])
    draft = empty()
    make_known(draft, found=found)
    view = program_view(draft.farm, draft.farm.programs["c" * 64])
    assert [(note.code, note.en, note.fr) for note in view.warnings] == [
        ("odd-thing", "It is odd. (line 7)", "C'est bizarre. (ligne 7)"),
        ("whole", "It is odd.", "C'est bizarre."),
    ]


@pytest.mark.parametrize(("claimed_mm", "nozzle_mm"), [(0.6, 0.6), (None, 0.4), (0, 0.4), (99.0, 0.4), ("0.6", 0.4)])
def test_a_program_is_for_the_nozzle_that_it_was_sliced_for(claimed_mm: object, nozzle_mm: float) -> None:
    draft = empty()
    found = checked()
    key = make_known(draft, found=found.model_copy(update={"facts": {**found.facts, "claimed_nozzle_mm": claimed_mm}}))
    assert draft.farm.programs[key].nozzle_mm == nozzle_mm


def test_looking_again_finds_the_nozzle_of_a_program_that_was_taken_in_before() -> None:
    draft = empty()
    key = make_known(draft)
    before = draft.farm.programs[key]
    found = checked()
    again = found.model_copy(update={"facts": {**found.facts, "claimed_nozzle_mm": 0.8}})
    assert programs.judged(before, again, "other").nozzle_mm == 0.8
    assert programs.judged(before, found, "other").nozzle_mm == 0.4
