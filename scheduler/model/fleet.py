"""Who makes it: nodes and printers, as they joined (`*Record`) and last reported (`*Now`), and what waits for them."""

from dataclasses import dataclass
from enum import StrEnum

from scheduler.model.orders import DesiredVersion
from scheduler.refused import Refused


class BedState(StrEnum):
    """What is on a bed. Only a clear bed is printed on."""

    CLEAR = "clear"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


class OccupationKind(StrEnum):
    """Why a bed is not clear. Every occupation has an id, and *collect* and *bed cleared* name it."""

    JOB = "job"
    FOREIGN = "foreign"  # somebody printed from the panel or from another program
    UNKNOWN = "unknown"  # the agent was blind for too long to know


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node that joined. `epoch` and `seq` say how far its journal is committed; `version` is that of its desired state.

    `past_epochs` names the ledgers it had before, newest first, separated by blanks: what is still under way from one of them is
    neither news nor a reason to withdraw anything.
    """

    id: str
    name: str
    joined_at_s: float
    password_hash: str
    revoked: bool = False
    version: int = 0
    epoch: str = ""
    seq: int = 0
    past_epochs: str = ""
    tag: str = ""  # of the fact `seq`, when it is known: see farm.bus.messages.fact_tag


@dataclass(frozen=True, slots=True)
class PrinterRecord:
    """A printer that a node has reported, and that belongs to it: known also while the node is away."""

    id: str
    node: str
    name: str
    driver: str
    profile: str
    material: str
    nozzle_mm: float
    capabilities: str = ""  # words separated by blanks


@dataclass(frozen=True, slots=True)
class PendingCollect:
    """A hand's word that is repeated to the node until its fact arrives (docs/protocol.md: *collect* has no deadline)."""

    id: str
    node: str
    printer: str
    job: str  # or the occupation of a bed that is only cleared
    good: int
    scrap: int
    by: str
    clear_only: bool
    created_at_s: float


@dataclass(frozen=True, slots=True)
class Invite:
    """A code for one maker; only its hash is kept."""

    id: str
    code_hash: str
    name: str
    expires_at_s: float
    claimed_by: str | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A fact that could not be understood: kept and shown, while the stream goes on."""

    id: str
    node: str
    epoch: str
    seq: int
    content: str
    reason: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class PrinterNow:
    """A printer as its node last reported it, or as it is kept while its node was not heard yet."""

    id: str
    node: str
    name: str
    profile: str
    material: str
    nozzle_mm: float
    bed: BedState
    ready: bool
    running: bool  # a job or a foreign print is being printed now
    occupation: str | None = None
    job: str | None = None  # of ours, on the bed: running, or waiting to be collected
    autonomy_s: float | None = None  # the most its owner allows
    by_hand: bool = False  # a person is the driver
    why_not_ready: tuple[str, str, str] | None = None  # its node's own reason: a code, a sentence in English and in French
    refused: tuple[Refused, ...] = ()  # programs that its node does not print on it
    checks: str = ""  # what these refusals rest on; empty: an older node, which repeats them all


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node as the bus last knew it. Silences are seconds on the daemon's boot clock, measured at the time of the snapshot."""

    id: str
    silent_s: float  # since the last acknowledged report, or since the daemon started
    reported: DesiredVersion | None = None  # the version that its newest report shows
    reported_epoch: str = ""
    reported_head: int = 0  # the journal's head in that report
    replayed: bool = True  # False until its journal was heard up to its head under this generation
    online: bool = True  # False: its last will was heard; that only hastens *suspect*
