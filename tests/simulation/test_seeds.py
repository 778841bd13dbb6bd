"""A hundred seeds hold every invariant, and every broken rule is noticed. More by hand: docs/reliability.md."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulation.mutants import ALL, PROTOCOL

ROOT: Final = Path(__file__).parents[2]
_SEEDS: Final = 100
_CHUNK: Final = 10
_LIMIT_S: Final = 1_800  # half a minute of computing, of which a crowded machine makes ten; what hangs is found all the same
patient = pytest.mark.timeout(_LIMIT_S + 60)


def sim(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `./farm.sh sim` as its own process: names must hash alike in every run."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_a_seed_is_the_same_farm_every_time() -> None:
    first, second = (sim("--seeds", "1", "--start", "2") for _ in range(2))
    for figures in (first[1], second[1]):
        figures.pop("steps_per_s")
    assert first[0] == 0, first[2]
    assert first[1] == second[1]
    assert first[1]["steps"] > 1_000
    assert first[1]["jobs"] > 0


@patient
@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, _SEEDS, _CHUNK))
def test_every_invariant_holds_after_every_step(start: int) -> None:
    code, figures, output = sim("--seeds", str(_CHUNK), "--start", str(start))
    assert (code, figures["violations"], figures["seeds"]) == (0, 0, _CHUNK), output


@patient
@pytest.mark.slow
@pytest.mark.parametrize("name", [mutant.name for mutant in ALL])
def test_a_broken_rule_is_noticed(name: str) -> None:
    code, figures, output = sim("--mutants", "--only", name)
    assert (code, figures) == (0, {"mutants": 1, "caught": 1}), output


def test_the_mutants_of_the_contract_are_all_there() -> None:
    assert len(PROTOCOL) == 16
    assert len({mutant.name for mutant in ALL}) == len(ALL)
