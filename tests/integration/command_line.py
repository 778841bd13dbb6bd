"""Run `farm` as a person would."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Answer:
    """What a person sees."""

    code: int
    out: str
    err: str


def run_farm(*arguments: object, timeout_s: float = 120.0, **environment: str) -> Answer:
    """Run the command to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "farm", *(str(argument) for argument in arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Answer(ended.returncode, ended.stdout, ended.stderr)
