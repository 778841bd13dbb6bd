"""How long things may take between us and an OctoPrint."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. Tests shorten them."""

    poll_s: float = 30.0  # questions beside a live socket: they find what events did not tell
    poll_alone_s: float = 5.0  # questions without a socket
    poll_busy_s: float = 1.0  # while the printer is being connected
    push_wait_s: float = 10.0  # until a socket is tried again where there was none; doubled with every failure
    push_retry_s: float = 300.0  # at most
    first_wait_s: float = 1.0  # doubled with every failure
    longest_wait_s: float = 60.0
    refused_wait_s: float = 300.0  # a wrong key does not get right by itself
    printer_connect_s: float = 30.0  # OctoPrint tries several baud rates
    printer_retry_s: float = 300.0
    printer_stuck_s: float = 120.0  # longer than OctoPrint takes to try every baud rate
    settle_s: float = 3.0  # OctoPrint's own verdict (PrintFailed, the print record) arrives within this time of its cause
    record_s: float = 1.5  # OctoPrint writes a file's print record in a thread, just after the event
    proof_s: float = 30.0  # from the start command until it provably prints
    blind_proof_s: float = 120.0  # the same while OctoPrint does not answer
    stall_s: float = 900.0  # heating a large bed in a cold room takes over ten minutes without a line sent
