"""What holds for all tests."""

import gc
import os
import signal

from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what runs behind it, and every child would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["LC_ALL"] = "C.UTF-8"  # whoever runs the tests reads English in them, whatever the locale of the machine

# In CI the examples are the same in every run, so that a red run always speaks of the change; at a desk they are new each time.
# How long an example takes says more of what else this machine does than of the test: neither deadline nor health check of speed.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("desk", _PATIENT)
# What `./farm.sh test --quick` asks for; a whole run tries all examples.
settings.register_profile("quick", _PATIENT, max_examples=25)
settings.register_profile("ci", _PATIENT, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_finish() -> None:
    """Let the collector pass over what was imported and collected: it stays, and to look through it was a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)  # of what is left, nearly all is over with its test
