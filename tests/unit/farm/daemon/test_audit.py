"""An entry is in the same draft as what it tells of, and bounded."""

from farm.daemon.audit import audit_view, note
from scheduler.draft import Draft
from scheduler.model import Farm


def test_an_entry_is_one_of_the_changes() -> None:
    draft = Draft(Farm(1, 0.0))
    note(draft, "Eve", "program.release", "a" * 64, 7.0, reason="because", detail="motor-current=2")
    (entry,) = draft.changes
    view = audit_view(entry)  # type: ignore[arg-type] # it is one
    assert (view.who, view.action, view.subject, view.at, view.reason, view.detail) == (
        "Eve",
        "program.release",
        "a" * 64,
        7.0,
        "because",
        "motor-current=2",
    )


def test_two_entries_of_one_moment_are_two_and_no_text_is_endless() -> None:
    draft = Draft(Farm(1, 0.0))
    for _ in range(2):
        note(draft, "Eve", "x", "y", 7.0, reason="r" * 9_000, detail="d" * 9_000)
    entries = list(draft.farm.audit.values())
    assert len(entries) == 2
    assert (len(entries[0].reason), len(entries[0].detail)) == (500, 4_000)
