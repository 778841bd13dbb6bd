"""Recordings and files that lie beside the project and are not part of it: tests use them where they are."""

import os
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(os.environ.get("ESSAIM_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def shared_file(name: str) -> Path:
    """The file `name`; the test is skipped where it is not, in CI too: nobody but the authors has it.

    Raises:
        pytest.skip.Exception: it is not there.

    """
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path
