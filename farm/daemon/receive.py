"""What nodes say, taken in: a message is parsed and judged here, and changes a draft; contact follows once that is committed.

A message that is not ours, of a future version, out of range, or about another node's printer is rejected: counted, logged once for
its node and reason, acknowledged to the broker (repeating it would not help), and the stream goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from pydantic import ValidationError

from farm.bus.client import Received
from farm.bus.messages import JournalPosition, Link, PrinterReport, Report, Telemetry
from farm.bus.topics import Stream, parse, speaker
from farm.daemon.absent import NOT_REPORTED, record_of, report_of, waiting_job
from farm.daemon.fence import find_fence, speaks_for_another
from farm.daemon.generation import FARTHEST
from farm.daemon.refusals import with_earlier
from farm.daemon.translate import printer_now, read_batch
from farm.daemon.world import NEVER, NodeLink, World
from farm.log import get_logger
from scheduler.draft import Draft
from scheduler.facts import Batch, Notice
from scheduler.lifecycle import OLD_LEDGER, OLD_LEDGER_FR, anchor_running, enter_epoch, owner_of, seen_running, take_batch
from scheduler.model import NodeRecord, PrinterNow, PrinterRecord, Rules

_log = get_logger(__name__)
_Message = TypeVar("_Message")
_READERS: Final[dict[Stream, Callable[[str, bytes], Report | Batch | Link]]] = {
    Stream.REPORT: lambda _node, payload: Report.model_validate_json(payload),
    Stream.JOURNAL: read_batch,
    Stream.LINK: lambda _node, payload: Link.model_validate_json(payload),
}
_MAX_KEPT: Final = 1_000  # (node, reason) pairs that are counted one by one: names come from outside
_MAX_UNKNOWN: Final = 500  # of them for names that are no node of ours
_MAX_NAME: Final = 64


class Rejections:
    """Counts what was rejected, and logs the first of every node and reason."""

    def __init__(self, name_of: Callable[[str], str | None] = str) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._name_of = name_of

    def add(self, node: str, reason: str, detail: str = "") -> None:
        """Count one."""
        key, name = (node, reason), self._name_of(node) or ""
        most = _MAX_KEPT if name else _MAX_UNKNOWN
        if key not in self.counts and len(self.counts) >= most:
            key = ("", reason)
        self.counts[key] += 1
        if self.counts[key] == 1:
            _log.warning("message.rejected", name=name, node=node[:_MAX_NAME], reason=reason, detail=detail[:300])

    def of_nodes(self) -> dict[str, dict[str, int]]:
        """By node, and there by reason."""
        found: dict[str, dict[str, int]] = {}
        for (node, reason), count in self.counts.items():
            found.setdefault(node, {})[reason] = count
        return found

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Now:
    """The daemon's clocks at one moment: `boot_s` for silences, `wall_s` for people, `steady_s` for what is due."""

    boot_s: float
    wall_s: float
    steady_s: float


