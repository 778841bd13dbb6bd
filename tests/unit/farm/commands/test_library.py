"""`farm revision`, `farm requester` and `farm audit`, against a real socket."""

from pathlib import Path

import pytest

from farm.commands.client import ProblemError
from farm.errors import InvalidError
from tests.unit.farm.commands.conftest import Farm
from tests.unit.farm.commands.test_programs import ADD, write


@pytest.fixture
def draft(farm: Farm, tmp_path: Path) -> str:
    """A revision that nobody has released."""
    assert farm.run("program", "add", write(tmp_path), *ADD, "--draft").exit_code == 0
    return "visor-frame-r1"


def test_a_draft_is_shown_released_and_recalled(farm: Farm, draft: str) -> None:
    shown = farm.run("revision", "show", draft).stdout.splitlines()
    assert shown[0] == "visor-frame-r1: draft"
    assert shown[1].endswith("2 a print on generic-210, PLA")
    assert farm.run("revision", "release", draft, "--by", "Eve").stdout.startswith("visor-frame-r1 is released by Eve")
    assert farm.run("revision", "show", draft).stdout.splitlines()[0] == "visor-frame-r1: released by Eve"
    assert farm.json("revision", "show", draft)["state"] == "released"
    assert "is recalled" in farm.run("revision", "recall", draft, "--yes").stdout
    error = farm.run("revision", "release", draft, "--by", "Eve").exception
    assert isinstance(error, ProblemError)
    assert error.code == "recalled"


def test_revisions_are_listed_with_their_state_and_what_prints_them(farm: Farm, draft: str, tmp_path: Path) -> None:
    farm.run("program", "add", write(tmp_path, b"M907 X1\nG1 X1\n"), *ADD, "--draft")
    assert farm.run("revision", "list").stdout == "visor-frame-r1: draft, 2 programs (1 usable), design visor-frame\n"
    farm.run("revision", "release", draft, "--by", "Eve")
    other = ("--design", "clip", "--revision", "clip-1", "--profile", "generic-210")
    farm.run("program", "add", write(tmp_path, b"G1 X2\n"), *other)
    assert sorted(farm.run("revision", "list").stdout.splitlines()) == [
        "clip-1: released, 1 program, design clip",
        "visor-frame-r1: released, 2 programs (1 usable), design visor-frame",
    ]
    farm.run("recall", draft, "--yes")
    shown = farm.french("revision", "list", "--design", "visor-frame")
    assert shown == "visor-frame-r1 : rappelée, 2 programmes (1 utilisable), modèle visor-frame\n"
    (row,) = farm.json("revision", "list", "--design", "clip")
    design = row.pop("design_id")
    assert row == {"id": "clip-1", "design": "clip", "state": "released", "programs": 1, "usable": 1}
    assert farm.json("revision", "list", "--design", design) == [{**row, "design_id": design}]


def test_without_revisions_the_list_says_so(farm: Farm, draft: str) -> None:
    assert farm.run("revision", "list", "--design", "clip").stdout == "No revisions.\n"
    assert farm.french("revision", "list", "--design", "clip") == "Aucune révision.\n"
    assert farm.json("revision", "list", "--design", "clip") == []


def test_revisions_and_requesters_are_named_by_the_end_of_their_ids(farm: Farm, draft: str) -> None:
    assert farm.run("revision", "show", "r1").stdout.startswith("visor-frame-r1: draft\n")
    assert farm.run("revision", "release", "frame-r1", "--by", "Eve").stdout.startswith("visor-frame-r1 is released")
    requester = farm.json("requester", "add", "Hospitals")["id"]
    assert "  visor-frame-r1, approved by" in farm.run("requester", "approve", requester[-5:], "r1", "--by", "Dr. House").stdout
    assert "visor-frame-r1" not in farm.run("requester", "withdraw", requester[-5:], "r1").stdout
    view = farm.json("order", "visor-frame", "1", "--revision", "r1", "--requester", requester[-5:])
    assert (view["revision"], view["requester"]) == ("visor-frame-r1", requester)


def test_the_audit_takes_what_the_lists_show(farm: Farm, draft: str) -> None:
    sha256 = farm.json("program", "list")[0]["sha256"]
    farm.run("revision", "release", draft, "--by", "Eve")
    requester = farm.json("requester", "add", "Hospitals")["id"]
    assert {row["subject"] for row in farm.json("audit", sha256[:12])} <= {sha256}
    assert {row["subject"] for row in farm.json("audit", "r1")} == {draft}
    assert {row["subject"] for row in farm.json("audit", "hospitals")} == {requester}
    assert farm.json("audit", "gone-long-ago") == []


