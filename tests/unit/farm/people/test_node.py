import asyncio
import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.base import PrinterState
from farm.bus.messages import JobAction
from farm.clock import Clock
from farm.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, StoreFullError
from farm.node.ledger import LedgerWriteError
from farm.people import node as module
from farm.people.library import Library
from farm.people.node import PeopleNode
from farm.request_bodies import MakerRequest, ManualReport
from farm.views import MakerView
from gcode.texts import told
from scheduler.model import BedState
from tests.unit.farm.node.fake_farm import GCODE, GCODE_SHA, IDENTITY, FakeFarm, order, until

ANNA = MakerRequest(name="Anna", profile="generic-210", material="PETG")


class Village:
    """A people's node, a farm in memory and a library with one program."""

    def __init__(self, folder: Path, farm: FakeFarm | None = None) -> None:
        self.farm = farm or FakeFarm()
        self.folder = folder
        self.file = folder / "library.gcode"
        self.file.write_bytes(GCODE)
        library = Library(self.find, lambda revision: f"design of {revision}")
        self.node = PeopleNode(folder / "people", IDENTITY, Clock(60.0), autonomy_s=3 * 86_400, library=library, bus=self.farm.bus)

    def find(self, sha256: str) -> Path:
        if sha256 != GCODE_SHA:
            raise NotFoundError(told("no such program"), next_step=told("."))
        return self.file

    async def offer(self, maker: MakerView, **fields: Any) -> str:
        """The farm allocates a batch; returns the job."""
        self.farm.want({maker.printer: [order(**fields)]})
        await until(lambda: [job for job in self.node.jobs(maker.printer) if job.state == "offered"], what="an offer")
        return self.node.jobs(maker.printer)[0].job


@asynccontextmanager
async def opened(folder: Path, farm: FakeFarm | None = None) -> AsyncIterator[Village]:
    village = Village(folder, farm)
    try:
        await village.node.start()
        yield village
    finally:
        await village.node.close()


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with opened(tmp_path) as made:
        yield made


