"""What an inspection may have found, for tests of what comes after it."""

from typing import Any

from farm.daemon.inspection import Checked, ProfileReport, Summary
from scheduler.model import Verdict

TRUST = "motor-current=2"


def finding(rule: str = "motor-current", severity: str = "trust", *, line: int = 7, count: int = 2) -> dict[str, Any]:
    return {
        "rule": rule,
        "severity": severity,
        "explanation": {"en": "It is odd.", "fr": "C'est bizarre."},
        "fix": {"en": "Fix it.", "fr": "Corrigez."},
        "count": count,
        "hits": [{"line": line, "offset": 90, "text": "M907 X1", "detail": "odd"}] if line else [],
    }


def report(verdict: Verdict = Verdict.PASS, *, profile: str = "generic-210", **fields: Any) -> ProfileReport:
    severity = {Verdict.TRUSTED_ONLY: "trust", Verdict.REJECT: "reject"}.get(verdict)
    values: dict[str, Any] = {
        "profile_revision": "rev-1",
        "rule_set": 2,
        "trust": TRUST if verdict is Verdict.TRUSTED_ONLY else "",
        "findings": [finding(severity=severity)] if severity is not None else [],
        **fields,
    }
    return ProfileReport(profile=profile, verdict=verdict, **values)


def checked(verdict: Verdict = Verdict.PASS, *, sha256: str = "c" * 64, **fields: Any) -> Checked:
    summary = Summary(
        size_bytes=903, time_s=19.6, filament_mm=38.9, filament_g=0.12, layers=4, width_mm=120.0, depth_mm=110.0, height_mm=1.2
    )
    values: dict[str, Any] = {"facts": {"layers": 4}, "reports": [report(verdict), report(profile="prusa-mk3s")], **fields}
    return Checked(sha256=sha256, kind="gcode", summary=summary, **values)
