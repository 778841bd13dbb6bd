"""What holds for all tests."""

import os

from hypothesis import settings

os.environ["LC_ALL"] = "C.UTF-8"  # whoever runs the tests reads English in them, whatever the locale of the machine

# In CI the examples are the same in every run, so that a red run always speaks of the change; at a desk they are new each time.
settings.register_profile("desk", deadline=None)
# What `./farm.sh test --quick` asks for; a whole run tries all examples.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
