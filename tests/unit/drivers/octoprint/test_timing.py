from drivers.octoprint.timing import Timing


def test_times_stand_in_the_right_order() -> None:
    timing = Timing()
    assert timing.poll_busy_s < timing.poll_alone_s < timing.poll_s
    assert timing.first_wait_s < timing.longest_wait_s < timing.refused_wait_s
    assert timing.record_s < timing.settle_s  # the record is there when the verdict is given
    assert timing.printer_connect_s < timing.printer_stuck_s  # OctoPrint may try every baud rate before it counts as stuck
    assert timing.proof_s < timing.blind_proof_s
    assert timing.stall_s >= 600  # a large bed in a cold room heats for ten minutes
