from dataclasses import replace

import pytest

from drivers.base import Capability, PrinterState, PrinterStatus
from farm.bus.messages import ClearBedAction
from farm.node import core
from farm.node.core import JournalPlace, Remembered
from scheduler.model import BedState
from tests.unit.farm.node.bench import SHA, A, B, Bench, allocation, setup


def test_a_first_start_makes_an_epoch_and_keeps_it() -> None:
    bench = Bench(ready=False)
    epoch = bench.state.journal.epoch
    assert epoch.startswith("epoch-")
    bench.reboot()
    assert bench.state.journal.epoch == epoch


def test_what_is_of_one_boot_is_gone_after_the_next() -> None:
    bench = Bench()
    bench.allocate(allocation())
    bench.report()
    bench.reboot()
    state = bench.state
    assert (state.contact_s, state.report, dict(state.sent), state.pending) == (None, 0, {}, frozenset())
    assert state.allocations[A][0].id == "alloc-1", "what the daemon wants is remembered"
    assert state.printers[A].status.state is PrinterState.OFFLINE


def test_occupations_of_printers_that_are_configured_no_more_are_kept() -> None:
    bench = Bench()
    bench.printed()
    bench.setups = (setup("printer-new"),)
    bench.reboot()
    assert A in bench.state.occupations
    assert [printer.id for printer in bench.report().printers] == ["printer-new"]


def test_events_of_unknown_printers_change_nothing() -> None:
    bench = Bench()
    before = bench.state
    assert bench.status("printer-x", PrinterState.IDLE).refused == "no such printer"
    assert bench.do(core.on_trouble, "printer-x", "gone", timed=False).refused == "no such printer"
    assert bench.state is before


def test_a_printer_that_is_added_starts_what_it_was_allocated() -> None:
    bench = Bench(setup(A))
    bench.allocate(allocation(), printer="printer-late")
    bench.do(core.add_printer, setup("printer-late"), timed=False)
    bench.status("printer-late", PrinterState.IDLE)
    bench.clear("printer-late")
    bench.checked("printer-late")
    (start,) = bench.tick().instructions
    assert start.printer == "printer-late"


def test_files_that_are_the_same_make_no_new_state() -> None:
    bench = Bench()
    before = bench.state
    assert bench.do(core.on_files, before.files, timed=False).state is before
    assert bench.do(core.on_files, frozenset({SHA}), timed=False).state.files == {SHA}


def test_an_old_boot_number_is_followed_by_a_greater_one_though_the_clock_is_wrong() -> None:
    """A Raspberry Pi without a network believes it is 1970."""
    bench = Bench(remembered=Remembered(JournalPlace("e"), boot=1_900_000_000), ready=False)
    assert bench.state.boot == 1_900_000_001


def test_a_status_is_kept_as_it_is() -> None:
    bench = Bench()
    bench.status(A, PrinterState.PAUSED, note="filament")
    assert bench.state.printers[A].status == PrinterStatus(PrinterState.PAUSED, note="filament")


# --- whose ledger ---------------------------------------------------------------------------------------------------------------


def kept(bench: Bench, owner: str) -> Remembered:
    state = bench.state
    return Remembered(
        state.journal,
        boot=state.boot,
        machine=state.machine,
        generation=state.generation,
        version=state.version,
        allocations=state.allocations,
        settings=state.settings,
        started=state.started,
        occupations=state.occupations,
        commands=state.commands,
        owner=owner,
    )


@pytest.mark.parametrize("owner", ["", "node-1"])
def test_a_ledger_of_ours_or_of_nobody_is_believed_whole(owner: str) -> None:
    bench = Bench()
    bench.printed()
    remembered = kept(bench, owner)
    mine = core.belonging_to(remembered, "node-1", [A, B], bench.moment)
    assert mine == replace(remembered, owner="node-1")
    assert core.recover(mine, bench.setups, bench.moment, machine="m1", seen={}).state.owner == "node-1"


def test_of_the_ledger_of_another_node_only_doubt_is_left() -> None:
    bench = Bench()
    done, running = bench.printed(A), bench.start(B)
    old = kept(bench, "node-1")
    assert old.journal.head > 0
    bench.setups = (setup(A), setup("printer-new"))
    mine = core.belonging_to(old, "node-2", [setup.id for setup in bench.setups], bench.moment)
    state = bench.state = core.recover(mine, bench.setups, bench.moment, machine="m1", seen={A: bench.now_s}).state
    assert (state.generation, state.version, dict(state.allocations), dict(state.started), state.commands) == (0, 0, {}, {}, ())
    assert (state.journal.oldest, state.journal.head, state.journal.acked) == (1, 0, 0), "nothing of it is told"
    assert state.journal.epoch not in {"", old.journal.epoch}
    assert state.journal.base == old.journal.base + old.journal.head
    assert state.boot > old.boot
    assert state.untraced == frozenset(), "the other node's job is not asked about"
    assert set(state.occupations) == {A, B, "printer-new"}, "a bed that is configured no more is doubted, too"
    for key, occupied in state.occupations.items():
        assert (occupied.job, state.bed(key)) == (None, BedState.UNKNOWN)
        assert occupied.id not in {done.job, running.job}
    bench.status(A, PrinterState.IDLE)
    bench.do(core.on_clear, ClearBedAction(printer=A, occupation=state.occupations[A].id))
    assert A not in bench.state.occupations, "a person clears it"


def test_what_a_machine_can_do_is_learned_when_it_is_seen() -> None:
    bench = Bench()
    same = bench.state
    assert core.capable(same, A, frozenset()) is same
    assert core.capable(same, "printer-x", frozenset({Capability.PROMPTS})) is same
    calm = core.face(same, bench.moment)
    bench.state = core.capable(same, A, frozenset({Capability.PROMPTS}))
    assert bench.report().printers[0].capabilities == ["prompts"]
    assert core.face(bench.state, bench.moment) != calm, "the farm hears of it at once"