@dataclass(slots=True)
class Effects:
    """What follows once the draft is committed.

    Contact waits for the commit too: a report that could not be taken in must be news when it is repeated.
    """

    links: dict[str, NodeLink] = field(default_factory=dict)  # copies: what the messages of this batch have changed so far
    printers: dict[str, dict[str, tuple[PrinterNow, PrinterReport]]] = field(default_factory=dict)  # by node, as last shown
    seen: dict[str, PrinterNow] | None = None  # all printers as the draft sees them, once a report has changed one
    shown: dict[str, Report] = field(default_factory=dict)  # live reports that wait for an answer
    told: set[str] = field(default_factory=set)  # nodes that wait for an answer to their journal
    outdated: dict[str, JournalPosition] = field(default_factory=dict)  # nodes with a past ledger, and where it stands
    notices: list[Notice] = field(default_factory=list)
    changed: bool = False  # whether there is something to decide

    def link(self, world: World, node: str, boot_s: float) -> NodeLink:
        """What the bus told of a node, this batch included."""
        if node not in self.links:
            self.links[node] = replace(world.link(node, boot_s))
        return self.links[node]

    def take_printers(self, draft: Draft, node: str, shown: dict[str, tuple[PrinterNow, PrinterReport]]) -> None:
        """A report shows the printers of its node; the rest of the batch sees them already."""
        self.printers[node] = shown
        if self.seen is None:
            self.seen = dict(draft.farm.printers)
            draft.farm = replace(draft.farm, printers=self.seen)
        self.seen.update((key, printer) for key, (printer, _report) in shown.items())

    def show(self, world: World, boot_s: float) -> None:
        """The draft is committed: contact and printers are as this batch told."""
        for node, link in self.links.items():
            world.link(node, boot_s).adopt(link)
        for node, shown in self.printers.items():
            world.show_printers(node, shown)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message of a node that joined."""

    node: str
    message: Report | Batch | Link
    retained: bool


class Receiver:
    """Takes messages in for one world."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules
        self.rejections = Rejections(self._name_of)

    def _name_of(self, node: str) -> str:
        record = self._world.record(node)
        return "" if record is None else record.name or record.id

    def too_large(self, topic_name: str, size_bytes: int) -> None:
        """Count a packet that was dropped unread."""
        self.rejections.add(speaker(topic_name), "too-large", f"{size_bytes} bytes on {topic_name}")

    def parse(self, received: Received) -> Parsed | None:
        """Read a message; None when it was rejected."""
        place = parse(received.topic)
        if place is None:
            self.rejections.add(speaker(received.topic), "topic", received.topic)
            return None
        node, stream = place
        if self._world.record(node) is None:
            self.rejections.add(node, "unknown-node")
            return None
        reader = _READERS.get(stream)
        if reader is None:
            self.rejections.add(node, "stream", received.topic)
            return None
        message = self._read(node, stream, reader, received.payload)
        return None if message is None else Parsed(node, message, received.retained)

    def _read(self, node: str, stream: Stream, reader: Callable[[str, bytes], _Message], payload: bytes) -> _Message | None:
        try:
            return reader(node, payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            detail = f"{'.'.join(str(level) for level in first['loc'])}: {first['msg']}"
            self.rejections.add(node, f"unreadable-{stream}", detail)
            return None

    def wanted(self, messages: list[Parsed]) -> tuple[set[str], set[str]]:
        """Jobs and allocations that facts name and that are not in memory: they may be in the store."""
        jobs: set[str] = set()
        allocations: set[str] = set()
        farm = self._world.durable
        for parsed in messages:
            for fact in parsed.message.facts if isinstance(parsed.message, Batch) else ():
                reference = getattr(fact, "reference", None)
                if reference is not None:
                    jobs.add(reference.job)
                    allocations.add(reference.allocation)
        return jobs - farm.jobs.keys(), allocations - farm.allocations.keys()

    def take(self, draft: Draft, parsed: Parsed, effects: Effects, now: Now) -> None:
        """Let a message change the draft, and what follows once that is committed."""
        link = effects.link(self._world, parsed.node, now.boot_s)
        match parsed.message:
            case Batch():
                self._journal(draft, parsed.message, effects, now)
            case Link():
                self._link(link, parsed.message, effects)
            case Report():
                self._report(draft, parsed, link, effects, now)

    def telemetry(self, node: str, payload: bytes, boot_s: float) -> bool:
        """Keep the newest figures of a node, in memory only; tell whether they were any news."""
        if self._world.record(node) is None:
            self.rejections.add(node, "unknown-node")
            return False
        message = self._read(node, Stream.TELEMETRY, lambda _node, content: Telemetry.model_validate_json(content), payload)
        if message is None:
            return False
        link = self._world.link(node, boot_s)
        if (message.boot, message.count) <= link.telemetry_key:
            return False
        link.telemetry_key = (message.boot, message.count)
        link.telemetry = dict(message.printers)
        return True

    def watch(self, received: Received) -> None:
        """While we only watch: note the generations that nodes obey, so that who takes over goes above all of them."""
        parsed = self.parse(received)
        if parsed is not None and isinstance(parsed.message, Report):
            self._must_stop(self._world.durable.node_records[parsed.node], parsed.message)

    # --- streams ---------------------------------------------------------------------------------------------------------------

    def _journal(self, draft: Draft, facts: Batch, effects: Effects, now: Now) -> None:
        notices = take_batch(draft, facts, now.wall_s, self._rules, steady_s=now.steady_s)
        effects.notices += notices
        if any(notice.text == OLD_LEDGER for notice in notices):
            effects.outdated[facts.node] = JournalPosition(epoch=facts.epoch, oldest=facts.oldest, head=facts.facts[-1].seq)
            return
        effects.told.add(facts.node)
        effects.changed = True

    def _link(self, link: NodeLink, message: Link, effects: Effects) -> None:
        if message.connection >= link.connection:
            effects.changed = effects.changed or link.online != message.online
            link.connection, link.online = message.connection, message.online

    def _report(self, draft: Draft, parsed: Parsed, link: NodeLink, effects: Effects, now: Now) -> None:
        node, report = parsed.node, parsed.message
        assert isinstance(report, Report)
        if self._must_stop(draft.farm.node_records[node], report):
            return
        if not self._owns(draft, node, report):
            return
        if not enter_epoch(draft, node, report.journal.epoch, effects.notices):
            if not parsed.retained:  # else it was under way since before the node's ledger changed
                effects.outdated[node] = report.journal
                effects.notices.append(Notice("ledger.old", node, OLD_LEDGER, OLD_LEDGER_FR))
            return
        if link.follow(report.journal.epoch):  # a journal may have told of the new ledger first
            effects.changed = True
        key = (report.boot, report.report)
        if key > link.seen:
            self._show(draft, parsed, link, effects)
            effects.changed = True
        if parsed.retained:
            return
        if key > link.alive:
            self._see_running(draft, link, report, now)
            link.alive, link.alive_s, link.online = key, now.boot_s, True
            effects.shown[node] = report
        else:
            effects.told.add(node)

    def _must_stop(self, record: NodeRecord, report: Report) -> bool:
        """Whether a report is not ours to act on: it fences us, or its generation cannot be believed."""
        world = self._world
        if report.generation > world.generation + FARTHEST:
            self.rejections.add(record.id, "impossible-generation", str(report.generation))
            return True
        world.heard_generation = max(world.heard_generation, report.generation)
        if speaks_for_another(report, record, world.generation, listening=world.listening):
            shown = f"generation {report.generation}, version {report.desired_version}; we are {world.generation}"
            self.rejections.add(record.id, "foreign-generation", shown)
            return True
        found = find_fence(report, record, world.generation, listening=world.listening)
        if found is not None and world.fence is None:
            world.fence = found
        return found is not None

    def _see_running(self, draft: Draft, link: NodeLink, report: Report, now: Now) -> None:
        is_first = link.alive == NEVER and not self._world.same_time
        was_silent = now.boot_s - link.heard_s > self._rules.suspect_after_s
        for age_s, job in _running(report):
            if is_first:
                anchor_running(draft, job, age_s, now.steady_s, self._rules)
            seen_running(draft, job, now.steady_s, self._rules, was_silent=was_silent)

    def _owns(self, draft: Draft, node: str, report: Report) -> bool:
        for shown in report.printers:
            owner = owner_of(draft.farm, shown.id)
            if owner not in {None, node}:
                self.rejections.add(node, "printer-of-another-node", f"{shown.id} is one of {owner}")
                return False
        return True

    @staticmethod
    def _show(draft: Draft, parsed: Parsed, link: NodeLink, effects: Effects) -> None:
        node, report = parsed.node, parsed.message
        assert isinstance(report, Report)
        link.seen, link.report = (report.boot, report.report), report
        printers = [*report.printers, *_not_named(draft, node, report, retained=parsed.retained)]
        farm = draft.farm
        now = (with_earlier(printer_now(node, one), farm.printers.get(one.id), farm.programs) for one in printers)
        effects.take_printers(draft, node, {shown.id: (here, shown) for here, shown in zip(now, printers, strict=True)})
        record = draft.farm.node_records[node]
        if report.name not in {"", record.name}:  # its owner has named it anew since it joined
            draft.put(replace(record, name=report.name))
        for shown in report.printers:
            if draft.farm.printer_records.get(shown.id) != record_of(node, shown):
                draft.put(record_of(node, shown))


def _running(report: Report) -> Iterator[tuple[float, str]]:
    """The jobs of ours that a report shows running: for how long, and which."""
    for shown in report.printers:
        if shown.occupation is not None and shown.occupation.job is not None and shown.occupation.outcome is None:
            yield shown.occupation.age_s, shown.occupation.job.job


def _not_named(draft: Draft, node: str, report: Report, *, retained: bool) -> list[PrinterReport]:
    """Printers of the node that its report leaves out: kept while a job on them waits; a live report makes the others forgotten."""
    named = {shown.id for shown in report.printers}
    kept = []
    for record in [item for item in draft.farm.printer_records.values() if item.node == node and item.id not in named]:
        job = waiting_job(record.id, draft.farm.jobs.values())
        if job is None and not retained:
            draft.forget(PrinterRecord, record.id)
        else:
            kept.append(report_of(record, job, NOT_REPORTED))
    return kept
