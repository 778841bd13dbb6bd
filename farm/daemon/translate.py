"""Between the bus and the scheduler: journal facts to plain values, allocations to a desired state."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError, create_model
from pydantic_core import from_json

from farm.bus import messages
from farm.daemon.refusals import refused_by
from farm.wrong_values import said_of
from gcode.texts import Bilingual, both
from scheduler import facts
from scheduler.eligibility import answered
from scheduler.model import Allocation, Farm, OccupationKind, PrinterNow

_FACT: Final[TypeAdapter[messages.Fact]] = TypeAdapter(messages.Fact)
# The same journal when all its facts are of kinds that we know: they are validated together, in half the time
_KNOWN: Final[Any] = create_model(
    "KnownJournal",
    __base__=messages.JournalHead,
    facts=(Annotated[list[messages.Fact], Field(max_length=messages.MAX_FACTS)], ...),
)
_MAX_CONTENT: Final = 4_000
_MAX_REASON: Final = 500
_NO_NUMBER: Final = Bilingual(
    "seq: its own number cannot be read; its place among the others says which fact it is",
    "seq : son propre numéro ne peut pas être lu ; sa place parmi les autres dit de quel fait il s'agit",
)


def read_batch(node: str, payload: bytes) -> facts.Batch:
    """A piece of a journal, as it came.

    Raises:
        ValidationError: it is no journal of this version.

    """
    try:
        content = from_json(payload)
        journal: Any = _KNOWN.model_validate(content)
    except ValueError:  # one fact is enough: then each is looked at on its own
        return batch(node, messages.Journal.model_validate_json(payload))
    told = tuple([_plain(known) for known in journal.facts])

    def tag_of(seq: int) -> str:
        return _tag_of([messages.RawFact.model_validate(raw) for raw in content["facts"] if raw["seq"] == seq])

    return facts.Batch(node, journal.epoch, journal.oldest, told, tag_of)


def batch(node: str, journal: messages.Journal) -> facts.Batch:
    """A piece of a journal; a fact that cannot be understood becomes `Unreadable`."""

    def tag_of(seq: int) -> str:
        return _tag_of([raw for raw in journal.facts if raw.seq == seq])

    return facts.Batch(node, journal.epoch, journal.oldest, tuple(fact(raw) for raw in journal.facts), tag_of)


def _tag_of(found: Sequence[messages.RawFact]) -> str:
    # what has no number of its own is no fact of an honest node, so that it says nothing about its ledger
    return messages.fact_tag(found[0]) if found and not isinstance(found[0], messages.PlacedFact) else ""


def fact(raw: messages.RawFact) -> facts.Fact:
    """One fact."""
    if isinstance(raw, messages.PlacedFact):
        return facts.Unreadable(raw.seq, json.dumps(raw.told, default=str)[:_MAX_CONTENT], _NO_NUMBER.en)
    content = raw.model_dump(exclude_unset=True)
    try:
        return _plain(_FACT.validate_python(content))
    except ValidationError as error:
        return facts.Unreadable(raw.seq, json.dumps(content, default=str)[:_MAX_CONTENT], _why(error).en)


def _why(error: ValidationError) -> Bilingual:
    problem = error.errors(include_url=False, include_input=False)[0]
    where, said = ".".join(str(level) for level in problem["loc"]), said_of(problem)
    en, fr = (f"{where}: {said.en}", f"{where} : {said.fr}") if where else said
    return Bilingual(messages.harmless(en)[:_MAX_REASON], messages.harmless(fr)[:_MAX_REASON])


def why_unreadable(content: str, reason: str) -> Bilingual:
    """Why a fact with this content was set aside. Kept is the English `reason`; its French is found again in the content.

    The English stands for both when the content was cut, or is read in another way by now.
    """
    if reason == _NO_NUMBER.en:
        return _NO_NUMBER
    try:
        _FACT.validate_python(from_json(content))
    except ValidationError as error:
        found = _why(error)
        return found if found.en == reason else both(reason)
    except ValueError:  # what was cut is no JSON
        pass
    return both(reason)


def _reference(source: messages.JobReference) -> facts.JobReference:
    return facts.JobReference(
        job=source.job,
        allocation=source.allocation,
        order=source.order,
        revision=source.revision,
        program=source.program,
        parts=source.parts,
        estimated_s=source.estimated_s,
    )


def _plain(source: messages.Fact) -> facts.Fact:
    match source:
        case messages.JobStarted():
            return facts.JobStarted(source.seq, source.printer, _reference(source.reference))
        case messages.JobEnded():
            return facts.JobEnded(
                source.seq,
                source.printer,
                _reference(source.reference),
                source.outcome,
                detail=source.detail,
                detail_fr=source.detail_fr or "",
                code=source.code or "",
                by_person=source.by_person,
            )
        case messages.JobCollected():
            return facts.JobCollected(
                source.seq, source.printer, _reference(source.reference), source.good, source.scrap, by=source.by
            )
        case messages.BedCleared():
            return facts.BedCleared(source.seq, source.printer, source.occupation)
        case messages.CommandDone():
            return facts.CommandDone(
                source.seq, source.printer, source.command, source.ok, detail=source.detail, detail_fr=source.detail_fr
            )
        case messages.FaultRaised():
            return facts.FaultSeen(source.seq, source.printer, source.fault.text)


def printer_now(node: str, report: messages.PrinterReport) -> PrinterNow:
    """A printer as a decision sees it."""
    occupation = report.occupation
    ours = occupation.job if occupation is not None and occupation.kind is OccupationKind.JOB else None
    return PrinterNow(
        id=report.id,
        node=node,
        name=report.name,
        profile=report.profile,
        material=report.material,
        nozzle_mm=report.nozzle_mm,
        bed=report.bed,
        ready=report.ready,
        running=occupation is not None and occupation.kind is not OccupationKind.UNKNOWN and occupation.outcome is None,
        occupation=occupation.id if occupation is not None else None,
        job=ours.job if ours is not None else None,
        autonomy_s=report.autonomy_s,
        by_hand=report.driver == "manual",
        why_not_ready=None if report.reason is None else (report.reason.code, report.reason.en, report.reason.fr),
        refused=refused_by(report),
        checks=report.checks,
    )


def desired(farm: Farm, node: str, settings: messages.Settings, held: Iterable[Allocation]) -> messages.Desired:
    """Everything that a node should hold: allocations under which something may still be started."""
    printers: dict[str, list[messages.AllocationOrder]] = {}
    for allocation in held:
        if allocation.node == node and allocation.jobs > allocation.started:
            printers.setdefault(allocation.printer, []).append(_allocation_order(farm, allocation))
    return messages.Desired(
        generation=farm.generation, version=farm.node_records[node].version, printers=printers, settings=settings
    )


def _allocation_order(farm: Farm, allocation: Allocation) -> messages.AllocationOrder:
    program, order = farm.programs.get(allocation.program), farm.orders.get(allocation.order)
    return messages.AllocationOrder(
        id=allocation.id,
        order=allocation.order,
        revision=allocation.revision,
        program=messages.ProgramReference(
            sha256=allocation.program,
            size_bytes=program.size_bytes if program is not None else 0,
            parts=allocation.parts,
            estimated_s=allocation.estimated_s,
        ),
        jobs=allocation.jobs,
        priority=order.priority if order is not None else 0,
        autonomy_s=allocation.autonomy_s,
        released_by=program.released_by if program is not None and program.released else "",
        released_for=sorted(answered(program))[: messages.MAX_TRUST] if program is not None else [],
        rule_set=program.rule_set if program is not None else 0,
    )
