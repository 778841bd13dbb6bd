"""The decisions of a node, pure: (state, event, moment) -> step. No clock, no chance, no disk, no network.

    state    what a node knows            contact  desired state, acknowledgements, lease
    events   start, time, driver, files   commands what people ask for
    checks   what a node refuses to print
    beds     what is on a bed             report   what the daemon is told
    starts   which job, and when          changes  what the ledger must hold
    jobs     how a job begins and ends    draft    a step in the making
    pruning  what may be forgotten        quiet    at which hours nothing starts
    acts     what a machine is asked for  refusals why something does not happen

A caller computes a step, commits `changes.between(old, step.state)`, and only then takes over `step.state` and carries out
`step.instructions`. When the commit fails it drops the step: nothing has happened.
"""

from farm.node.core.acts import DriverAction, act_of, why_not_act
from farm.node.core.beds import on_clear, on_collect, on_doubt
from farm.node.core.changes import Changes, DesiredNow, between
from farm.node.core.checks import REFUSED, Task, limits_note, on_checked, on_limits, refusal, tasks
from farm.node.core.commands import on_act_done, on_command
from farm.node.core.contact import on_ack, on_desired, on_go_on
from farm.node.core.events import (
    add_printer,
    belonging_to,
    capable,
    close,
    on_files,
    on_status,
    on_trouble,
    recover,
    remove_printer,
    tick,
)
from farm.node.core.jobs import doubt, on_ended, on_not_begun, on_started, on_trace, on_trace_failed
from farm.node.core.pruning import KEEP_S, prune, too_old, unwanted
from farm.node.core.report import face, printer_report, report, telemetry
from farm.node.core.starts import may_begin, open_allocations
from farm.node.core.state import (
    Act,
    ActKind,
    Checked,
    Instruction,
    JournalPlace,
    Moment,
    NodeState,
    Occupied,
    Printer,
    PrinterSetup,
    Remembered,
    StartJob,
    Step,
    TraceJob,
    blind_after_s,
)

__all__ = [
    "KEEP_S",
    "REFUSED",
    "Act",
    "ActKind",
    "Changes",
    "Checked",
    "DesiredNow",
    "DriverAction",
    "Instruction",
    "JournalPlace",
    "Moment",
    "NodeState",
    "Occupied",
    "Printer",
    "PrinterSetup",
    "Remembered",
    "StartJob",
    "Step",
    "Task",
    "TraceJob",
    "act_of",
    "add_printer",
    "belonging_to",
    "between",
    "blind_after_s",
    "capable",
    "close",
    "doubt",
    "face",
    "limits_note",
    "may_begin",
    "on_ack",
    "on_act_done",
    "on_checked",
    "on_clear",
    "on_collect",
    "on_command",
    "on_desired",
    "on_doubt",
    "on_ended",
    "on_files",
    "on_go_on",
    "on_limits",
    "on_not_begun",
    "on_started",
    "on_status",
    "on_trace",
    "on_trace_failed",
    "on_trouble",
    "open_allocations",
    "printer_report",
    "prune",
    "recover",
    "refusal",
    "remove_printer",
    "report",
    "tasks",
    "telemetry",
    "tick",
    "too_old",
    "unwanted",
    "why_not_act",
]
