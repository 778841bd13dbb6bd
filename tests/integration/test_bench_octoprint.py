"""`./farm.sh bench octoprint` with tiny numbers: what it measures is what happened."""

import asyncio
from pathlib import Path

import pytest

from tests.bench import octoprint
from tests.bench.octoprint import Seen
from tests.integration.octoprint_server import OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("octoprint")]


@pytest.mark.parametrize("kind", ["drivers", "poller"])
def test_every_change_of_the_fakes_is_reported_and_what_it_costs_is_weighed(kind: str, tmp_path: Path) -> None:
    figures = octoprint.follow_fakes(kind, 3, tmp_path, changes=3, bursts=1, idle_s=2.5)
    assert (len(figures.paced_s), len(figures.burst_s)) == (3, 3)
    assert all(latency > 0 for latency in (*figures.paced_s, *figures.burst_s))
    assert figures.bytes_a_s > 0
    assert figures.core_share >= 0
    assert figures.resident_mb > 10
    assert figures.threads >= 1


def test_every_change_of_a_real_one_is_reported_to_both(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    octoprint_server.make_ready()
    ours, theirs = octoprint.follow_real([octoprint_server], tmp_path, 1)
    assert len(ours) == len(theirs) == 2
    assert all(latency > 0 for latency in (*ours, *theirs))


def test_the_bytes_of_an_idle_real_one_are_counted(octoprint_server: OctoPrintServer) -> None:
    octoprint_server.make_ready()
    assert asyncio.run(octoprint.idle_bytes_a_s(octoprint_server, 2.5)) > 0


def test_a_latency_runs_from_a_change_to_the_report_of_it_and_no_other() -> None:
    changes = [Seen(0, "foreign", 10.0), Seen(0, "idle", 10.8), Seen(1, "foreign", 10.0)]
    reports = [Seen(0, "idle", 9.0), Seen(1, "foreign", 10.5), Seen(0, "foreign", 10.7), Seen(0, "idle", 10.9)]
    assert octoprint.latencies_s(changes, reports) == pytest.approx([0.7, 0.1, 0.5])
