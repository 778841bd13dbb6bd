"""What people mean who write less than a whole id."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.testing import MemoryControl
from farm.commands import which
from farm.commands.which import NODE, ORDER, PRINTER, PROGRAM, REVISION, Kind, if_known, meant, printer_names
from farm.errors import ConflictError, FarmError, NotFoundError
from farm.ids import new_id

FIRST, SECOND = "order-7m2k0q9xv4d1c8tz", "order-7m2kzzzzzzzzc8tz"
ORDERS = {FIRST: "", SECOND: ""}
REVISIONS = dict.fromkeys(("visor-frame-r1", "visor-frame-r10", "gown-r2"), "")


def said(kind: Kind, wanted: str, things: dict[str, str]) -> FarmError:
    with pytest.raises(FarmError) as refused:
        meant(kind, wanted, things)
    return refused.value


@pytest.mark.parametrize("wanted", [FIRST, "order-7m2k0", "7m2k0", "7M2K0", "4d1c8tz", "ORDER-7M2K0", FIRST.upper()])
def test_the_beginning_or_the_end_of_an_id_stands_for_it(wanted: str) -> None:
    assert meant(ORDER, wanted, ORDERS) == FIRST


@given(st.integers(min_value=4, max_value=15), st.booleans())
def test_any_part_of_four_characters_is_the_thing_or_is_refused(length: int, from_end: bool) -> None:
    things = {new_id("order"): "" for _ in range(20)}
    key = next(iter(things))
    part = key[-length:] if from_end else key.partition("-")[2][:length]
    try:
        assert meant(ORDER, part, things) == key
    except ConflictError:  # by chance another one begins or ends so as well
        own = [other.partition("-")[2] for other in things]
        assert sum(text.startswith(part) or text.endswith(part) for text in own) > 1


@pytest.mark.parametrize("wanted", ["order", "order-", "rder", "m2k0", "", "-", "order-0000", "x" * 500])
def test_what_all_ids_have_and_what_stands_in_the_middle_means_nothing(wanted: str) -> None:
    error = said(ORDER, wanted, {FIRST: ""})
    assert isinstance(error, NotFoundError)
    assert error.next_step == "`farm orders list` names them."
    assert error.bilingual.fr == f"Il n'y a pas de commande {wanted}. `farm orders list` les nomme."


def test_so_few_characters_that_they_may_be_a_mistake_are_not_enough() -> None:
    for wanted in ("8tz", "7m2", "order-7m2", "z"):
        error = said(ORDER, wanted, {FIRST: ""})
        assert (type(error), error.code) == (NotFoundError, "too-short")
        assert str(error) == f"{wanted} is too short. Give at least 4 characters of the beginning or the end of its id."
    assert said(ORDER, "8tz", {FIRST: ""}).bilingual.fr == (
        "8tz est trop court. Donnez au moins 4 caractères du début ou de la fin de son identifiant."
    )
    assert said(PROGRAM, "abcde", {"abcdef" + "0" * 58: ""}).code == "too-short"
    assert meant(PROGRAM, "ABCDEF", {"abcdef" + "0" * 58: ""}).startswith("abcdef")


def test_several_are_named_and_none_is_taken() -> None:
    error = said(ORDER, "7m2k", ORDERS)
    assert (type(error), error.code) == (ConflictError, "ambiguous")
    assert str(error) == f"2 orders begin or end with 7m2k. Give more of its id: {FIRST}, {SECOND}."
    assert (
        error.bilingual.fr == f"2 commandes commencent ou finissent par 7m2k. Donnez plus de son identifiant : {FIRST}, {SECOND}."
    )
    many = {f"order-7m2k{number:012}": "" for number in range(9)}
    assert said(ORDER, "7m2k", many).next_step.endswith("order-7m2k000000000004 and 4 more.")
    assert said(ORDER, "7m2k", many).bilingual.fr.endswith("order-7m2k000000000004 et 4 de plus.")


def test_of_a_revision_whole_words_at_the_end_do() -> None:
    assert meant(REVISION, "r1", REVISIONS) == "visor-frame-r1"
    assert meant(REVISION, "frame-R10", REVISIONS) == "visor-frame-r10"
    assert meant(REVISION, "visor-frame-r1", REVISIONS) == "visor-frame-r1", "also the beginning of another one"
    for wanted in ("1", "0", "visor-frame", "visor-frame-", "gown", ""):
        assert isinstance(said(REVISION, wanted, REVISIONS), NotFoundError)
    assert isinstance(said(REVISION, "r2", {"gown-r2": "", "clip-r2": ""}), ConflictError)


def test_a_typing_mistake_is_answered_with_what_is_near() -> None:
    error = said(REVISION, "visor-frmae-r1", REVISIONS)
    assert (
        error.bilingual.en == "There is no revision visor-frmae-r1. Did you mean visor-frame-r1? `farm revision list` names them."
    )
    assert error.bilingual.fr == (
        "Il n'y a pas de révision visor-frmae-r1. Vouliez-vous dire visor-frame-r1 ? `farm revision list` les nomme."
    )
    assert said(PRINTER, "Atelier-1", {"printer-1": "Atelier 1"}).next_step.startswith("Did you mean Atelier 1?")


def test_a_name_comes_before_parts_of_ids_and_a_whole_id_before_both() -> None:
    things = {"printer-aaaa000000000000": "bbbb", "printer-bbbb000000000000": "Ender", "printer-cccc000000000000": "ENDER"}
    assert meant(PRINTER, "BBBB", things) == "printer-aaaa000000000000"
    assert meant(PRINTER, "printer-bbbb", things) == "printer-bbbb000000000000"
    assert meant(PRINTER, "x", {"x": "y", "y": "x"}) == "x"
    error = said(PRINTER, "ender", things)
    assert str(error) == ("2 printers are called ender. Give more of its id: printer-bbbb000000000000, printer-cccc000000000000.")
    assert error.bilingual.fr.startswith("2 imprimantes s'appellent ender. Donnez plus de son identifiant : ")


def test_what_has_no_name_is_not_found_by_an_empty_one() -> None:
    assert isinstance(said(ORDER, "", ORDERS), NotFoundError)
    assert isinstance(said(NODE, "", {"node-1": ""}), NotFoundError)


@pytest.mark.parametrize("kind", [value for value in vars(which).values() if isinstance(value, Kind)])
def test_every_kind_has_its_words(kind: Kind) -> None:
    error = said(kind, "no \x1b[31msuch thing", {})
    assert "\x1b" not in str(error)
    assert error.detail.startswith(f"There is no {kind.noun} no ")
    assert error.bilingual.fr.startswith(f"Il n'y a pas {kind.none_fr} no ")
    twins = {"thing-aaaaaaaa1": "", "thing-aaaaaaaa2": ""} if kind.least else {"a-r1": "", "b-r1": ""}
    assert said(kind, "aaaaaaaa" if kind.least else "r1", twins).detail.startswith(f"2 {kind.noun}s begin or end")


def test_what_is_not_listed_may_be_there_all_the_same() -> None:
    assert if_known(ORDER, "4d1c8tz", ORDERS) == FIRST
    assert if_known(ORDER, "order-gone", ORDERS) == "order-gone"
    assert if_known(ORDER, "8tz", {FIRST: ""}) == "8tz"
    with pytest.raises(ConflictError):
        if_known(ORDER, "7m2k", ORDERS)


def test_printers_are_called_by_their_names_and_told_apart_by_nodes(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    control.add_node("people", name="People")
    control.add_node("nod-1", name="garage")
    for key, name, node in (("1", "Ender", "nod-1"), ("2", "ender", "people"), ("3", "Mini", "nod-1"), ("4", "Anna", "people")):
        control.add_printer(f"prn-{key}", name, node=node)
    control.add_printer("prn-5", "Anna", node="people")
    names = printer_names(control.snapshot())
    assert names["prn-1"] == ("Ender (garage)", "Ender (garage)")
    assert names["prn-2"] == ("ender (People)", "ender (Les mains)")
    assert names["prn-3"] == ("Mini", "Mini")
    assert [names[key].en for key in ("prn-4", "prn-5")] == ["Anna (prn-4)", "Anna (prn-5)"]
