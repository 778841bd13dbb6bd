"""Judges one program for one printer, in a process of its own: `python -m farm.node.judging`, the task as JSON on standard input.

The agent loads nothing of this: the rules would cost it memory that a small computer needs, and what a stranger's file may do to
its reader stays in this process. It gives way to the agent, which feeds serial ports meanwhile. Answers are kept in a folder.
"""

import hashlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from farm.profiles import own_profiles
from gcode.checks import CheckReport, Finding, Verdict, inspect
from gcode.limits import Limits, from_record, length_refused, narrowed, size_refused
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.rules import RULE_SET_VERSION, Severity
from gcode.texts import Bilingual

NICENESS: Final = 15
_KEPT_ANSWERS: Final = 512
_TRUST_REFUSED: Final = Bilingual(
    "It needs somebody's word, and the owner of this printer accepts no such file (accept_trusted in limits.toml).",
    "Il demande la parole de quelqu'un, et le propriétaire de cette imprimante n'en accepte pas (accept_trusted dans limits.toml).",
)


def _first(report: CheckReport, severity: Severity) -> Finding:
    return next(finding for finding in report.findings if finding.severity is severity)


def _sentence(finding: Finding) -> Bilingual:
    rule, hit = finding.rule, finding.hits[0]
    where = (f"Line {hit.line}: ", f"Ligne {hit.line} : ") if hit.line else ("", "")
    return Bilingual(f"{rule.explanation_en} {where[0]}{hit.detail}", f"{rule.explanation_fr} {where[1]}{hit.detail}")


def _record(refused: Bilingual | None, *, needs_trust: bool = False) -> dict[str, Any]:
    return {"refused": None if refused is None else refused._asdict(), "needs_trust": needs_trust}


def judge(program: Path, profile: PrinterProfile, limits: Limits) -> dict[str, Any]:
    """Read the program and say why it is refused (both languages), and whether somebody must have released it."""
    too_large = size_refused(program.stat().st_size, limits)
    if too_large is not None:
        return _record(too_large)
    with program.open("rb") as stream:
        inspection = inspect(stream, (narrowed(profile, limits),))
    (report,) = inspection.reports
    if report.verdict is Verdict.REJECT:
        return _record(_sentence(_first(report, Severity.REJECT)))
    too_long = length_refused(inspection.facts, limits)
    if too_long is not None or report.verdict is Verdict.PASS:
        return _record(too_long)
    if limits.accept_trusted:
        return _record(None, needs_trust=True)
    why = _sentence(_first(report, Severity.TRUST))
    return _record(Bilingual(f"{_TRUST_REFUSED.en} {why.en}", f"{_TRUST_REFUSED.fr} {why.fr}"))


def _key(task: Mapping[str, Any], profile: PrinterProfile, limits: Limits) -> str:
    decides = [task["sha256"], profile.id, profile.revision, limits.revision, RULE_SET_VERSION]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


def _kept(answer: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() == {"refused", "needs_trust"} else None


def _keep(answer: Path, record: Mapping[str, Any]) -> None:
    """An answer that cannot be written is found again; the oldest ones go."""
    try:
        answer.parent.mkdir(exist_ok=True)
        fresh = answer.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(record), "utf-8")
        fresh.replace(answer)
        by_age = sorted(answer.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for old in by_age[:-_KEPT_ANSWERS]:
            old.unlink()
    except OSError:
        return


def _profile(name: str, folder: str | None) -> PrinterProfile:
    bundled = bundled_profiles()
    return bundled[name] if name in bundled else own_profiles(None if folder is None else Path(folder))[name]


def answer(task: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a task of `farm.node.checking`, from the folder of answers where it was found before."""
    limits, profile = from_record(task["limits"]), _profile(task["profile"], task.get("profiles_folder"))
    place = Path(task["folder"]) / f"{_key(task, profile, limits)}.json"
    known = _kept(place)
    if known is not None:
        return known
    found = judge(Path(task["program"]), profile, limits)
    _keep(place, found)
    return found


def main() -> None:
    """Be the process."""
    os.nice(NICENESS)
    task = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (task["memory_bytes"], task["memory_bytes"]))
    json.dump(answer(task), sys.stdout)


if __name__ == "__main__":
    main()
