"""Hard constraints: each one small function that returns why not, or None.

A printer is *standing* when its node can be trusted to make parts at some time; it is *free* when it may be given an allocation
now. A program *suits* a printer when the machine can print it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.model import BedState, Farm, NodeNow, Order, PrinterNow, Program, Rules, Verdict, approval_key
from scheduler.refused import Refused

_TOLERANCE_MM: Final = 0.5  # a skirt that ends on the edge of the bed fits
_NOZZLE_TOLERANCE_MM: Final = 0.01


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not: a stable code for machines, a sentence for people in English and in French."""

    code: str
    en: str
    fr: str


HAS_ALLOCATION: Final = Reason("has-allocation", "It already has jobs to start.", "Elle a déjà des impressions à lancer.")

JOB_OVERDUE: Final = Reason(
    "job-overdue",
    "Its job should have ended long ago: look at the printer.",
    "Son impression devrait être finie depuis longtemps : allez voir l'imprimante.",
)

Constraint = Callable[[Farm, PrinterNow, Rules], Reason | None]
ProgramConstraint = Callable[[Farm, PrinterNow, Program], Reason | None]


def is_suspect(node: NodeNow, rules: Rules) -> bool:
    """Whether a node has been silent for so long, or has said goodbye, that it gets no new work."""
    return not node.online or node.silent_s > rules.suspect_after_s


# --- standing: the node ----------------------------------------------------------------------------------------------------------


def node_known(farm: Farm, printer: PrinterNow, _rules: Rules) -> Reason | None:
    """The node has joined and was not removed."""
    record = farm.node_records.get(printer.node)
    if record is None or record.revoked:
        return Reason("node-revoked", "Its node was removed from the farm.", "Son nœud a été retiré de la ferme.")
    return None


def node_replayed(farm: Farm, printer: PrinterNow, _rules: Rules) -> Reason | None:
    """The daemon has heard the node's journal up to its head."""
    node = farm.nodes.get(printer.node)
    if node is None or not node.replayed:
        return Reason("node-not-replayed", "Its node is still telling what it did.", "Son nœud raconte encore ce qu'il a fait.")
    return None


def node_not_suspect(farm: Farm, printer: PrinterNow, rules: Rules) -> Reason | None:
    """The node was heard lately."""
    node = farm.nodes.get(printer.node)
    if node is None or is_suspect(node, rules):
        return Reason("node-silent", "Its node has not been heard lately.", "Son nœud ne donne plus de nouvelles.")
    return None


# --- free: the printer -----------------------------------------------------------------------------------------------------------


def printer_ready(_farm: Farm, printer: PrinterNow, _rules: Rules) -> Reason | None:
    """The machine answers and accepts work. A bed that is not clear is a reason of its own."""
    if printer.ready or printer.bed is not BedState.CLEAR:
        return None
    if printer.why_not_ready is not None:
        return Reason(*printer.why_not_ready)
    return Reason("printer-not-ready", "The printer is not ready.", "L'imprimante n'est pas prête.")


def bed_clear(farm: Farm, printer: PrinterNow, _rules: Rules) -> Reason | None:
    """The bed is clear, or a job of ours runs on it that is not overdue: the next one may be allocated ahead."""
    if printer.bed is BedState.CLEAR:
        return None
    if prints_ours(printer):
        job = farm.jobs.get(printer.job or "")
        return JOB_OVERDUE if job is not None and job.written_off else None
    if printer.bed is BedState.UNKNOWN:
        return Reason(
            "bed-unknown",
            "Nobody knows what is on the bed: look, and clear it.",
            "Plateau à vérifier : personne ne sait ce qui s'y trouve.",
        )
    if printer.job is not None:
        return Reason(
            "bed-not-collected", "Parts wait on the bed: collect them.", "Des pièces attendent sur le plateau : collectez-les."
        )
    return Reason("bed-occupied", "Something else is on the bed.", "Autre chose occupe le plateau.")


def no_open_allocation(farm: Farm, printer: PrinterNow, _rules: Rules) -> Reason | None:
    """One allocation with unstarted jobs at a time."""
    if printer.id in busy_printers(farm):
        return HAS_ALLOCATION
    return None


def prints_ours(printer: PrinterNow) -> bool:
    """Whether a job of ours is being printed now."""
    return printer.running and printer.job is not None


