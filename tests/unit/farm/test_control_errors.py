"""The daemon refuses in these words, and the farm in memory too: else tests of pages and commands read what no person reads."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from farm import control_errors
from farm.daemon import orders, releases, removal, requesters
from farm.daemon.beds import find_printer
from farm.daemon.uploads import Uploads
from farm.errors import FarmError
from farm.library_views import SignedRequest
from farm.request_bodies import OrderRequest
from farm.store.library import promised_hash
from scheduler.draft import Draft
from scheduler.model import Approval, Design, Farm, Requester, Revision, approval_key
from tests.unit.scheduler.farms import farm, order

Said = tuple[str, str, str, str, str]


def told(error: FarmError) -> Said:
    return error.code, error.detail, error.detail_fr, error.next_step, error.next_step_fr


def daemon(ask: Callable[[], object]) -> Said:
    with pytest.raises(FarmError) as refused:
        ask()
    return told(refused.value)


def wards(**tables: object) -> Farm:
    revisions = [Revision("r1", "d1", 1.0), Revision("r3", "d1", 3.0, draft=True), Revision("r4", "d1", 0.5, recalled=True)]
    hospitals = Requester("q1", "Hospitals", approves=True, created_at_s=0.0)
    known: dict[str, object] = {"designs": [Design("d1", "Visor", 0.0)], "revisions": revisions, "requesters": [hospitals]}
    return farm(**{**known, **tables})


@pytest.mark.parametrize(
    ("noun", "ask"),
    [
        ("printer", find_printer),
        ("order", orders.find_order),
        ("node", removal.find_node),
        ("program", releases.find_program),
        ("requester", requesters.find_requester),
    ],
)
def test_what_is_not_there_is_missed_in_the_words_of_the_daemon(noun: str, ask: Callable[[Farm, str], object]) -> None:
    assert told(control_errors.missing(noun, "x-1")) == daemon(lambda: ask(farm(), "x-1"))


def test_a_file_that_is_not_the_promised_one_is_refused_in_the_words_of_the_daemon(tmp_path: Path) -> None:
    file = tmp_path / "file.gcode"
    file.write_bytes(b"G1 X1\n")
    found, promised = hashlib.sha256(b"G1 X1\n").hexdigest(), "0" * 64
    assert told(control_errors.other_hash(found, promised)) == daemon(lambda: promised_hash(file, promised))


def test_an_upload_that_is_not_there_is_missed_in_the_words_of_the_daemon() -> None:
    uploads = Uploads(lambda: 0.0, lambda: None)
    assert told(control_errors.missing("upload", "x-1")) == daemon(lambda: uploads.find("x-1"))


def test_revisions_are_refused_in_the_words_of_the_daemon() -> None:
    assert told(control_errors.no_revision("r9")) == daemon(lambda: releases.find_revision(farm(), "r9"))
    request = OrderRequest(revision="r9", quantity=1)
    assert told(control_errors.no_revision_to_order("r9")) == daemon(lambda: orders.choose_revision(wards(), request))
    request = OrderRequest(design="toy", quantity=1)
    assert told(control_errors.no_design("toy", ["Visor"])) == daemon(lambda: orders.choose_revision(wards(), request))
    assert told(control_errors.revision_draft("r3")) == daemon(
        lambda: orders.choose_revision(wards(), OrderRequest(revision="r3", quantity=1))
    )
    recalled = daemon(lambda: orders.choose_revision(wards(), OrderRequest(revision="r4", quantity=1)))
    assert control_errors.recalled("r4") == (recalled[1], recalled[2])


def test_what_was_not_approved_is_refused_in_the_words_of_the_daemon() -> None:
    request = OrderRequest(revision="r1", quantity=1, requester="q1")
    assert told(control_errors.not_approved("Hospitals", [], "r1")) == daemon(lambda: orders.choose_revision(wards(), request))
    some = wards(approvals=[Approval(approval_key("q1", "r0"), "q1", "r0", "Eve", 0.0)])
    assert told(control_errors.not_approved("Hospitals", ["r0"], "r1")) == daemon(lambda: orders.choose_revision(some, request))
    by = SignedRequest(by="Eve")
    withdrawn = daemon(lambda: requesters.withdraw(Draft(wards()), "q1", "r1", by, 0.0))
    assert told(control_errors.no_approval("Hospitals", "r1")) == withdrawn


def test_a_requester_with_open_orders_stays_in_the_words_of_the_daemon() -> None:
    waiting = wards(orders=[order(quantity=5, requester="q1")])
    assert told(control_errors.requester_in_use("Hospitals")) == daemon(lambda: requesters.remove(Draft(waiting), "q1", "Eve", 0.0))
