"""Wrong values are told in both languages: every kind that pydantic knows, and the checks of ours."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from farm.bus.messages import JobCollected
from farm.library_views import Person
from farm.request_bodies import Plain
from farm.wrong_values import FRENCH, HARMFUL, said_of
from gcode.texts import Bilingual, BilingualError

OWN_CHECKS = {"value_error", "assertion_error"}


class Bed(StrEnum):
    CLEAR = "clear"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


def even_number(number: int) -> int:
    if number % 2:
        raise BilingualError(Bilingual("an even number, please", "un nombre pair, s'il vous plaît"))
    return number


def small_number(number: int) -> int:
    if number > 9:
        raise ValueError("9 at most")
    return number


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=1, ge=1, le=5)
    above: float = Field(default=1, gt=0, lt=2)
    name: str = Field(default="ab", min_length=2, max_length=3)
    letter: str = Field(default="a", max_length=1)
    key: str = Field(default="ab", pattern="^[a-z]+$")
    kind: Literal["a", "b"] = "a"
    bed: Bed = Bed.CLEAR
    ready: bool = True
    place: Path = Path("/")
    many: list[int] = Field(default=[1], min_length=1, max_length=2)
    inside: dict[str, int] = {}
    even: Annotated[int, AfterValidator(even_number)] = 2
    small: Annotated[int, AfterValidator(small_number)] = 2


def said(**values: Any) -> Bilingual:
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate(values)
    (problem,) = caught.value.errors()
    return said_of(problem)


@pytest.mark.parametrize(
    ("name", "value", "english", "french"),
    [
        ("count", 0, "Input should be greater than or equal to 1", "Il faut au moins 1"),
        ("count", 6, "Input should be less than or equal to 5", "Il faut au plus 5"),
        ("count", "many", None, "Il faut un nombre entier, et ce texte n'en est pas un"),
        ("count", 1.5, None, "Il faut un nombre entier, sans décimales"),
        ("count", None, "Input should be a valid integer", "Il faut un nombre entier"),
        ("above", 0, "Input should be greater than 0", "Il faut plus de 0.0"),
        ("above", 2, None, "Il faut moins de 2.0"),
        ("name", "a", "String should have at least 2 characters", "Il faut au moins 2 caractères"),
        ("name", "abcd", None, "Il faut au plus 3 caractères"),
        ("letter", "ab", "String should have at most 1 character", "Il faut au plus 1 caractère"),
        ("key", "A", "String should match pattern '^[a-z]+$'", "Il faut un texte de la forme « ^[a-z]+$ »"),
        ("kind", "c", "Input should be 'a' or 'b'", "Il faut 'a' ou 'b'"),
        ("bed", "c", "Input should be 'clear', 'occupied' or 'unknown'", "Il faut 'clear', 'occupied' ou 'unknown'"),
        ("ready", "perhaps", None, "Il faut oui ou non (true ou false)"),
        ("place", 5, None, "Il faut un chemin de fichier"),
        ("many", [], None, "Il faut au moins 1 élément, pas 0"),
        ("many", [1, 2, 3], None, "Il faut au plus 2 éléments"),
        ("many", 5, "Input should be a valid list", "Il faut une liste"),
        ("inside", 5, "Input should be a valid dictionary", "Il faut un objet avec des noms et des valeurs"),
        ("colour", "red", "Extra inputs are not permitted", "Ce nom n'est pas connu ici"),
        ("even", 3, "Value error, an even number, please", "Valeur refusée : un nombre pair, s'il vous plaît"),
        ("small", 10, "Value error, 9 at most", "Valeur refusée : 9 at most"),
    ],
)
def test_a_wrong_value_is_told_in_both_languages(name: str, value: object, english: str | None, french: str) -> None:
    told = said(**{name: value})
    assert told.fr == french
    if english is not None:
        assert told.en == english


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda known: known["type"])
def test_every_kind_of_error_that_pydantic_knows_has_its_french(known: dict[str, Any]) -> None:
    problem = {"type": known["type"], "msg": known["message_template_python"], "ctx": known.get("example_context")}
    told = said_of(problem)
    assert told.en == known["message_template_python"]
    if known["type"] in OWN_CHECKS:
        assert told.fr.startswith("Valeur refusée : ")
    else:
        assert known["type"] in FRENCH
        assert not told.fr.startswith("Valeur refusée")
        assert "{" not in told.fr


def test_an_error_that_is_not_known_is_told_in_its_own_words() -> None:
    assert said_of({"type": "new_in_pydantic_3", "msg": "Oh dear"}) == Bilingual("Oh dear", "Valeur refusée : Oh dear")


def test_a_known_error_without_its_values_is_told_in_its_own_words() -> None:
    assert said_of({"type": "greater_than", "msg": "Too little", "ctx": {}}) == Bilingual(
        "Too little", "Valeur refusée : Too little"
    )


JOB = {"job": "j", "allocation": "a", "order": "o", "revision": "r", "program": "a" * 64, "parts": 2}


@pytest.mark.parametrize(
    ("kind", "value", "french"),
    [
        (Plain, "a\x1b[31m", HARMFUL.fr),
        (Person, "operator", "donnez le nom de la personne qui répond, pas un rôle"),
        (
            JobCollected,
            {"seq": 1, "printer": "p", "reference": JOB, "good": 2, "scrap": 1},
            "bonnes et rebut font plus que les pièces de l'impression",
        ),
    ],
)
def test_the_checks_of_requests_and_of_facts_speak_french(kind: Any, value: object, french: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    (problem,) = caught.value.errors()
    told = said_of(problem)
    assert told.fr == f"Valeur refusée : {french}"
    assert told.en.startswith("Value error, ")
