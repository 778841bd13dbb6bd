"""`./farm.sh torment --rounds N --seed S [--json]`: exit code 1 when an invariant was violated.

Trace, logs and databases are kept then.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import ended_by_signals
from tests.torment.audit import Verdict
from tests.torment.hands import Hands
from tests.torment.plan import plan
from tests.torment.stage import Stage, left_over
from tests.torment.tormentor import Tormentor
from tests.torment.trace import Trace
from tests.torment.watch import Watch

SPEED: Final = 60.0
# farm time: leases end, hands are missed and jobs written off within some rounds
RULES: Final = {"report_every_s": 30.0, "autonomy_s": 1800.0, "clearing_s": 300.0}
_SHOWN: Final = 20  # violations; all are in the trace
_OWN_MOUNTS: Final = "ESSAIM_TORMENT_OWN_MOUNTS"


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./farm.sh torment", description="Torment a farm of real processes, and check it from outside."
    )
    parser.add_argument("--rounds", type=int, default=10, help="of about six seconds each")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same things at the same moments")
    parser.add_argument("--rest-every", type=int, default=10, metavar="ROUNDS", help="how often everything is compared")
    parser.add_argument("--speed", type=float, default=SPEED, help="farm seconds in a real second")
    parser.add_argument("--keep", action="store_true", help="keep logs and databases also when all is well")
    parser.add_argument("--json", action="store_true", help="only the result, as the last line of standard output")
    return parser.parse_args(words)


def _in_mounts_of_our_own(words: list[str]) -> None:
    """Small disks are mounted where only we see them: they are gone with us, whatever ends us."""
    if os.geteuid() == 0 and shutil.which("unshare") and not os.environ.get(_OWN_MOUNTS):
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.torment", *words]
        os.execvpe(command[0], command, {**os.environ, _OWN_MOUNTS: "1"})


@contextmanager
def _people(stage: Stage, trace: Trace, seed: int) -> Iterator[tuple[Hands, Watch]]:
    client = stage.client()
    hands, watch = Hands(client, stage.page_settings(), stage.printers, trace, seed), Watch(stage.database("daemon"))
    hands.start()
    watch.start()
    try:
        yield hands, watch
    finally:
        stage.wake_all()
        hands.stop()
        watch.stop()
        client.close()


def _torment(stage: Stage, trace: Trace, chosen: argparse.Namespace) -> dict[str, Any]:
    with _people(stage, trace, chosen.seed) as (hands, watch):
        tormentor = Tormentor(stage, hands, watch, trace)
        try:
            rounds, verdict = _rounds(tormentor, chosen)
        finally:
            tormentor.close()
    for number, violation in enumerate(verdict.violations):
        trace.say(f"VIOLATION: {violation}", aloud=number < _SHOWN)
    return {
        "rounds": rounds,
        "kills": stage.kills,
        **{key: value for key, value in asdict(verdict).items() if key != "violations"},
        "violations": len(verdict.violations),
        "acts": dict(sorted(tormentor.counts.items())),
        "samples": watch.seen.samples,
        "root": stage.rooted,
    }


def _rounds(tormentor: Tormentor, chosen: argparse.Namespace) -> tuple[int, Verdict]:
    planned = plan(chosen.seed, chosen.rounds)
    for number, acts in enumerate(planned, 1):
        tormentor.torment(number, acts)
        if number % chosen.rest_every == 0 or number == len(planned):
            verdict = tormentor.rest()
            if verdict.violations or number == len(planned):
                return number, verdict
    raise ValueError("a run has at least one round")


def _run(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    began_s = time.monotonic()
    trace = Trace(folder / "trace.txt")
    try:
        with Stage(folder, speed=chosen.speed, trace=trace, rules=RULES) as stage:
            result = _torment(stage, trace, chosen)
        orphans = left_over(folder)
        for orphan in orphans:
            trace.say(f"VIOLATION: left running: {orphan}", aloud=True)
        result["violations"] += len(orphans)
    finally:
        trace.close()
    return {**result, "seed": chosen.seed, "seconds": round(time.monotonic() - began_s, 1)}


def main(words: list[str]) -> int:
    """Run; 0 all is well, 1 an invariant was violated, 2 it could not be tried."""
    chosen = _arguments(words)
    if chosen.rounds < 1 or find_mosquitto() is None:
        sys.stderr.write("At least one round and mosquitto are needed: sudo apt install mosquitto\n")
        return 2
    _in_mounts_of_our_own(words)
    folder = Path(tempfile.mkdtemp(prefix="essaim-torment-"))
    keep = True
    try:
        with ended_by_signals():
            result = _run(folder, chosen)
        keep = chosen.keep or bool(result["violations"])
    except KeyboardInterrupt:
        keep = chosen.keep
        return 130
    finally:
        if keep:
            sys.stderr.write(f"Trace, logs and databases are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
