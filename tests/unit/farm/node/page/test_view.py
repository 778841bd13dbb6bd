import json
from dataclasses import replace

from drivers.base import PrinterState, PrinterStatus, Temperature
from farm.node import core
from farm.node.page.view import view
from tests.unit.farm.node.bench import A, B, Bench, allocation, desired, setup


def seen(bench: Bench, *, online: bool = True) -> dict[str, object]:
    shown = view(bench.state, bench.moment, name="Atelier", online=online)
    return dict(json.loads(json.dumps(shown)))


def test_contact_and_how_long_it_goes_on() -> None:
    bench = Bench()
    farm = seen(bench)["farm"]
    assert farm == {
        "online": True, "contact_age_s": 0.0, "by_person": False, "report_every_s": 30.0, "goes_on_s": None,
        "would_go_on_s": 0.0, "waiting": 0, "untold": 4,
    }  # fmt: skip
    bench.do(core.on_files, frozenset(), timed=False)  # nothing starts: the program is not here
    printers = {A: [allocation("x", jobs=3, autonomy_s=3600.0)], B: [allocation("y", jobs=2, autonomy_s=7200.0)]}
    bench.do(core.on_desired, desired(9, printers=printers))
    bench.pass_time(600)
    farm = seen(bench, online=False)["farm"]
    assert isinstance(farm, dict)
    assert (farm["online"], farm["contact_age_s"], farm["goes_on_s"], farm["waiting"]) == (False, 600.0, 6600.0, 5)
    bench.pass_time(9000)
    farm = seen(bench)["farm"]
    assert isinstance(farm, dict)
    assert (farm["goes_on_s"], farm["would_go_on_s"]) == (0.0, 7200.0)


def test_go_on_is_told_from_contact() -> None:
    bench = Bench()
    bench.do(core.on_files, frozenset(), timed=False)
    bench.allocate(allocation(jobs=3))
    bench.state = replace(bench.state, contact_s=None)
    farm = seen(bench)["farm"]
    assert isinstance(farm, dict)
    assert (farm["contact_age_s"], farm["goes_on_s"], farm["by_person"]) == (None, 0.0, False)
    bench.do(core.on_go_on)
    bench.pass_time(60)
    farm = seen(bench)["farm"]
    assert isinstance(farm, dict)
    assert (farm["contact_age_s"], farm["goes_on_s"], farm["by_person"]) == (60.0, 3540.0, True)
    bench.acknowledge()
    farm = seen(bench)["farm"]
    assert isinstance(farm, dict)
    assert (farm["contact_age_s"], farm["by_person"]) == (0.0, False), "the farm is back"


def test_a_printer_has_its_job_progress_bed_and_reason() -> None:
    bench = Bench(setup("printer-z"), setup(A))
    start = bench.start(A, jobs=3)
    nozzle = Temperature(204.5, 205.0)
    status = PrinterStatus(PrinterState.PRINTING, job=start.job, progress=0.25, remaining_s=90.0, nozzle=nozzle)
    bench.do(core.on_status, A, status)
    shown = view(bench.state, bench.moment, name="n", online=True, factor=60.0)["printers"]
    first = shown[0]
    assert [printer["name"] for printer in shown] == [A, "printer-z"]
    assert (first["state"], first["bed"], first["progress"], first["remaining_s"]) == ("printing", "occupied", 0.25, 5400.0)
    assert (first["nozzle_c"], first["waiting"]) == (204.5, 2)
    assert first["occupation"]["job"]["job"] == start.job
    assert first["occupation"]["outcome"] is None
    assert (first["ready"], first["reason"]["code"]) == (False, "printer-printing")
    assert first["reason"]["fr"] == "L'imprimante imprime."


def test_disk_trouble_is_shown() -> None:
    bench = Bench()
    assert seen(bench)["disk"] == {"writable": True, "nearly_full": False}
    bench.state = replace(bench.state, writable=False, nearly_full=True)
    assert seen(bench)["disk"] == {"writable": False, "nearly_full": True}


def test_limits_that_cannot_be_applied_are_shown() -> None:
    bench = Bench()
    assert seen(bench)["limits_trouble"] is None
    bench.state = core.on_limits(bench.state, "new", {}, core.limits_note("No such printer.", "Pas d'imprimante.")).state
    assert seen(bench)["limits_trouble"] == {"code": "limits-unreadable", "en": "No such printer.", "fr": "Pas d'imprimante."}


def test_facts_that_wait_to_be_told_are_counted() -> None:
    bench = Bench()
    bench.ack(seq=bench.state.journal.head)
    bench.printed()
    farm = seen(bench)["farm"]
    assert isinstance(farm, dict)
    assert farm["untold"] == 2
