"""How hard Hypothesis tries: as hard as its profile says (`./farm.sh test --quick`: a quarter).

`ESSAIM_EFFORT=20` gives twenty times the examples, for a long run by hand.
"""

import os
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from hypothesis import HealthCheck, settings

_TIMES: Final = int(os.environ.get("ESSAIM_EFFORT", "1"))
_USUAL_EXAMPLES: Final = 100  # Hypothesis' own default


def examples(count: int) -> int:
    """How many of these examples are tried."""
    return max(1, count * _TIMES * settings().max_examples // _USUAL_EXAMPLES)


def effort(count: int, steps: int = 50) -> settings:
    """Settings of one test: `count` examples in CI, each of at most `steps` rules."""
    return settings(
        max_examples=examples(count),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def quick_folder() -> Path:
    """A new folder for real files, in memory where the system offers that: what is tested is the order of writes, not a disk."""
    memory = Path("/dev/shm")
    return Path(mkdtemp(prefix="essaim-", dir=memory if os.access(memory, os.W_OK) else None))
