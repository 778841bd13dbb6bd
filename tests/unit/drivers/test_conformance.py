"""Every driver of ours keeps the contract of drivers.base. The real OctoPrint: tests/integration/test_conformance.py."""

from pathlib import Path
from typing import Final

import pytest

from drivers.conformance import CHECKS, Check, conforms
from tests.unit.drivers.benches import BENCHES, bench_of

_PERSON: Final = "whoever has the job is a person, who knows of jobs that we have forgotten"
# what a kind does not promise, so that a check has nothing to look at: a check that stops applying is noticed, too
NOT_PROMISED: Final[dict[str, dict[str, str]]] = {
    "scripted": {"the_console_is_for_idle_machines": "no console"},
    "manual": {
        "a_paused_job_goes_on": "no pause",
        "an_emergency_stop_ends_the_job": "no emergency-stop",
        "an_emergency_stop_during_the_start_holds": "no emergency-stop",
        "nobody_knows_a_job_that_never_was": _PERSON,
        "the_wire_is_recorded_within_bounds": "no transcript",
        "the_console_is_for_idle_machines": "no console",
    },
    "marlin": {"a_print_survives_its_agent": "no survives-agent"},
    "virtual": {"a_print_survives_its_agent": "no survives-agent"},
    "octoprint": {
        "the_wire_is_recorded_within_bounds": "no transcript",
        "the_console_is_for_idle_machines": "no console",  # the fake one's user may not use its terminal; the real one: integration
    },
}
PAIRS: Final = [(kind, check) for kind, bench in BENCHES.items() for check in CHECKS if check.needs <= bench.abilities]


@pytest.mark.parametrize(("kind", "check"), PAIRS, ids=str)
async def test_a_driver_keeps_the_contract(kind: str, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.marlin.greeting.GREETING_S", 0.05)  # a virtual board does not reset when its port opens
    reason = await conforms(check, await bench_of(kind, tmp_path / "bench"))
    assert reason == NOT_PROMISED[kind].get(check.name)
