"""One job on an OctoPrint: when it counts as begun, and what is done when it should not have."""

import pytest

from drivers.octoprint.job import OpenJob, Unwanted


def test_it_has_begun_when_it_is_first_seen_printing() -> None:
    job = OpenJob("job-1", "farm/job-1.gcode")
    assert job.runs(5.0) is None
    assert job.runs(9.0) is None
    assert (job.started, job.began_s) == (True, 5.0)


def test_one_that_was_cancelled_before_is_to_be_cancelled_then() -> None:
    job = OpenJob("job-1", "farm/job-1.gcode", unwanted=True)
    assert job.runs(5.0) == Unwanted(job)
    job.unwanted = False  # it was
    assert job.runs(6.0) is None


@pytest.mark.parametrize(("took_s", "too_soon"), [(None, False), (0.4, True), (0.5, False)])
def test_no_print_is_quicker_than_its_file_can_be_sent(took_s: float | None, too_soon: bool) -> None:
    assert OpenJob("job-1", "farm/job-1.gcode", least_s=0.5).too_soon(took_s) is too_soon
