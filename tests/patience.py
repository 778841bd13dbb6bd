"""How long a test waits for what must happen.

It is the limit on a crowded machine, not the usual time: a wait ends as soon as its condition holds. Below pytest's own limit.
"""

from typing import Final

PATIENCE_S: Final = 60.0
