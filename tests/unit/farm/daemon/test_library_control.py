"""The library behind the API, on a real loop and store; the reader is a stand-in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import pytest_asyncio

from farm.bus.topics import Stream
from farm.daemon import programs
from farm.daemon.library_control import LibraryControl
from farm.daemon.programs import Programs
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError, StoreFullError
from farm.library_views import ApprovalRequest, ReleaseRequest, RequesterChange, RequesterRequest, SignedRequest
from farm.request_bodies import ProgramRequest
from farm.store.library import Library, sha256_of
from farm.store.packed import packed_path
from farm.store.repository import Put
from gcode.profile import bundled_profiles
from gcode.texts import told
from scheduler.model import Job, ProgramFacts, ProgramReport, Requester, Verdict, report_key
from tests.integration.bus import until
from tests.patience import PATIENCE_S
from tests.unit.farm.daemon.checked import checked
from tests.unit.farm.daemon.harness import SHA, Farm, joined
from tests.unit.farm.daemon.test_programs import Reader

REQUEST = ProgramRequest(design="square", revision="square-1", profile="generic-210", parts=2, name="square.gcode", by="Eve")
EVE = ReleaseRequest(by="Eve Martin", reason="I know these motors.")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = Reader(checked(Verdict.TRUSTED_ONLY))
    monkeypatch.setattr(programs, "inspect_apart", made)
    return made


@pytest_asyncio.fixture
async def control(farm: Farm, reader: Reader, tmp_path: Path) -> AsyncIterator[LibraryControl]:
    library = Library(tmp_path / "programs")
    library.open()
    made = LibraryControl(farm.engine, farm.store, Programs(library, bundled_profiles()))
    task = asyncio.create_task(farm.engine.run())
    yield made
    await made.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def upload(control: LibraryControl, content: bytes = b"G1 X1", name: str = "one") -> Path:
    path = control.incoming_folder / name
    path.write_bytes(content)
    return path


async def ended(control: LibraryControl, key: str) -> str:
    for _ in range(int(PATIENCE_S / 0.01)):
        if control.upload(key).state in {"ready", "refused"}:
            break
        await asyncio.sleep(0.01)
    return control.upload(key).state


async def test_an_upload_becomes_a_program_with_facts_and_reports(control: LibraryControl, farm: Farm) -> None:
    view = await control.add_program(upload(control), REQUEST)
    assert (view.verdict, view.usable, view.trust) == (Verdict.TRUSTED_ONLY, False, ["motor-current"])
    detail = await control.program(view.sha256)
    assert detail.facts == {"layers": 4}
    assert [(report.profile, report.verdict) for report in detail.reports] == [
        ("generic-210", Verdict.TRUSTED_ONLY),
        ("prusa-mk3s", Verdict.PASS),
    ]
    assert not detail.has_preview
    assert farm.world.durable.program_facts == {}  # stored, not kept in memory
    assert farm.world.durable.program_reports == {}
    assert control.program_file(view.sha256).read_bytes() == b"G1 X1"
    with pytest.raises(NotFoundError):
        control.program_picture(view.sha256, "preview")
    with pytest.raises(NotFoundError):
        await control.program("9" * 64)


async def test_the_number_of_the_library_changes_with_the_library_alone(control: LibraryControl, farm: Farm) -> None:
    numbers = [control.library_changes()]
    view = await control.add_program(upload(control), REQUEST)
    numbers.append(control.library_changes())
    await control.release_program(view.sha256, EVE)
    numbers.append(control.library_changes())
    await control.add_requester(RequesterRequest(name="Hospital"))
    numbers.append(control.library_changes())
    await control.release_revision("square-1", SignedRequest())  # it is released already
    assert control.library_changes() == numbers[-1]
    await control.recall_revision("square-1", SignedRequest(by="Eve Martin"))
    numbers.append(control.library_changes())
    assert len(set(numbers)) == len(numbers)


async def test_profiles_are_listed_by_name(control: LibraryControl) -> None:
    rows = control.profiles()
    assert [row.name for row in rows] == sorted(profile.name for profile in bundled_profiles().values())


async def test_the_end_of_a_profiles_id_is_enough_for_an_upload(control: LibraryControl, reader: Reader) -> None:
    short = REQUEST.model_copy(update={"profile": "ender3"})
    view = await control.add_program(upload(control), short)
    assert view.profile == "creality-ender3"
    assert [asked.profile for asked in control.uploads()] == ["creality-ender3"]
    begun = await control.begin_program(upload(control), short)
    assert await ended(control, begun.id) == "ready"
    assert (begun.profile, control.upload(begun.id).program) == ("creality-ender3", view.sha256)
    assert len(reader.asked) == 1, "it is the same program"


async def test_an_end_that_fits_none_or_several_is_refused_with_all_of_them(control: LibraryControl) -> None:
    for name in ("mk9", "creality"):
        with pytest.raises(InvalidError) as refused:
            await control.add_program(upload(control), REQUEST.model_copy(update={"profile": name}))
        assert refused.value.detail_fr == f"Il n'y a pas de profil {name!r}."
        assert "creality-ender3" in refused.value.next_step_fr
    assert list(control.incoming_folder.iterdir()) == []


async def test_the_same_bytes_again_are_not_inspected(control: LibraryControl, reader: Reader) -> None:
    first = await control.add_program(upload(control), REQUEST)
    assert await control.add_program(upload(control), REQUEST) == first
    assert len(reader.asked) == 1
    with pytest.raises(ConflictError):
        await control.add_program(upload(control), REQUEST.model_copy(update={"parts": 9}))


async def test_in_the_background_the_answer_comes_first_and_the_program_later(control: LibraryControl) -> None:
    path = upload(control)
    begun = await control.begin_program(path, REQUEST)
    assert begun.state == "waiting"
    assert not path.exists()  # it is ours now: the request that brought it may end
    assert await ended(control, begun.id) == "ready"
    seen = control.upload(begun.id)
    assert seen.new
    assert control.programs()[0].sha256 == seen.program
    again = await control.begin_program(upload(control), REQUEST)
    assert await ended(control, again.id) == "ready"
    assert not control.upload(again.id).new
    assert list(control.incoming_folder.iterdir()) == []


async def test_a_refused_one_in_the_background_says_why_and_leaves_nothing(control: LibraryControl, reader: Reader) -> None:
    reader.answer = checked(Verdict.REJECT)
    begun = await control.begin_program(upload(control), REQUEST)
    assert await ended(control, begun.id) == "refused"
    problem = control.upload(begun.id).problem
    assert problem is not None
    assert problem["code"] == "gcode-rejected"
    assert problem["findings"][0]["rule"] == "motor-current"
    assert list(control.incoming_folder.iterdir()) == []
    assert [view.state for view in control.uploads()] == ["refused"]
    assert len(control.programs()) == 1  # the one of the seed


async def test_the_daemon_ends_in_the_middle_of_one(control: LibraryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(programs, "inspect_apart", hang)
    await control.begin_program(upload(control), REQUEST)
    await waiting.wait()
    await control.close()
    assert list(control.incoming_folder.iterdir()) == []
    assert len(control.programs()) == 1


async def test_who_is_gone_before_the_file_is_ours_leaves_none(control: LibraryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = Event(), Event()
    rename = Path.rename

    def slow(path: Path, target: Path) -> Path:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow)
    asking = asyncio.create_task(control.begin_program(upload(control), REQUEST))
    await until(begun.is_set)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    await until(lambda: list(control.incoming_folder.iterdir()) == [])


async def test_too_many_at_once_are_refused_and_the_file_stays_with_who_brought_it(
    control: LibraryControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.daemon.uploads.MAX_WAITING", 0)
    path = upload(control)
    with pytest.raises(FarmError) as refused:
        await control.begin_program(path, REQUEST)
    assert refused.value.code == "throttled"
    assert path.exists()


async def test_a_release_reaches_the_printers_and_a_withdrawal_takes_it_back(control: LibraryControl, farm: Farm) -> None:
    from dataclasses import replace  # noqa: PLC0415

    trusted = replace(farm.world.durable.programs[SHA], verdict=Verdict.TRUSTED_ONLY, trust="motor-current=2")
    await farm.ask(lambda draft: draft.put(trusted))
    await joined(farm)
    assert farm.desired.printers == {}
    released = await control.release_program(SHA, EVE)
    assert (released.usable, released.released_by) == (True, "Eve Martin")
    await farm.turn()
    (given,) = farm.desired.printers["p1"]
    assert given.released_by == "Eve Martin"
    farm.clock.advance(1.0)
    withdrawn = await control.withdraw_program(SHA, SignedRequest(by="Adam", reason="hot"))
    assert not withdrawn.usable
    await farm.turn()
    assert farm.bus.of(Stream.DESIRED)[-1].printers == {}
    entries = await control.audit(subject=SHA)
    assert [(entry.who, entry.action) for entry in entries] == [("Adam", "program.withdraw"), ("Eve Martin", "program.release")]
    assert await control.audit(limit=1, offset=1) == entries[1:]


async def test_a_draft_is_released_and_recalled(control: LibraryControl, farm: Farm) -> None:
    await control.add_program(upload(control), REQUEST.model_copy(update={"draft": True}))
    assert control.revision("square-1").state == "draft"
    assert next(design for design in control.designs() if design.name == "square").drafts == ["square-1"]
    released = await control.release_revision("square-1", SignedRequest(by="Eve", reason="tested"))
    assert (released.state, released.released_by) == ("released", "Eve")
    assert len(released.programs) == 1
    farm.clock.advance(1.0)
    await control.recall_revision("square-1", SignedRequest(by="Eve"))
    assert control.revision("square-1").state == "recalled"
    assert [entry.action for entry in await control.audit(subject="square-1")] == ["revision.recall", "revision.release"]
    with pytest.raises(NotFoundError):
        control.revision("square-9")


async def test_requesters_and_what_they_approve(control: LibraryControl, farm: Farm) -> None:
    added = await control.add_requester(RequesterRequest(name="Hospitals", approves=True))
    approved = await control.approve("hospitals", ApprovalRequest(revision="r1", by="Dr. House"))
    assert [item.revision for item in approved.approvals] == ["r1"]
    assert control.requesters() == [approved]
    withdrawn = await control.withdraw_approval(added.id, "r1", SignedRequest())
    assert withdrawn.approvals == []
    changed = await control.change_requester(added.id, RequesterChange(approves=False))
    assert not changed.approves
    stored = await farm.stored()
    assert stored.requesters == {added.id: Requester(added.id, "Hospitals", approves=False, created_at_s=stored_at(farm))}
    await control.remove_requester(added.id, "Eve")
    assert control.requesters() == []
    with pytest.raises(NotFoundError):
        control.requester(added.id)


def stored_at(farm: Farm) -> float:
    return farm.clock.wall_s()


async def test_a_rejected_file_is_refused_to_who_waits_for_it(control: LibraryControl, reader: Reader) -> None:
    reader.answer = checked(Verdict.REJECT)
    with pytest.raises(InvalidError):
        await control.add_program(upload(control), REQUEST)
    assert [program.sha256 for program in control.programs()] == [SHA]
    assert [view.state for view in control.uploads()] == ["refused"]


async def test_a_file_added_by_mistake_is_removed_and_added_rightly(control: LibraryControl, farm: Farm) -> None:
    view = await control.add_program(upload(control), REQUEST)
    path = control.program_file(view.sha256)
    others = (packed_path(path), path.with_name(f"{view.sha256}.preview.png"))
    for other in others:
        other.write_bytes(b"x")
    with pytest.raises(ConflictError):
        await control.add_program(upload(control), REQUEST.model_copy(update={"parts": 3}))
    await control.remove_program(view.sha256, SignedRequest(by="Adam", reason="three on a bed"))
    assert not any(there.exists() for there in (path, *others))
    assert await farm.store.find(ProgramReport, [report_key(view.sha256, "generic-210")]) == {}
    assert await farm.store.find(ProgramFacts, [view.sha256]) == {}
    assert [(entry.who, entry.reason) for entry in await control.audit(subject=view.sha256)] == [("Adam", "three on a bed")]
    again = await control.add_program(upload(control), REQUEST.model_copy(update={"parts": 3}))
    assert (again.sha256, again.parts) == (view.sha256, 3)
    assert control.program_file(view.sha256).read_bytes() == b"G1 X1"


async def test_a_program_that_only_the_store_remembers_a_print_of_stays(control: LibraryControl, farm: Farm) -> None:
    view = await control.add_program(upload(control), REQUEST)
    job = Job("j1", "n1", "p1", "a1", "o1", "square-1", view.sha256, 2, 60.0, 0.0, 100.0, collected_at_s=70.0)
    await farm.store.commit([Put(job)])
    with pytest.raises(ConflictError) as refused:
        await control.remove_program(view.sha256, SignedRequest())
    assert refused.value.code == "program-used"
    assert control.program_file(view.sha256).is_file()
    with pytest.raises(NotFoundError):
        await control.remove_program("9" * 64, SignedRequest())


async def test_a_file_that_the_disk_keeps_is_left(control: LibraryControl, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    view = await control.add_program(upload(control), REQUEST)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Library, "remove", refuse)
    await control.remove_program(view.sha256, SignedRequest())
    assert view.sha256 not in {program.sha256 for program in control.programs()}


async def test_what_cannot_be_added_leaves_no_file(control: LibraryControl, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    other = await control.add_program(upload(control, b"G1 X9", "other"), REQUEST)
    await control.recall_revision("square-1", SignedRequest())
    path = upload(control)
    sha256 = sha256_of(path)
    with pytest.raises(ConflictError, match="was recalled"):
        await control.add_program(path, REQUEST)
    assert not control._programs.library.path(sha256).exists()
    assert control.program_file(other.sha256).is_file(), "only of that one"
    monkeypatch.setattr(farm.store, "commit", full)
    with pytest.raises(StoreFullError):
        await control.add_program(upload(control), REQUEST.model_copy(update={"revision": "square-2"}))
    assert not control._programs.library.path(sha256).exists()


async def full(_changes: object) -> None:
    raise StoreFullError(told("full"), next_step=told("make room"))


async def test_a_file_that_is_removed_while_it_comes_again_is_not_known_without_its_file(
    control: LibraryControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people at once: one uploads it, packed in another way, the other removes it as a mistake."""
    view = await control.add_program(upload(control), REQUEST)
    take = control._programs.take

    async def and_then_removed(*arguments: Any, **named: Any) -> Any:
        incoming = await take(*arguments, **{**named, "known": lambda _sha256: None})
        await control.remove_program(view.sha256, SignedRequest(reason="a mistake"))
        return incoming

    monkeypatch.setattr(control._programs, "take", and_then_removed)
    with pytest.raises(ConflictError) as refused:
        await control.add_program(upload(control), REQUEST)
    assert refused.value.code == "program-removed"
    assert view.sha256 not in {program.sha256 for program in control.programs()}
    assert not control._programs.library.path(view.sha256).exists()


async def test_a_file_whose_place_was_taken_by_others_is_not_left_behind(
    control: LibraryControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was room when it was asked for, and none when the file had its own name."""
    monkeypatch.setattr("farm.daemon.uploads.Uploads.require_room", lambda _self: None)

    def taken(*_: object) -> None:
        raise FarmError(told("16 files wait to be checked."), next_step=told("Wait."), code="throttled")

    monkeypatch.setattr("farm.daemon.uploads.Uploads.begin", taken)
    with pytest.raises(FarmError):
        await control.begin_program(upload(control), REQUEST)
    assert list(control.incoming_folder.iterdir()) == []