def busy_printers(farm: Farm) -> set[str]:
    """Printers that hold jobs they have not started."""
    return {allocation.printer for allocation in farm.allocations.values() if allocation.unstarted}


# --- suits: the program ----------------------------------------------------------------------------------------------------------

REJECTED: Final = Reason(
    "program-rejected",
    "Its program does not pass the checks of its profile: upload a corrected file.",
    "Son programme ne passe pas les contrôles de son profil : envoyez un fichier corrigé.",
)
NOT_RELEASED: Final = Reason(
    "program-not-released",
    "Its program needs a named person who answers for it: release it, or upload another file.",
    "Son programme a besoin d'une personne nommée qui en réponde : validez-le, ou envoyez un autre fichier.",
)


def may_be_printed(_farm: Farm, _printer: PrinterNow, program: Program) -> Reason | None:
    """The file passed the checks of its profile, or somebody answers for what it needs trust for."""
    if program.usable:
        return None
    return REJECTED if program.verdict is Verdict.REJECT else NOT_RELEASED


def not_refused(_farm: Farm, printer: PrinterNow, program: Program) -> Reason | None:
    """The printer's own node has not refused the file: it checks each one again, by what the printer's owner allows."""
    found = next((refusal for refusal in printer.refused if refusal.program == program.sha256), None)
    return None if found is None or not _stands(found, program) else Reason(found.code, found.en, found.fr)


def answered(program: Program) -> frozenset[str]:
    """The rules for which a named person answers."""
    return frozenset(word.partition("=")[0] for word in program.released_for.split()) if program.released else frozenset()


def _stands(refused: Refused, program: Program) -> bool:
    """Whether a refusal holds for the program as it is: whoever released it has not answered for what the node found."""
    if not refused.needs or not program.released:
        return True
    return refused.rule_set != program.rule_set and not refused.needs <= answered(program)


def fits_bed(farm: Farm, printer: PrinterNow, program: Program) -> Reason | None:
    """The extruding moves stay within what the machine can reach."""
    space = farm.build_spaces.get(printer.profile)
    if space is None:
        return Reason(
            "unknown-profile", "The farm does not know this class of printers.", "La ferme ne connaît pas ce type d'imprimante."
        )
    needed = (program.width_mm, program.depth_mm, program.height_mm)
    there = (space.width_mm, space.depth_mm, space.height_mm)
    if any(need > has + _TOLERANCE_MM for need, has in zip(needed, there, strict=True)):
        return Reason("too-large", "The part is larger than the bed.", "La pièce est plus grande que le plateau.")
    return None


def nozzle_matches(_farm: Farm, printer: PrinterNow, program: Program) -> Reason | None:
    """The file was sliced for this nozzle."""
    if abs(printer.nozzle_mm - program.nozzle_mm) > _NOZZLE_TOLERANCE_MM:
        return Reason(
            "nozzle",
            f"It needs a nozzle of {program.nozzle_mm:g} mm, this one has {printer.nozzle_mm:g} mm.",
            f"Il faut une buse de {program.nozzle_mm:g} mm, celle-ci a {printer.nozzle_mm:g} mm.",
        )
    return None


def material_matches(_farm: Farm, printer: PrinterNow, program: Program) -> Reason | None:
    """The filament on the printer is what the file was sliced for."""
    if printer.material.strip().casefold() != program.material.strip().casefold():
        return Reason(
            "material",
            f"It needs {program.material}, the printer has {printer.material or 'none'}.",
            f"Il faut du {program.material}, l'imprimante a : {printer.material or 'rien'}.",
        )
    return None


STANDING: Final[tuple[Constraint, ...]] = (node_known, node_replayed, node_not_suspect)
FREE: Final[tuple[Constraint, ...]] = (bed_clear, printer_ready, no_open_allocation)
SUITS: Final[tuple[ProgramConstraint, ...]] = (may_be_printed, not_refused, fits_bed, nozzle_matches, material_matches)


def printer_reasons(
    farm: Farm, printer: PrinterNow, rules: Rules, constraints: Sequence[Constraint] = (*STANDING, *FREE)
) -> list[Reason]:
    """All reasons why this printer gets no allocation now."""
    found = (constraint(farm, printer, rules) for constraint in constraints)
    return [reason for reason in found if reason is not None]


