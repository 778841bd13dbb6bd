"""All domain types of the scheduler, and the words that daemon and node share. Frozen; a change makes a new value.

Words: docs/glossary.md. Times are seconds of farm time (`farm.clock`), lengths are millimetres.
"""

from enum import StrEnum


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


class JobOutcome(StrEnum):
    """How a job ended on the machine. It says nothing about good parts: a hand says that when it collects."""

    PRINTED = "printed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # nobody knows how far it came: a person decides