async def test_a_batch_from_offered_to_counted(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    (view,) = village.node.jobs(anna.printer)
    assert (view.design, view.revision, view.parts, view.program) == ("design of rev-1", "rev-1", 2, GCODE_SHA)
    assert (await village.node.accept(anna.printer, job)).state == "accepted"
    assert village.node.program_file(anna.printer, job).read_bytes() == GCODE
    await until(lambda: village.farm.report.printers[0].state is PrinterState.PRINTING)
    told = await village.node.report(anna.printer, job, ManualReport(good=1, scrap=1))
    assert told.state == "reported"
    await until(lambda: "job-collected" in village.farm.kinds())
    assert village.farm.kinds() == ["job-started", "job-ended", "job-collected"]
    collected = list(village.farm.facts.values())[-1].model_dump()
    assert (collected["good"], collected["scrap"], collected["by"]) == (1, 1, "Anna")
    assert village.node._running.state.bed(anna.printer) is BedState.CLEAR, "the next batch needs no click"


async def test_a_maker_is_a_printer_with_days_of_autonomy(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    await until(lambda: village.farm.said and any(report.printers for report in village.farm.of(type(village.farm.report))))
    (printer,) = village.farm.report.printers
    assert (printer.id, printer.name, printer.driver) == (anna.printer, "Anna", "manual")
    assert (printer.material, printer.autonomy_s, printer.bed) == ("PETG", 3 * 86_400, BedState.CLEAR)


async def test_two_makers_may_have_one_name(village: Village) -> None:
    first, second = await village.node.add_maker(ANNA), await village.node.add_maker(ANNA)
    assert first.printer != second.printer
    assert [maker.name for maker in village.node.makers()] == ["Anna", "Anna"]
    assert all(maker.token is None for maker in village.node.makers()), "told once"


async def test_a_token_names_its_maker_and_only_its_hash_is_kept(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    assert anna.token is not None
    assert village.node.authenticate(anna.token) == anna.printer
    assert village.node.authenticate(anna.token[:-1]) is None
    assert village.node.authenticate("") is None
    kept = village.folder / "people" / "makers.json"
    assert anna.token not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as village:
        anna = await village.node.add_maker(ANNA)
        job = await village.offer(anna)
        await village.node.accept(anna.printer, job)
    async with opened(tmp_path, village.farm) as again:
        assert again.node.makers() == [MakerView(printer=anna.printer, name="Anna", profile="generic-210")]
        assert anna.token is not None
        assert again.node.authenticate(anna.token) == anna.printer
        await until(lambda: again.node._driver(anna.printer).job == job, what="the driver has its job again")
        assert again.node.jobs(anna.printer)[0].state == "accepted"
        assert again.node._driver(anna.printer).status.state is PrinterState.PRINTING
        await again.node.report(anna.printer, job, ManualReport(good=2))
        await until(lambda: "job-collected" in again.farm.kinds())


async def test_a_report_that_a_phone_repeats_counts_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as village:
        anna = await village.node.add_maker(ANNA)
        job = await village.offer(anna)
        await village.node.accept(anna.printer, job)
        await village.node.accept(anna.printer, job)
        first = await village.node.report(anna.printer, job, ManualReport(good=2))
        assert await village.node.report(anna.printer, job, ManualReport(good=2)) == first
    async with opened(tmp_path, village.farm) as again:
        assert await again.node.report(anna.printer, job, ManualReport(good=2)) == first
        await until(lambda: "job-collected" in again.farm.kinds())
        assert again.farm.kinds().count("job-collected") == 1
        assert [view.state for view in again.node.jobs(anna.printer)] == ["reported"]


async def test_what_is_refused(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    with pytest.raises(ConflictError, match="not accepted"):
        await village.node.report(anna.printer, job, ManualReport(good=1))
    await village.node.accept(anna.printer, job)
    with pytest.raises(InvalidError, match="2 parts") as refused:
        await village.node.report(anna.printer, job, ManualReport(good=2, scrap=1))
    assert refused.value.bilingual.fr == "Le lot a 2 pièces ; 2 bonnes et 1 au rebut, c'est plus. Comptez de nouveau."
    for call in (
        village.node.accept(anna.printer, "job-x"),
        village.node.report(anna.printer, "job-x", ManualReport(good=1)),
        village.node.accept("printer-x", job),
    ):
        with pytest.raises(NotFoundError):
            await call
    with pytest.raises(NotFoundError):
        village.node.jobs("printer-x")
    with pytest.raises(NotFoundError):
        village.node.program_file(anna.printer, "job-x")


async def test_an_offer_that_is_taken_back_leaves_the_bed_clear(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    village.farm.command(JobAction(printer=anna.printer, kind="cancel", job=job))
    await until(lambda: "job-collected" in village.farm.kinds())
    assert village.node.jobs(anna.printer) == []
    with pytest.raises(NotFoundError):
        await village.node.accept(anna.printer, job)


async def test_who_prints_already_may_still_report_what_was_taken_back(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    await village.node.accept(anna.printer, job)
    village.farm.command(JobAction(printer=anna.printer, kind="cancel", job=job))
    await until(lambda: "job-ended" in village.farm.kinds())
    with pytest.raises(ConflictError, match="taken back"):
        await village.node.accept(anna.printer, job)
    await village.node.report(anna.printer, job, ManualReport(good=2))
    await until(lambda: "job-collected" in village.farm.kinds())


async def test_a_maker_who_leaves_has_no_token_any_more(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    await village.node.remove_maker(anna.printer)
    assert village.node.makers() == []
    assert anna.token is not None
    assert village.node.authenticate(anna.token) is None
    with pytest.raises(NotFoundError):
        await village.node.remove_maker(anna.printer)
    await until(lambda: village.farm.report.printers == [])


async def test_there_is_a_limit_of_makers(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PRINTERS", 1)
    await village.node.add_maker(ANNA)
    with pytest.raises(ConflictError, match="serves 1 makers"):
        await village.node.add_maker(ANNA)


async def test_a_full_disk_adds_nobody_and_accepts_nothing(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_makers", full)
    with pytest.raises(StoreFullError, match="No space left"):
        await village.node.add_maker(ANNA)
    with pytest.raises(StoreFullError):
        await village.node.accept(anna.printer, job)
    assert len(village.node.makers()) == 1
    assert village.node.jobs(anna.printer)[0].state == "offered"


async def test_a_full_ledger_is_told_and_reporting_again_counts(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    await village.node.accept(anna.printer, job)
    keeper = village.node._running._keeper
    ledger = keeper._ledger
    assert ledger is not None

    def full(_changes: object) -> None:
        raise LedgerWriteError(told("No room."), next_step=told("Make some."), full=True)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "commit", full)
        with pytest.raises((StoreFullError, ConflictError)):
            await village.node.report(anna.printer, job, ManualReport(good=2))
        assert keeper.owed == 1
    await keeper.pay_owed()
    await village.node.report(anna.printer, job, ManualReport(good=2))
    await until(lambda: "job-collected" in village.farm.kinds())


@pytest.mark.parametrize("list_is_full", [False, True])
async def test_a_full_ledger_adds_nobody_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_is_full: bool
) -> None:
    async with opened(tmp_path) as village:
        file = tmp_path / "people" / "makers.json"

        async def full(*_: object, **_named: object) -> str:
            assert village.node.makers() == [], "nobody is shown who has no printer yet"
            if list_is_full:
                patch.setattr(module, "write_makers", no_room)
            raise LedgerWriteError(told("No room."), next_step=told("Make some."), full=True)

        def no_room(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(village.node._running, "add_printer", full)
            with pytest.raises(StoreFullError, match="No room"):
                await village.node.add_maker(ANNA)
        assert village.node.makers() == []
        berta = await village.node.add_maker(ANNA.model_copy(update={"name": "Berta"}))
        assert [maker["name"] for maker in json.loads(file.read_text())["makers"]] == ["Berta"]
    async with opened(tmp_path) as again:
        assert [maker.printer for maker in again.node.makers()] == [berta.printer]


async def test_a_list_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "people" / "makers.json").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        async with opened(tmp_path):
            pass


async def test_makers_that_are_added_at_once_are_all_kept(village: Village) -> None:
    await asyncio.gather(*(village.node.add_maker(ANNA) for _ in range(5)))
    kept = json.loads((village.folder / "people" / "makers.json").read_text())
    assert len(kept["makers"]) == 5


async def test_a_profile_that_nobody_knows_is_refused_with_the_known_ones(village: Village) -> None:
    with pytest.raises(InvalidError) as refused:
        await village.node.add_maker(MakerRequest(name="Anna", profile="mk9"))
    assert refused.value.code == "unknown-profile"
    assert "generic-210" in refused.value.next_step
    assert refused.value.next_step_fr.startswith("Profils connus : ")
    assert village.node.makers() == []


async def test_the_end_of_a_profiles_id_is_enough_and_the_whole_one_is_kept(village: Village) -> None:
    anna = await village.node.add_maker(MakerRequest(name="Anna", profile="ender3"))
    assert anna.profile == "creality-ender3"
    await until(lambda: [printer.profile for printer in village.farm.report.printers] == ["creality-ender3"])


async def test_a_second_report_is_answered_with_what_was_counted_or_refused(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna)
    await village.node.accept(anna.printer, job)
    first = await village.node.report(anna.printer, job, ManualReport(good=1, scrap=1))
    assert (first.good, first.scrap) == (1, 1)
    assert await village.node.report(anna.printer, job, ManualReport(good=1, scrap=1)) == first
    with pytest.raises(ConflictError, match="1 good and 1 scrap were counted") as refused:
        await village.node.report(anna.printer, job, ManualReport(good=2))
    assert refused.value.code == "already-reported"
    with pytest.raises(InvalidError, match="2 parts"):
        await village.node.report(anna.printer, job, ManualReport(good=2, scrap=1))
    assert village.farm.kinds().count("job-collected") == 1


@pytest.mark.parametrize("accepted", [False, True])
async def test_what_a_maker_who_leaves_has_not_made_is_ended_and_collected_empty(village: Village, accepted: bool) -> None:
    anna = await village.node.add_maker(ANNA)
    job = await village.offer(anna, jobs=5)
    if accepted:
        await village.node.accept(anna.printer, job)
    await village.node.remove_maker(anna.printer)
    await until(lambda: "job-collected" in village.farm.kinds())
    told = [fact.model_dump() for fact in village.farm.facts.values()]
    assert [fact["kind"] for fact in told] == ["job-started", "job-ended", "job-collected"], "and no second batch was offered"
    assert told[1]["outcome"] == "interrupted"
    assert (told[2]["good"], told[2]["scrap"]) == (0, 0)
    assert village.node._running.state.occupations.get(anna.printer) is None


async def test_a_maker_with_a_clear_bed_leaves_without_a_word(village: Village) -> None:
    anna = await village.node.add_maker(ANNA)
    await village.node.remove_maker(anna.printer)
    assert village.node.makers() == []
    assert village.farm.kinds() == []