def program_reasons(farm: Farm, printer: PrinterNow, program: Program) -> list[Reason]:
    """All reasons why this printer cannot print this program."""
    found = (constraint(farm, printer, program) for constraint in SUITS)
    return [reason for reason in found if reason is not None]


def order_reason(farm: Farm, order: Order) -> Reason | None:
    """Why nothing may be made for an order at all."""
    revision = farm.revisions.get(order.revision)
    if revision is not None and revision.recalled:
        return Reason("revision-recalled", "Its revision was recalled.", "Sa révision a été rappelée.")
    if not order.open:
        return Reason("order-closed", "The order is met or cancelled.", "La commande est honorée ou annulée.")
    if revision is not None and revision.draft:
        return Reason(
            "revision-draft",
            "Its revision is a draft: somebody must release it.",
            "Sa révision est un brouillon : quelqu'un doit la valider.",
        )
    if not is_approved(farm, order.requester, order.revision):
        return Reason(
            "not-approved", "Its requester has not approved this revision.", "Son demandeur n'a pas approuvé cette révision."
        )
    return None


def is_approved(farm: Farm, requester: str, revision: str) -> bool:
    """Whether a requester takes parts of a revision: everybody does who keeps no list of approvals."""
    known = farm.requesters.get(requester)
    return known is None or not known.approves or approval_key(requester, revision) in farm.approvals


ProgramIndex = Mapping[tuple[str, str], Sequence[Program]]


def index_programs(programs: Iterable[Program]) -> ProgramIndex:
    """Programs by (revision, profile)."""
    index: dict[tuple[str, str], list[Program]] = {}
    for program in programs:
        index.setdefault((program.revision, program.profile), []).append(program)
    return index


def suitable(farm: Farm, printer: PrinterNow, order: Order, index: ProgramIndex) -> list[Program]:
    """Programs of the order's revision that this printer can print."""
    variants = index.get((order.revision, printer.profile), ())
    return [program for program in variants if not program_reasons(farm, printer, program)]


Kind = tuple[str, str, float, frozenset[tuple[str, frozenset[str], int]]]


def kind_of(printer: PrinterNow) -> Kind:
    """What decides which programs suit a printer: those of one kind are looked at once."""
    refused = frozenset((one.program, one.needs, one.rule_set if one.needs else 0) for one in printer.refused)
    return printer.profile, printer.material, printer.nozzle_mm, refused


class Suitability:
    """Which programs suit which kind of printers, worked out once for one farm."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._index = index_programs(farm.programs.values())
        self._programs: dict[tuple[Kind, str], list[Program]] = {}
        self._reasons: dict[tuple[Kind, str], list[Reason]] = {}

    def programs(self, printer: PrinterNow, order: Order) -> list[Program]:
        """Programs of the order's revision that printers of this kind can print."""
        key = kind_of(printer), order.revision
        if key not in self._programs:
            self._programs[key] = suitable(self._farm, printer, order, self._index)
        return self._programs[key]

    def reasons(self, printer: PrinterNow, order: Order) -> list[Reason]:
        """All reasons why printers of this kind can make nothing for an order that is open."""
        key = kind_of(printer), order.revision
        if key not in self._reasons:
            self._reasons[key] = order_reasons(self._farm, printer, order, self._index)
        return self._reasons[key]


def is_put_off(farm: Farm, printer: str, program: str) -> bool:
    """Whether the printer lately did not start that program, so that others come first."""
    found = farm.declined.get((printer, program))
    return found is not None and farm.uptime_s < found.until_s


def order_reasons(farm: Farm, printer: PrinterNow, order: Order, index: ProgramIndex) -> list[Reason]:
    """All reasons why this printer can make nothing for this order, whatever it does now."""
    closed = order_reason(farm, order)
    if closed is not None:
        return [closed]
    variants = index.get((order.revision, printer.profile), ())
    if not variants:
        return [
            Reason(
                "no-program",
                f"No program of revision {order.revision} is for printers of class {printer.profile}.",
                f"Aucun programme de la révision {order.revision} n'est fait pour les imprimantes {printer.profile}.",
            )
        ]
    per_program = [program_reasons(farm, printer, program) for program in variants]
    return [] if any(not reasons for reasons in per_program) else per_program[0]
