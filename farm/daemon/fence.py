"""When a daemon must stop acting: somebody else uses its generation or a higher one, or its store is older than its word."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from farm.bus.messages import Report
from gcode.texts import Bilingual
from scheduler.model import NodeRecord


class FenceWhy(StrEnum):
    """What was seen."""

    TAKEN_OVER = "taken-over"  # a node obeys a higher generation
    SAME_GENERATION = "same-generation"  # a node obeys ours, and we have told it nothing yet: another daemon was restored too
    PUT_BACK = "put-back"  # a node shows or was promised what our store does not hold


class Counted(StrEnum):
    """What a fence compares."""

    GENERATION = "generation"
    PLAN = "plan"  # versions of the node's desired state
    FACTS = "facts"  # acknowledged facts of the node's journal


@dataclass(frozen=True, slots=True)
class Fence:
    """Why a daemon only watches: what `node` showed, and what we have, of what is `counted`."""

    why: FenceWhy
    node: str
    heard: int
    known: int
    counted: Counted = Counted.GENERATION


def find_fence(report: Report, record: NodeRecord, generation: int, *, listening: bool) -> Fence | None:
    """What a report says against acting on; None when nothing does.

    Versions of desired states and acknowledgements of the journal follow commits: a node that shows higher ones than our record has
    them from a store that we no longer have. An acknowledgement is compared within one ledger only, and only when it came in this
    generation (a node goes back to just before `oldest` on a new one). `listening`: we have told nobody our generation yet.
    Ask `speaks_for_another` first: a node that has only just joined fences nobody.
    """
    node = record.id
    if report.generation > generation:
        return Fence(FenceWhy.TAKEN_OVER, node, report.generation, generation)
    if report.generation < generation:
        return None
    if listening:
        return Fence(FenceWhy.SAME_GENERATION, node, report.generation, generation)
    journal = report.journal
    if report.desired_version > record.version:
        return Fence(FenceWhy.PUT_BACK, node, report.desired_version, record.version, Counted.PLAN)
    if journal.acked is None or journal.acked < journal.oldest or journal.epoch != record.epoch:
        return None
    return Fence(FenceWhy.PUT_BACK, node, journal.acked, record.seq, Counted.FACTS) if journal.acked > record.seq else None


def speaks_for_another(report: Report, record: NodeRecord, generation: int, *, listening: bool) -> bool:
    """Whether a node of which we have not taken a report yet obeys somebody else: it joined with the memory of another node.

    What such a report shows was never a word of ours, so that it is no reason to stand still: it is not taken in. Only a restored
    daemon that still listens cannot tell this from a node that another daemon, restored like it, has told already.
    """
    if record.epoch or listening:
        return False
    asked = replace(record, epoch=report.journal.epoch)
    return find_fence(report, asked, generation, listening=listening) is not None


_COUNTED: Final = {
    Counted.GENERATION: Bilingual("generation {0} here, {1} there", "génération {0} ici, {1} là-bas"),
    Counted.PLAN: Bilingual("version {0} of its plan here, {1} there", "version {0} de son plan ici, {1} là-bas"),
    Counted.FACTS: Bilingual("{0} of its facts here, {1} there", "{0} de ses faits ici, {1} là-bas"),
}


def fence_text(fence: Fence, name: str) -> Bilingual:
    """What a person is told; `name` is that of the node."""
    match fence.why:
        case FenceWhy.TAKEN_OVER:
            return Bilingual(
                f"{name} obeys generation {fence.heard}, we are {fence.known}: another daemon took over.",
                f"{name} obéit à la génération {fence.heard}, la nôtre est {fence.known} : un autre démon a pris la main.",
            )
        case FenceWhy.SAME_GENERATION:
            return Bilingual(
                f"{name} obeys generation {fence.heard} already, and not from us: another daemon was restored like this one.",
                f"{name} obéit déjà à la génération {fence.heard}, et pas de nous : un autre démon a été restauré comme celui-ci.",
            )
        case FenceWhy.PUT_BACK:
            counted = _COUNTED[fence.counted]
            en, fr = (text.format(fence.known, fence.heard) for text in (counted.en, counted.fr))
            return Bilingual(
                f"The database is older than what {name} was told ({en}): it was put back.",
                f"La base est plus ancienne que ce que {name} a appris ({fr}) : une vieille copie a été remise.",
            )


def fence_step(fence: Fence) -> Bilingual:
    """What the person should do."""
    if fence.why is FenceWhy.PUT_BACK:
        return Bilingual(
            "Stop this daemon and put the newer database back if there is one. If there is none: farm take-over. "
            "The nodes then tell again what they did since.",
            "Arrêtez ce démon et remettez la base plus récente, s'il y en a une. S'il n'y en a pas : farm take-over. "
            "Les nœuds racontent alors de nouveau ce qu'ils ont fait depuis.",
        )
    return Bilingual(
        "Nothing is decided here until one of the two ends. Stop this daemon, or, if it is the right one: farm take-over.",
        "Rien n'est décidé ici tant que les deux durent. Arrêtez ce démon ou, si c'est le bon : farm take-over.",
    )
