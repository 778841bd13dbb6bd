"""How long the channel waits for a machine, and how often it tries. Pure.

Seconds of real time: `facts/marlin.md` of the founding measurements, where no other reason stands beside them.
"""

from typing import Final

SETTLE_S: Final = 0.06  # quiet that ends a burst of late answers
SETTLE_MAX_S: Final = 1.0  # reports every second must not keep us from probing
PROBE_S: Final = 1.0  # first wait for the answer to a probe; doubles, so that few unread probes fill the 128-byte receive buffer
PROBE_MAX_S: Final = 32.0
STALL_S: Final = 3.0  # nothing at all was heard; M113 S2 makes a busy firmware say so every 2 s
STALL_BLOCKING_S: Final = 30.0  # firmware without busy messages, in a long command
REPORTS_ONLY_S: Final = 6.0  # only temperatures that come by themselves were heard
REPORTS_ONLY_BLOCKING_S: Final = 60.0
SILENCE_S: Final = 60.0  # then contact is lost
SILENCE_BLOCKING_S: Final = 900.0
NOT_BUSY_S: Final = 10.0  # a firmware that tells when it works, and did not for so long, does not work
HISTORY_LINES: Final = 64
MAX_SAME_RESENDS: Final = 20
MAX_UNBELIEVABLE: Final = 3  # the same number outside the history: it is no noise
MAX_FENCES: Final = 5
MAX_UNANSWERED_FENCES: Final = 3  # they stay in the firmware's four slots
MAX_RENUMBERINGS: Final = 10
MAX_MISNUMBERED: Final = 8  # oks in a row with a number that is not the line's: this firmware means something else by it