def test_a_program_that_nobody_answers_for_is_shown_as_not_usable(farm: Farm, tmp_path: Path) -> None:
    farm.run("program", "add", write(tmp_path, b"M907 X1\nG1 X1\n"), *ADD)
    assert "not usable: trusted-only" in farm.run("revision", "show", "visor-frame-r1").stdout


def test_requesters_from_beginning_to_end(farm: Farm, draft: str) -> None:
    assert "No requesters yet" in farm.run("requester", "list").stdout
    added = farm.run("requester", "add", "Hospitals of Lyon", "--approves").stdout
    assert "gets only what it has approved, 0 open orders" in added
    farm.run("requester", "approve", "Hospitals of Lyon", draft, "--by", "Dr. House", "--note", "closed top")
    listed = farm.run("requester", "list").stdout.splitlines()
    assert listed[1] == "  visor-frame-r1, approved by Dr. House: closed top"
    assert "approved by 1 requester" in farm.run("revision", "show", draft).stdout
    assert "approved by" not in farm.run("requester", "withdraw", "Hospitals of Lyon", draft).stdout
    changed = farm.json("requester", "change", "Hospitals of Lyon", "--takes-all", "--name", "Hospitals")
    assert (changed["approves"], changed["name"]) == (False, "Hospitals")
    assert farm.run("requester", "remove", "Hospitals").exit_code == 1  # nobody said yes
    assert "Hospitals is forgotten" in farm.run("requester", "remove", "Hospitals", "--yes").stdout
    assert farm.json("requester", "list") == []


def test_a_change_of_nothing_is_a_mistake(farm: Farm) -> None:
    farm.run("requester", "add", "Hospitals")
    assert isinstance(farm.run("requester", "change", "Hospitals").exception, InvalidError)


def test_a_name_with_signs_of_addresses(farm: Farm) -> None:
    farm.run("requester", "add", "C.H.U. Lyon? #2")
    assert farm.json("requester", "change", "C.H.U. Lyon? #2", "--approves")["approves"]


def test_the_audit_says_who_and_why(farm: Farm, draft: str) -> None:
    assert "Nothing is recorded" in farm.run("audit").stdout
    farm.run("revision", "release", draft, "--by", "Eve", "--reason", "tested on three printers")
    farm.run("requester", "add", "Hospitals", "--by", "Adam")
    lines = farm.run("audit").stdout.splitlines()
    assert lines[1].endswith("Eve: revision.release visor-frame-r1 (tested on three printers)")
    assert [row["who"] for row in farm.json("audit", draft)] == ["Eve"]
    assert len(farm.json("audit", "--limit", "1")) == 1


# --- in French --------------------------------------------------------------------------------------------------------------------


def test_a_revision_in_french(farm: Farm, draft: str, tmp_path: Path) -> None:
    shown = farm.french("revision", "show", draft).splitlines()
    assert shown[0] == "visor-frame-r1 : brouillon"
    assert shown[1].endswith(" : 2 par impression pour generic-210, PLA")
    released = farm.french("revision", "release", draft, "--by", "Eve")
    assert released == "visor-frame-r1 est validée par Eve : commandez-la avec farm order.\n"
    assert farm.french("revision", "show", draft).startswith("visor-frame-r1 : validée par Eve\n")
    farm.run("program", "add", write(tmp_path, b"M907 X1\nG1 X1\n"), *ADD)
    assert "inutilisable : seulement si quelqu'un en répond" in farm.french("revision", "show", draft)


def test_a_requester_in_french(farm: Farm, draft: str) -> None:
    assert farm.french("requester", "list") == "Aucun demandeur : chaque commande est pour qui sa destination nomme.\n"
    assert farm.french("requester", "add", "CHU", "--approves").endswith(
        " : ne reçoit que ce qu'il a approuvé, 0 commande ouverte\n"
    )
    approved = farm.french("requester", "approve", "CHU", draft, "--by", "Dr. House", "--note", "fermée en haut").splitlines()
    assert approved[1] == "  visor-frame-r1, approuvée par Dr. House : fermée en haut"
    assert "  approuvée par 1 demandeur\n" in farm.french("revision", "show", draft)
    assert "reçoit toute révision validée" in farm.french("requester", "change", "CHU", "--takes-all")
    assert "Oublier CHU et 1 approbation ?" in farm.run("requester", "remove", "CHU", locale="fr_FR.UTF-8").stderr
    assert farm.french("requester", "remove", "CHU", "--yes") == "CHU est oublié.\n"


def test_an_empty_audit_in_french(farm: Farm) -> None:
    assert farm.french("audit") == "Rien n'est noté.\n"


def test_the_audit_in_french_is_told_in_words_of_the_page(farm: Farm, draft: str) -> None:
    farm.run("revision", "release", draft, "--by", "Eve", "--reason", "essayée")
    assert farm.french("audit").endswith("  Eve a validé la révision visor-frame-r1 (essayée)\n")
