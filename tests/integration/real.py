"""Real components in tests: in CI a missing one is a failure, on a developer's machine a reason to skip."""

import os

import pytest


def require(name: str, present: bool) -> None:
    """Go on when the real component `name` is `present`; else skip the test, or fail it where `CI` is set.

    Raises:
        pytest.fail.Exception: it is missing and this is CI: a green run must not mean "never tried".
        pytest.skip.Exception: it is missing elsewhere.

    """
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing, and CI must have it: ./farm.sh test installs it")
    pytest.skip(f"{name} is missing: ./farm.sh test installs it")
