"""Many seeds: `./farm.sh sim --seeds N --start S --json`, `./farm.sh sim --mutants --json`."""

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from traceback import format_exception
from unittest import mock

import structlog

from farm.node.core.pruning import KEEP_S
from tests.simulation.faults import Plan
from tests.simulation.mutants import Mutant
from tests.simulation.node import at_once
from tests.simulation.scenario import Result, Scenario
from tests.simulation.world import Violation, WorldLoop

BUG = "unforeseen: "
PRUNED_AFTER_S = 5 * 3600.0  # more than a backup of a seed is old
FATES = ("", "", "dead", "holiday", "deaf", "mute")


@dataclass
class Summary:
    """What a campaign came to."""

    seeds: int = 0
    steps: int = 0
    jobs: int = 0
    surplus: int = 0
    written_off: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, seed: int, result: Result | str) -> None:
        """One more seed."""
        self.seeds += 1
        if isinstance(result, str):
            self.failures.append((seed, result))
            return
        self.steps += result.steps
        self.jobs += result.jobs
        self.surplus += result.surplus
        self.written_off += result.written_off


def plan_of(seed: int) -> Plan:
    """Which kinds of faults a seed has: every combination comes."""
    return Plan(
        restores=seed % 3 == 1,
        images=seed % 5 == 4,
        operators=seed % 2 == 1,
        fate=FATES[seed % 7 % len(FATES)],
        prunes=seed % 4 == 2,
    )


def is_calm(seed: int) -> bool:
    """One seed in ten has no faults, so that waste shows."""
    return seed % 10 == 0


def quiet() -> None:
    """Logs of the product would drown the trace."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def deterministic() -> None:
    """Sets of names must be walked in the same order in every run: begin again with a fixed hash when it is not."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])


@dataclass(frozen=True)
class Caught:
    """A mutant, and the seed whose invariants showed it; None: none of them did."""

    name: str
    seed: int | None
    problem: str = ""


def hunt(mutant: Mutant, seeds: int = 60) -> Caught:
    """Run a mutant until it is caught."""
    for seed in range(seeds):
        with mutant.breaks():
            result, _ = run_seed(seed, mutant.plan, calm=mutant.calm)
        if isinstance(result, str) and BUG in result:
            raise RuntimeError(f"the mutant {mutant.name!r} does not fit the code any more: {result}")
        if isinstance(result, str):
            whole, _ = run_seed(seed, mutant.plan, calm=mutant.calm)
            if isinstance(whole, str):
                raise RuntimeError(f"seed {seed} with {mutant.plan} fails with all rules, too: {whole}")
            return Caught(mutant.name, seed, result)
    return Caught(mutant.name, None)


def run_seed(
    seed: int, plan: Plan | None = None, *, calm: bool | None = None, trace: bool = False
) -> tuple[Result | str, Sequence[str]]:
    """Run one seed; return what it came to (a text: what went wrong) and the end of its trace."""
    loop = WorldLoop()
    scenario = Scenario(seed, plan or plan_of(seed), calm=is_calm(seed) if calm is None else calm, trace=trace)
    ids = mock.patch("farm.ids.secrets.choice", scenario.world.random.choice)
    kept_s = PRUNED_AFTER_S if scenario.plan.prunes else KEEP_S  # no seed lives for 90 days
    age = mock.patch.multiple("farm.node.core", KEEP_S=kept_s), mock.patch.multiple("farm.node.core.pruning", KEEP_S=kept_s)
    loop.world = scenario.world
    try:
        with ids, age[0], age[1], mock.patch("farm.node.keeper._whole", at_once), closing(scenario):
            return loop.run_until_complete(scenario.run()), list(scenario.world.trace or ())
    except (Exception, Violation) as error:  # noqa: BLE001 - whatever a seed brings to light is what it is for
        what = str(error) if isinstance(error, Violation) else BUG + "".join(format_exception(error)[-6:])
        return f"at {scenario.world.now_s:.0f} s, step {scenario.world.steps}: {what}", list(scenario.world.trace or ())
    finally:
        loop.close()


def run(first: int, count: int, *, stop_after: int = 3) -> Summary:
    """Run seeds; those that fail are run again with their trace."""
    summary, begun_s = Summary(), time.perf_counter()
    for seed in range(first, first + count):
        result, _ = run_seed(seed)
        summary.add(seed, result)
        if isinstance(result, str):
            tell(seed, result)
            if len(summary.failures) >= stop_after:
                break
    summary.seconds = time.perf_counter() - begun_s
    return summary


def tell(seed: int, problem: str) -> None:
    """Show a failing seed."""
    _, trace = run_seed(seed, trace=True)
    print(f"seed {seed} {plan_of(seed)}: {problem}", file=sys.stderr)
    for line in trace[-60:]:
        print(f"    {line}", file=sys.stderr)


def report(summary: Summary, *, as_json: bool) -> str:
    """The last line."""
    figures = {
        "seeds": summary.seeds,
        "steps": summary.steps,
        "violations": len(summary.failures),
        "steps_per_s": round(summary.steps / summary.seconds) if summary.seconds else 0,
        "jobs": summary.jobs,
        "surplus": summary.surplus,
        "written_off": summary.written_off,
    }
    return json.dumps(figures) if as_json else ", ".join(f"{value} {name}" for name, value in figures.items())
