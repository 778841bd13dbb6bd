"""A second look at a few tests of real parts that failed in the whole run: whether they fail alone as well.

A broker, an OctoPrint, a browser and two busy cores have races of their own that neither a test nor Essaim can rule out; one such
failure in eleven thousand tests says little about a change (docs/decisions/0018). So what failed is run again, alone and one after
the other. A mistake of ours fails there too and the run stays red. What passes every time is named at the end as UNSTEADY, with its
first failure in full above: a thing to mend, not a thing to hide. Only for tests with real components or of long duration (marked
`real` or `slow`), only for a few, and never for what is decided purely: that has no second chance.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

MANY: Final = 3  # more failures than that are no accident
TIMES: Final = 2  # each has to pass this often
PLACE: Final = "ESSAIM_FAILED_TESTS"  # environment variable: the file for what failed

_GROUP: Final = re.compile(r"@[^@\]]+$")  # xdist puts the group of a test behind its id

_failed: dict[str, bool] = {}  # node id -> may have a second look


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what failed, also before or after the test itself."""
    if report.failed:
        _failed[report.nodeid] = bool({"real", "slow"} & set(report.keywords))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be read is no accident."""
    if report.failed:
        _failed[report.nodeid] = False


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what failed; the workers of xdist have only a part of it."""
    place = os.environ.get(PLACE)
    if place and not hasattr(session.config, "workerinput"):
        Path(place).write_text(json.dumps(_failed))


def told(place: Path) -> dict[str, bool]:
    """Read what the plugin handed over: which tests failed, and whether a second look may excuse each; empty when there is none."""
    try:
        found = json.loads(place.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def look_again(failed: dict[str, bool], run: Callable[[str], int]) -> bool:
    """Run each of `failed` alone (`run` returns pytest's exit code); True when all of them may be excused and passed every time."""
    if not failed or len(failed) > MANY or not all(failed.values()):
        return False
    print(f"\nA second look at {len(failed)} failed test(s), each alone and {TIMES} times ...", file=sys.stderr, flush=True)
    unsteady = all(run(test) == 0 for test in failed for _ in range(TIMES))
    for test in failed:
        print(f"{'UNSTEADY' if unsteady else 'STILL FAILED, or another one did'}: {test}", file=sys.stderr, flush=True)
    if unsteady:
        print("They passed alone. Their first failure is above: mend what made it possible.", file=sys.stderr, flush=True)
    return unsteady


def run_alone(test: str, environment: dict[str, str], folder: Path) -> int:
    """Run one test in a process of its own; returns pytest's exit code."""
    options = ["--no-cov", "--numprocesses", "1", "--dist", "loadgroup", "-q"]
    command = [sys.executable, "-m", "pytest", *options, _GROUP.sub("", test)]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode
