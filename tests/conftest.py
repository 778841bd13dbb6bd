"""What holds for all tests."""

import os

from hypothesis import settings

# In CI the examples are the same in every run, so that a red run always speaks of the change; at a desk they are new each time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
