"""Who answers for what: an entry for every release, approval and withdrawal, in the transaction that carries it out."""

from typing import Final

from farm.ids import new_id
from farm.library_views import AuditView
from scheduler.draft import Draft
from scheduler.model import AuditEntry

FARM: Final = "farm"  # who did it when no person did
_MAX_DETAIL: Final = 4_000


def note(  # noqa: PLR0913 - the fields of an entry
    draft: Draft, who: str, action: str, subject: str, now_s: float, *, reason: str = "", detail: str = ""
) -> None:
    """Record that `who` does `action` to `subject`."""
    draft.put(AuditEntry(new_id("audit"), now_s, who, action, subject, reason[:500], detail[:_MAX_DETAIL]))


def audit_view(entry: AuditEntry) -> AuditView:
    """One entry for people."""
    return AuditView(
        id=entry.id,
        at=entry.at_s,
        who=entry.who,
        action=entry.action,
        subject=entry.subject,
        reason=entry.reason,
        detail=entry.detail,
    )
