"""Judges one program for one printer, in a process of its own: `python -m farm.node.judging`, the task as JSON on standard input.

The agent loads nothing of this: the rules would cost it memory that a small computer needs, and what a stranger's file may do to
its reader stays in this process. It gives way to the agent, which feeds serial ports meanwhile. Answers are kept in a folder.
"""

import hashlib
import json
import os
import resource
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from farm.profiles import own_profiles
from gcode.checks import CheckReport, Finding, Verdict, inspect
from gcode.limits import Limits, from_record, length_refused, narrowed, size_refused
from gcode.profile import Box, PrinterProfile, bundled_profiles
from gcode.rules import RULE_SET_VERSION, Severity
from gcode.texts import Bilingual

NICENESS: Final = 15
_KEPT_ANSWERS: Final = 512
_TRUST_REFUSED: Final = Bilingual(
    "It needs somebody's word, and the owner of this printer accepts no such file (accept_trusted in limits.toml).",
    "Il demande la parole de quelqu'un, et le propriétaire de cette imprimante n'en accepte pas (accept_trusted dans limits.toml).",
)
_HEAT_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "nozzle-too-hot": ("max_nozzle_c",),
    "bed-too-hot": ("max_bed_c",),
    "chamber-too-hot": ("max_chamber_c",),
    "missing-chamber": ("max_chamber_c",),
    "heater-too-hot": ("max_nozzle_c", "max_bed_c"),
    "macro-too-hot": ("max_nozzle_c", "max_bed_c"),
}
_BOX_RULES: Final = frozenset({"outside-volume", "travel-outside", "below-bed"})


def _first(report: CheckReport, severity: Severity) -> Finding:
    return next(finding for finding in report.findings if finding.severity is severity)


def _box(box: Box) -> str:
    return f"X {box.min_x:g}..{box.max_x:g} Y {box.min_y:g}..{box.max_y:g} Z {box.min_z:g}..{box.max_z:g} mm"


def _forbids(finding: Finding, profile: PrinterProfile, limits: Limits) -> bool:
    """Whether a command is refused by the owner and not by the profile; the detail begins with it."""
    if finding.rule.id == "forbidden-arcs":
        return bool({"G2", "G3"} & (limits.forbidden_codes - profile.forbidden_codes))
    code = finding.hits[0].detail.split(maxsplit=1)[0].upper() if finding.hits[0].detail.strip() else ""
    return finding.rule.id == "forbidden-command" and code not in profile.forbidden_codes


def _by_owner(finding: Finding, profile: PrinterProfile, limits: Limits) -> Bilingual | None:
    """What the owner's limits.toml says where it, and not the profile, draws the line that was crossed; or None."""
    tight = narrowed(profile, limits)
    of_heat = _HEAT_KEYS.get(finding.rule.id, ())
    for key in of_heat:
        allowed_c, figure = getattr(tight, key), finding.hits[0].limit
        if allowed_c < getattr(profile, key) and allowed_c == figure:
            return Bilingual(f"limits.toml allows {allowed_c:g} °C", f"limits.toml permet {allowed_c:g} °C")
    if finding.rule.id in _BOX_RULES and tight.volume != profile.volume:
        return Bilingual(f"limits.toml allows {_box(tight.volume)}", f"limits.toml permet {_box(tight.volume)}")
    if _forbids(finding, profile, limits):
        return Bilingual("limits.toml forbids it", "limits.toml l'interdit")
    return None


def _sentence(finding: Finding, by_owner: Bilingual | None = None) -> Bilingual:
    rule, hit = finding.rule, finding.hits[0]
    where = (f"Line {hit.line}: ", f"Ligne {hit.line} : ") if hit.line else ("", "")
    owner = ("", "") if by_owner is None else (f"{by_owner.en}. ", f"{by_owner.fr}. ")
    return Bilingual(
        f"{rule.explanation_en} {owner[0]}{where[0]}{hit.detail}", f"{rule.explanation_fr} {owner[1]}{where[1]}{hit.detail}"
    )


def _record(refused: Bilingual | None, trust: Iterable[str] = ()) -> dict[str, Any]:
    rules = sorted(trust)
    said = None if refused is None else refused._asdict()
    return {"refused": said, "needs_trust": bool(rules), "trust": rules, "rule_set": RULE_SET_VERSION}


def judge(program: Path, profile: PrinterProfile, limits: Limits) -> dict[str, Any]:
    """Read the program and say why it is refused (both languages), and whether somebody must have released it."""
    too_large = size_refused(program.stat().st_size, limits)
    if too_large is not None:
        return _record(too_large)
    with program.open("rb") as stream:
        inspection = inspect(stream, (narrowed(profile, limits),), capped=limits.max_print_h is not None)
    (report,) = inspection.reports
    if report.verdict is Verdict.REJECT:
        finding = _first(report, Severity.REJECT)
        return _record(_sentence(finding, _by_owner(finding, profile, limits)))
    too_long = length_refused(inspection.facts, limits)
    if too_long is not None or report.verdict is Verdict.PASS:
        return _record(too_long)
    if limits.accept_trusted:
        return _record(None, {finding.rule.id for finding in report.findings if finding.severity is Severity.TRUST})
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
    return found if isinstance(found, dict) and found.keys() == _record(None).keys() else None


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
