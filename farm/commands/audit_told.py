"""An entry of the audit for a person at a terminal; in French in words of the page (api/static/audit.js).

What is stored is English and stays so, for programs: the forms of its details are known here (`farm.daemon.audit.note` is called
with them). A form that is not known, such as one of a newer daemon, stands as it was written.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from farm.commands.vocabulary import AUDIT_ACTIONS_FR, AUDIT_PEOPLE_FR, VERDICTS, word
from farm.library_views import AuditView
from gcode.texts import Bilingual

_FIRST_PROGRAM: Final = ("revision.release", "uploaded")
_ADDED: Final = re.compile(r"(\S+) for (\S+)")
_REMOVED: Final = re.compile(r"(.*): (\d+) x (\S+) for (\S+)", re.DOTALL)
_CHECKED: Final = re.compile(r"(\S+) -> (\S+) \((worse|better|released for something else)\); (.*?); (.*)", re.DOTALL)
_CHANGED: Final = re.compile(r"(?:(.*) -> )?(.*): keeps (no )?approvals", re.DOTALL)


def entry(view: AuditView) -> Bilingual:
    """When, who, what, and why."""
    when = datetime.fromtimestamp(view.at).astimezone().strftime("%Y-%m-%d %H:%M")
    who = Bilingual(f"{view.who}:", AUDIT_PEOPLE_FR.get(view.who, view.who))
    did = Bilingual(view.action, AUDIT_ACTIONS_FR.get(view.action, f": {view.action}"))
    why, what = _bracketed(_reason(view)), _bracketed(_detail(view))
    return Bilingual(
        f"{when}  {who.en} {did.en} {view.subject}{why.en}{what.en}",
        f"{when}  {who.fr} {did.fr} {view.subject}{why.fr}{what.fr}",
    )


def _bracketed(text: Bilingual) -> Bilingual:
    return Bilingual(*(f" ({one})" if one else "" for one in text))


def _reason(view: AuditView) -> Bilingual:
    french = view.reason
    if (view.action, view.reason) == _FIRST_PROGRAM:
        french = "avec son premier programme"
    elif view.action == "program.checked-again" and view.reason:  # who answered for it
        french = f"validé par {view.reason}"
    return Bilingual(view.reason, french)


def _detail(view: AuditView) -> Bilingual:
    french = _DETAILS_FR.get(view.action)
    return Bilingual(view.detail, view.detail if french is None else french(view.detail))


def _added(detail: str) -> str:
    found = _ADDED.fullmatch(detail)
    return f"{found[1]} pour {found[2]}" if found else detail


def _removed(detail: str) -> str:
    found = _REMOVED.fullmatch(detail)
    return f"{found[1]} : {found[2]} x {found[3]} pour {found[4]}" if found else detail


def _rules(detail: str) -> str:
    """The rules that somebody answers for: `motor-current=2 long-pause=1`."""
    return f"pour : {', '.join(rule.replace('=', ' × ') for rule in detail.split())}" if detail else ""


def _checked(detail: str) -> str:
    found = _CHECKED.fullmatch(detail)
    if found is None:
        return detail
    before, after = word(VERDICTS, found[1]).fr, word(VERDICTS, found[2]).fr
    changed = f"avant : {before} ; désormais : {after}"
    if before == after:
        changed = "une personne doit désormais répondre d'autre chose"
    return " ; ".join(filter(None, (changed, found[4], _rules(found[5]))))


def _changed(detail: str) -> str:
    found = _CHANGED.fullmatch(detail)
    if found is None:
        return detail
    named = f"{found[1]} -> {found[2]}" if found[1] else found[2]
    takes = "prend toute révision validée" if found[3] else "ne prend que ce qu'il a approuvé"
    return f"{named} : {takes}"


_DETAILS_FR: Final[Mapping[str, Callable[[str], str]]] = {
    "program.add": _added,
    "program.remove": _removed,
    "program.release": _rules,
    "program.withdraw": _rules,
    "program.checked-again": _checked,
    "requester.change": _changed,
}
