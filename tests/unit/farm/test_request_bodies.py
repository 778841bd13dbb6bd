"""What may be asked of a farm: numbers are numbers, and texts hide nothing."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from farm.request_bodies import (
    CollectRequest,
    EnrolmentClaim,
    InviteRequest,
    MakerRequest,
    ManualReport,
    OrderChange,
    OrderRequest,
    ProgramRequest,
)

ORDER: dict[str, Any] = {"design": "visor", "quantity": 1}
PROGRAM: dict[str, Any] = {"design": "visor", "revision": "r1", "profile": "generic-210"}
MAKER: dict[str, Any] = {"name": "Anna", "profile": "generic-210"}
TEXTS: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (OrderRequest, ORDER, "destination"),
    (OrderRequest, ORDER, "design"),
    (ProgramRequest, PROGRAM, "design"),
    (ProgramRequest, PROGRAM, "material"),
    (ProgramRequest, PROGRAM, "name"),
    (MakerRequest, MAKER, "name"),
    (MakerRequest, MAKER, "material"),
    (InviteRequest, {}, "name"),
    (EnrolmentClaim, {"code": "abcd", "name": "left"}, "name"),
    (CollectRequest, {"job": "j1", "good": 1}, "by"),
]
NUMBERS: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (OrderRequest, ORDER, "quantity"),
    (OrderRequest, ORDER, "priority"),
    (OrderChange, {}, "quantity"),
    (OrderChange, {}, "priority"),
    (CollectRequest, {"job": "j1", "good": 1}, "good"),
    (CollectRequest, {"job": "j1", "good": 1}, "scrap"),
    (ManualReport, {"good": 1}, "good"),
    (ManualReport, {"good": 1}, "scrap"),
]


@pytest.mark.parametrize(("kind", "values", "field"), TEXTS)
def test_a_text_that_hides_something_is_refused(kind: type[BaseModel], values: dict[str, Any], field: str) -> None:
    for hidden in ("\x1b[2J", "\n", "\0", "\x7f", "\x9b", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))):
        with pytest.raises(ValidationError, match="not allowed"):
            kind.model_validate({**values, field: f"a{hidden}b"})
    for honest in ("Élodie", "CHU Grenoble – 2e", "北京", "مستشفى", "👩‍🔧"):
        kind.model_validate({**values, field: honest})


@pytest.mark.parametrize(("kind", "values", "field"), NUMBERS)
def test_a_number_is_a_whole_number_in_json(kind: type[BaseModel], values: dict[str, Any], field: str) -> None:
    kind.model_validate_json(kind.model_validate({**values, field: 1}).model_dump_json())
    for wrong in ("1", True, 1.0, 1.5, [1]):
        with pytest.raises(ValidationError):
            kind.model_validate({**values, field: wrong})


def test_the_numbers_of_a_form_come_as_text() -> None:
    assert ProgramRequest.model_validate({**PROGRAM, "parts": "3"}).parts == 3
