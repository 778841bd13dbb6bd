import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.base import Fault, PrinterState
from farm.bus.client import encoded
from farm.bus.messages import Journal
from farm.daemon.translate import read_batch
from farm.errors import ConfigurationError
from farm.node import core
from farm.node.core import Changes, JournalPlace, Remembered
from farm.node.core.state import KEEP_COMMANDS
from farm.node.ledger import Ledger, LedgerWriteError
from scheduler.model import BedState
from tests.unit.farm.node.bench import A, Bench, allocation, desired, setup

ROOT = Path(__file__).parents[4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(path)
    yield opened
    opened.close()


class KeptBench(Bench):
    """A bench whose steps are committed to a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger: Ledger | None = None
        self.lived_s = ledger.lived_s()
        super().__init__(setup(A), remembered=ledger.load(), ready=False)
        self.ledger = ledger
        ledger.commit(core.between(None, self.state, (), self.wall_s, self.lived_s))
        self.do(core.on_files, frozenset({"a" * 64}), timed=False)
        self.all_pass()

    def do(self, function: Callable[..., core.Step], *arguments: Any, timed: bool = True, **named: Any) -> core.Step:
        before = self.state
        step = super().do(function, *arguments, timed=timed, **named)
        if self.ledger is not None:
            self.ledger.commit(core.between(before, step.state, step.facts, self.wall_s, self.lived_s))
        return step


def ready(ledger: Ledger) -> KeptBench:
    bench = KeptBench(ledger)
    bench.status(A, PrinterState.IDLE)
    bench.clear(A)
    bench.do(core.on_desired, desired(1, generation=3))
    bench.acknowledge()
    return bench


def as_remembered(state: core.NodeState) -> Remembered:
    """What a ledger should give back for `state`."""
    occupations = {key: replace(value, autonomy_s=0.0) for key, value in state.occupations.items()}
    return Remembered(
        journal=state.journal,
        boot=state.boot,
        machine=state.machine,
        generation=state.generation,
        version=state.version,
        allocations=state.allocations,
        settings=state.settings,
        started=state.started,
        occupations=occupations,
        commands=state.commands,
        owner=state.owner,
    )


def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    assert ledger.load() == Remembered(JournalPlace(""))


def test_everything_durable_comes_back(ledger: Ledger, path: Path) -> None:
    bench = ready(ledger)
    start = bench.printed(jobs=4)
    assert ledger.load() == as_remembered(bench.state)
    bench.collect(start.job)
    bench.ack(seq=3)
    bench.start(jobs=2)
    more = {A: [allocation("alloc-z", jobs=7, priority=3, signature="s")]}
    bench.do(core.on_desired, desired(bench.state.version + 1, generation=3, printers=more))
    again = Ledger.open(path)
    assert again.load() == as_remembered(bench.state)
    again.close()


def test_what_another_node_wrote_goes_in_one_step_and_its_printers_keep_their_ids(ledger: Ledger) -> None:
    ids = ledger.printer_ids(["left"])
    bench = ready(ledger)
    old = bench.state
    ledger.commit(core.between(None, replace(old, owner="node-1"), (), bench.wall_s))
    assert ledger.load() == replace(as_remembered(old), owner="node-1"), "it was nobody's: nothing is lost"
    bench.printed(jobs=4)
    mine = core.belonging_to(ledger.load(), "node-2", [A], bench.moment)
    state = core.recover(mine, [setup(A)], bench.moment, machine="m1", seen={}).state
    ledger.commit(core.between(None, state, (), bench.wall_s))
    assert ledger.load() == as_remembered(state)
    assert ledger.load().owner == "node-2"
    assert ledger.facts(state.journal, 0, 100) == []
    assert ledger.printer_ids(["left"]) == ids
    bench.state = state
    bench.clear(A)
    assert [fact.seq for fact in ledger.facts(bench.state.journal, 0, 100)] == list(range(1, bench.state.journal.head + 1))
    assert bench.state.journal.head > 0


def test_every_start_of_an_allocation_is_counted(ledger: Ledger) -> None:
    bench = ready(ledger)
    bench.do(core.on_desired, desired(9, generation=3, printers={A: [allocation("alloc-3", jobs=3)]}))
    for count in (1, 2, 3):
        (start,) = bench.tick().instructions
        assert isinstance(start, core.StartJob)
        assert ledger.load().started["alloc-3"] == count
        bench.end(start)
        bench.collect(start.job)


def test_a_commit_is_synced_and_the_file_is_small(ledger: Ledger) -> None:
    assert ledger._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_facts_come_in_order_and_in_batches(ledger: Ledger) -> None:
    bench = ready(ledger)
    for _ in range(5):
        bench.collect(bench.printed().job)
    place = bench.state.journal
    first = ledger.facts(place, 0, 7)
    rest = ledger.facts(place, first[-1].seq, 1000)
    assert [fact.seq for fact in first + rest] == list(range(1, place.head + 1))
    told = Journal(epoch=place.epoch, oldest=place.oldest, head=place.head, facts=first)
    assert {"bed-cleared", "command-done", "job-started"} <= {fact.kind for fact in told.facts}
    assert ledger.facts(place, place.head, 10) == []


def test_the_tag_of_a_fact_is_the_one_that_the_daemon_finds_in_the_message(ledger: Ledger) -> None:
    bench = ready(ledger)
    bench.printed()
    fault = Fault("thermal-runaway", "Error:Thermal Runaway", "", "", "", "")
    bench.status(A, PrinterState.FAULT, fault=fault)  # no job runs: a null in the ledger that does not travel
    place = bench.state.journal
    facts = ledger.facts(place, 0, 64)
    assert "fault-raised" in {fact.kind for fact in facts}
    heard = read_batch("n1", encoded(Journal(epoch=place.epoch, oldest=1, head=place.head, facts=facts)))
    assert [heard.tag_of(fact.seq) for fact in facts] == [ledger.tag(place, fact.seq) for fact in facts]
    assert heard.tag_of(place.head) != ""
    assert len({ledger.tag(place, fact.seq) for fact in facts}) == len(facts), "facts that differ have other tags"
    assert ledger.tag(place, place.head + 1) == ""


def test_what_is_pruned_is_gone_from_the_file_and_the_numbers_go_on(ledger: Ledger, path: Path) -> None:
    bench = ready(ledger)
    bench.collect(bench.printed().job)
    head, (counted,) = bench.state.journal.head, bench.state.started
    bench.ack(seq=head)
    bench.do(core.prune, 2, frozenset(), timed=False)
    assert [fact.seq for fact in ledger.facts(bench.state.journal, 0, 100)] == list(range(3, head + 1))
    bench.do(core.prune, head - 2, frozenset({counted}), timed=False)
    assert ledger._rows("SELECT count(*) FROM journal") == [(0,)]
    assert ledger._rows("SELECT count(*) FROM started") == [(0,)]
    again = Ledger.open(path)
    assert again.load() == as_remembered(bench.state), "an empty journal remembers where it stands"
    again.close()
    bench.collect(bench.printed().job)
    assert ledger.facts(bench.state.journal, 0, 1)[0].seq == head + 1


def test_the_oldest_facts_and_counters_are_found(ledger: Ledger) -> None:
    bench = ready(ledger)
    first_s = bench.lived_s = 500.0
    bench.collect(bench.printed().job)
    bench.wall_s -= 1_000_000
    bench.lived_s += 1_000
    bench.collect(bench.printed().job)
    place, (early, late) = bench.state.journal, bench.state.started
    assert ledger.oldest(place, first_s + 1, 3) == ([0.0, 0.0, first_s], [early])
    written_s, counters = ledger.oldest(replace(place, oldest=place.head), first_s + 2_000, 9)
    assert (written_s, counters) == ([first_s + 1_000], [early, late])
    both = frozenset({early, late, "alloc-of-others"})
    assert ledger.told_of(place, 0, both) == {early, late}
    assert ledger.told_of(place, place.head - 2, both) == {late}
    assert ledger.told_of(place, place.head, both) == frozenset()
    assert ledger.told_of(place, 0, frozenset()) == frozenset()


def test_a_batch_is_limited_in_bytes_too(ledger: Ledger) -> None:
    bench = ready(ledger)
    bench.printed()
    fact = bench.facts[-1].model_copy(update={"detail": "é" * 500})
    many = tuple(fact.model_copy(update={"seq": bench.state.journal.head + number}) for number in range(1, 400))
    place = replace(bench.state.journal, head=bench.state.journal.head + len(many))
    ledger.commit(Changes(place, facts=many))
    batch = ledger.facts(place, 0, 1000)
    assert 50 < len(batch) < len(many)
    assert sum(len(one.model_dump_json()) for one in batch) < 262_144


def test_a_new_epoch_tells_the_same_rows_from_one(ledger: Ledger, path: Path) -> None:
    bench = ready(ledger)
    bench.printed()
    before = ledger.facts(bench.state.journal, 0, 100)
    bench.ack(seq=bench.state.journal.head + 9)
    after = ledger.facts(bench.state.journal, 0, 100)
    assert [fact.model_dump(exclude={"seq"}) for fact in after] == [fact.model_dump(exclude={"seq"}) for fact in before]
    bench.clear(A)
    again = Ledger.open(path)
    assert again.load() == as_remembered(bench.state)
    assert [fact.seq for fact in again.facts(bench.state.journal, 0, 100)] == list(range(1, bench.state.journal.head + 1))
    again.close()


def test_the_age_of_a_ledger_rides_on_every_commit_and_never_falls(ledger: Ledger, path: Path) -> None:
    assert ledger.lived_s() == 0.0
    bench = ready(ledger)
    bench.lived_s = 1_234.5678
    bench.clear(A, "no-such-occupation")
    assert ledger.lived_s() == 1_234.5678
    bench.lived_s = 900.0
    bench.start()
    place = bench.state.journal
    again = Ledger.open(path)
    assert again.lived_s() == 1_234.5678
    written_s, _ = again.oldest(replace(place, oldest=place.head), 0.0, 1)
    assert written_s == [1_234.5678], "what is written now is not older than the ledger"
    assert again.oldest(place, 1_234.5678, 9)[1] == []
    again.close()


@pytest.mark.parametrize("age", ["inf", "nan", "-1", "old"])
def test_an_age_that_cannot_be_is_a_clear_error(ledger: Ledger, age: str) -> None:
    ledger._connection.execute("INSERT INTO meta VALUES ('lived_s', ?)", (age,)).close()
    with pytest.raises(ConfigurationError, match="age cannot be"):
        ledger.lived_s()


# as version 1 made it
VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE printers (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TABLE occupations (
    printer TEXT PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, began_s REAL NOT NULL, began_wall_s REAL NOT NULL,
    job TEXT, outcome TEXT, gap INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (position INTEGER PRIMARY KEY, at_s REAL NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE started (allocation TEXT PRIMARY KEY, jobs INTEGER NOT NULL, at_s REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE commands (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO meta VALUES ('epoch', 'epoch-1'), ('oldest', '1'), ('base', '0'), ('acked', '2'), ('boot', '4'), ('machine', 'm1');
INSERT INTO printers VALUES ('left', 'printer-a');
INSERT INTO journal VALUES
    (1, 20.0, '{"kind":"command-done","at_s":20.0,"command":"command-1","ok":true,"detail":""}'),
    (2, 1900000000.0, '{"kind":"command-done","at_s":1900000000.0,"command":"command-2","ok":true,"detail":""}');
INSERT INTO started VALUES ('alloc-1', 3, 1700000000.0);
INSERT INTO commands (id) VALUES ('command-1'), ('command-2');
PRAGMA user_version = 1;
"""


def test_a_ledger_of_the_first_version_is_taken_over_and_ages_from_then_on(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(VERSION_1).close()
    old.close()
    for _ in range(2):
        ledger = Ledger.open(path)
        kept = ledger.load()
        place = JournalPlace("epoch-1", oldest=1, head=2, acked=2)
        assert (kept.journal, kept.boot, kept.started) == (place, 4, {"alloc-1": 3})
        assert [fact.seq for fact in ledger.facts(place, 0, 9)] == [1, 2]
        assert ledger.printer_ids(["left"]) == {"left": "printer-a"}
        assert (ledger.lived_s(), ledger.oldest(place, 0.0, 9)) == (0.0, ([0.0, 0.0], []))
        assert ledger.oldest(place, 1.0, 9)[1] == ["alloc-1"]
        ledger.close()
    ledger = Ledger.open(path)
    assert ledger._rows("PRAGMA user_version") == [(2,)]
    ledger.commit(Changes(place, 1_800_000_000.0, started={"alloc-1": 4, "alloc-2": 1}, lived_s=77.0))
    assert ledger.oldest(place, 77.0, 9)[1] == []
    assert ledger._rows("SELECT * FROM started WHERE allocation = 'alloc-1'") == [("alloc-1", 4, 1_800_000_000.0, 77.0)]
    ledger.close()


def test_a_ledger_that_is_not_taken_over_stays_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sqlite3.connect(path)
    old.executescript(VERSION_1).close()
    old.close()
    with monkeypatch.context() as patch:
        patch.setattr("farm.node.ledger._AGES", "ALTER TABLE journal ADD COLUMN lived_s REAL NOT NULL DEFAULT 0; broken;")
        with pytest.raises(ConfigurationError, match="syntax error"):
            Ledger.open(path)
    ledger = Ledger.open(path)
    assert ledger.load().started == {"alloc-1": 3}
    ledger.close()


def test_printer_ids_are_made_once(ledger: Ledger, path: Path) -> None:
    ids = ledger.printer_ids(["left", "right", "left"])
    assert set(ids) == {"left", "right"}
    assert ids["left"] != ids["right"]
    again = Ledger.open(path)
    more = again.printer_ids(["right", "third"])
    assert more["right"] == ids["right"]
    again.close()


def test_commands_are_bounded(ledger: Ledger) -> None:
    for number in range(KEEP_COMMANDS + 100):
        ledger.commit(Changes(JournalPlace("e"), commands=(f"command-{number}",)))
    kept = ledger.load().commands
    assert len(kept) == KEEP_COMMANDS
    assert kept[-1] == f"command-{KEEP_COMMANDS + 99}"


def test_nothing_changed_nothing_written(ledger: Ledger, path: Path) -> None:
    bench = ready(ledger)
    bench.start()
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size
    for number in range(50):
        bench.status(A, PrinterState.PRINTING, progress=number / 50)
        bench.report()
        bench.pass_time(1)
        bench.acknowledge()
    assert wal.stat().st_size == size


def test_a_step_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    bench = ready(ledger)
    before = ledger.load()
    bench.ledger = None
    step = bench.allocate(allocation())
    clash = step.state.journal.head  # a row of this number exists: the last statement of the commit fails
    fact = bench.of(object)[-1].model_copy(update={"seq": clash})
    with pytest.raises(LedgerWriteError):
        ledger.commit(replace(core.between(bench.state, step.state, (fact,), 0), boot=(99, "m9")))
    assert ledger.load() == before


def full(ledger: Ledger) -> None:
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}").close()


def test_a_full_disk_changes_nothing_and_recovers(ledger: Ledger) -> None:
    bench = ready(ledger)
    full(ledger)
    before = ledger.load()

    def write_on() -> None:
        nonlocal before
        for _ in range(500):
            before = ledger.load()
            bench.clear(A, "no-such-occupation")

    with pytest.raises(LedgerWriteError) as caught:
        write_on()
    assert caught.value.full
    assert "Free some space" in caught.value.next_step
    assert ledger.load() == before, "nothing of the step has happened"
    ledger._connection.execute("PRAGMA max_page_count = 1000000").close()
    bench.state = replace(bench.state, journal=before.journal, commands=before.commands)
    bench.clear(A, "no-such-occupation")
    assert ledger.load().journal.head == before.journal.head + 1


NO_DATABASES = [b"this is no database, and long enough to be read as one" * 100, b"SQLite format 3\x00" + b"\xff" * 5000]


@pytest.mark.parametrize("content", NO_DATABASES)
def test_a_damaged_file_is_a_clear_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        Ledger.open(path).load()
    assert "check every bed" in caught.value.next_step


def test_a_row_that_cannot_be_read_is_a_clear_error(ledger: Ledger) -> None:
    ledger._connection.execute("INSERT INTO meta VALUES ('allocations', '{broken')").close()
    with pytest.raises(ConfigurationError, match="content cannot be read"):
        ledger.load()


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unable to open"):
        Ledger.open(tmp_path / "none" / "ledger.sqlite")


def test_a_ledger_of_a_newer_agent_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer agent"):
        Ledger.open(path)


def test_a_ledger_that_cannot_be_written_is_a_clear_error(path: Path) -> None:
    Ledger.open(path).close()
    path.chmod(0o444)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        original = sqlite3.connect
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", lambda name, **named: original(name, **{**named, "timeout": 0.05}))
            patch.setattr("farm.node.ledger._PRAGMAS", ("PRAGMA busy_timeout = 50",))
            with pytest.raises(ConfigurationError, match="locked"):
                Ledger.open(path)
    finally:
        holder.close()


KILLED = """
import sys
from pathlib import Path
from typing import Any
from tests.unit.farm.node.test_ledger import Ledger, ready
ledger = Ledger.open(Path(sys.argv[1]))
bench = ready(ledger)
while True:
    job = bench.printed().job
    print(bench.state.journal.head, bench.state.occupations["printer-a"].id, flush=True)
    bench.collect(job)
    print(bench.state.journal.head, "-", flush=True)
"""


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(31)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    head, occupation = next(line.split() for line in reversed(lines) if line.endswith("\n"))
    ledger = Ledger.open(path)
    kept = ledger.load()
    facts = ledger.facts(kept.journal, 0, 100_000)
    ledger.close()
    assert kept.journal.head >= int(head), "everything that was printed after its commit is there"
    assert [fact.seq for fact in facts] == list(range(1, len(facts) + 1))
    if kept.journal.head == int(head):
        assert (kept.occupations[A].id if A in kept.occupations else "-") == occupation


def test_a_clear_bed_stays_clear(ledger: Ledger) -> None:
    bench = ready(ledger)
    bench.collect(bench.printed().job)
    assert ledger.load().occupations == {}
    assert bench.state.bed(A) is BedState.CLEAR
