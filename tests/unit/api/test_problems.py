"""Every error becomes a problem."""

import httpx
import orjson
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from api import problems
from api.testing import MemoryControl
from farm import errors
from farm.errors import FarmError
from gcode.texts import Bilingual, told
from tests.unit.api.serving import client_of

ALL_FARM_ERRORS = [
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.InvalidError, 422),
    (errors.TooLargeError, 413),
    (errors.NotAllowedError, 403),
    (errors.StoreFullError, 507),
    (errors.UnreachableError, 503),
    (errors.ConfigurationError, 500),
    (errors.FarmError, 500),
]


def check(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = problems.Problem.model_validate(answer.json())
    assert (problem.status, problem.code) == (status, code)
    assert problem.type == f"urn:essaim:problem:{code}"
    assert problem.title
    assert problem.detail
    assert problem.next_step
    assert problem.detail_fr not in {"", problem.detail}
    assert problem.next_step_fr not in {"", problem.next_step}
    body: dict[str, object] = answer.json()
    return body


@pytest.mark.parametrize(("kind", "status"), ALL_FARM_ERRORS)
async def test_every_error_of_the_farm_has_its_status(
    client: httpx.AsyncClient, control: MemoryControl, monkeypatch: pytest.MonkeyPatch, kind: type[FarmError], status: int
) -> None:
    def fail() -> None:
        raise kind(Bilingual("It is so.", "C'est ainsi."), next_step=Bilingual("Do this.", "Faites cela."))

    monkeypatch.setattr(control, "printers", fail)
    body = check(await client.get("/api/v1/printers"), status, kind.code)
    assert (body["detail"], body["next_step"], body["instance"]) == ("It is so.", "Do this.", "/api/v1/printers")


async def test_what_is_known_in_french_is_said_in_french_too(
    client: httpx.AsyncClient, control: MemoryControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise errors.ConflictError(Bilingual("It is so.", "C'est ainsi."), next_step=Bilingual("Do this.", "Faites cela."))

    monkeypatch.setattr(control, "printers", fail)
    body = check(await client.get("/api/v1/printers"), 409, "conflict")
    assert (body["detail"], body["detail_fr"], body["next_step_fr"]) == ("It is so.", "C'est ainsi.", "Faites cela.")


def test_a_refused_request_is_told_in_both_languages_also_where_a_machine_has_one_only() -> None:
    both = problems.ThrottledError(Bilingual("Slowly.", "Doucement."), next_step=Bilingual("Wait.", "Attendez."))
    body = orjson.loads(problems.from_error(both, "/").body)
    assert (body["detail_fr"], body["next_step_fr"]) == ("Doucement.", "Attendez.")
    machine = problems.ThrottledError(told("E42"), next_step=Bilingual("Wait.", "Attendez."))
    body = orjson.loads(problems.from_error(machine, "/").body)
    assert (body["detail"], body["detail_fr"], body["next_step_fr"]) == ("E42", "E42", "Attendez.")


def test_every_error_class_of_the_farm_is_in_the_table() -> None:
    assert (
        set(problems.STATUSES)
        == {kind for kind, _ in ALL_FARM_ERRORS}
        == {FarmError, *FarmError.__subclasses__()}
        - {
            problems.RequestError,
            *(kind for kind in FarmError.__subclasses__() if kind.__module__ != "farm.errors"),
        }
    )


def test_a_subclass_has_the_status_of_its_class_and_throttled_its_own() -> None:
    class SpecialError(errors.ConflictError):
        code = "special"

    assert problems.status_of(SpecialError(told("a"), next_step=told("b"))) == 409
    assert problems.status_of(errors.NotAllowedError(told("a"), next_step=told("b"), code="throttled")) == 429
    assert problems.status_of(FarmError(told("a"), next_step=told("b"), code="ledger-unwritable")) == 507  # of the makers' node


def test_every_status_that_can_come_has_a_title() -> None:
    kinds: list[type[problems.RequestError]] = [problems.RequestError, *problems.RequestError.__subclasses__()]
    own = {kind.status for kind in kinds}
    assert own | set(problems.STATUSES.values()) | set(problems.CODE_STATUSES.values()) <= set(problems.TITLES)


@pytest.mark.parametrize("status", [*problems.TITLES, 415, 418])
def test_what_the_web_framework_refuses_is_told_in_both_languages(status: int) -> None:
    body = orjson.loads(problems.from_http(HTTPException(status), "/x").body)
    assert body["detail"].endswith(": /x.")
    assert body["detail_fr"].endswith(" : /x.")
    assert body["detail_fr"].removesuffix(" : /x.") != body["detail"].removesuffix(": /x.")
    assert body["next_step_fr"] != body["next_step"]


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    body = check(await client.get("/api/v1/nothing"), 404, "not-found")
    assert body["detail_fr"] == "Cela n'existe pas : /api/v1/nothing."
    check(await client.get("/nothing"), 404, "not-found")
    check(await client.get("/static/nothing.js"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/orders", "GET, POST"),
        ("DELETE", "/api/v1/orders/ord-1", "GET, PATCH"),
        ("GET", "/api/v1/printers/prn-1/collect", "POST"),
        ("POST", "/api/v1/farm", "GET"),
        ("PUT", "/api/v1/session", "DELETE, GET, POST"),
        ("POST", "/healthz", "GET"),
        ("POST", "/", "GET, HEAD"),
        ("POST", "/static/app.js", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_names_all_the_right_ones(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    answer = await client.request(method, path)
    check(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow


async def test_invalid_fields_are_named_by_pointer_and_not_said_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/orders", json={"quantity": "<b>many</b>", "colour": "red"})
    body = check(answer, 422, "invalid")
    assert body["errors"] == [
        {"pointer": "#/quantity", "detail": "Input should be a valid integer", "detail_fr": "Il faut un nombre entier"},
        {"pointer": "#/colour", "detail": "Extra inputs are not permitted", "detail_fr": "Ce nom n'est pas connu ici"},
    ]
    assert body["detail_fr"] == "#/quantity : Il faut un nombre entier."
    assert body["next_step_fr"] == "Corrigez les champs que nomme `errors`."
    assert "<b>" not in answer.text


async def test_query_parameters_are_named_too(client: httpx.AsyncClient) -> None:
    body = check(await client.get("/api/v1/jobs", params={"limit": 0}), 422, "invalid")
    said = {"detail": "Input should be greater than or equal to 1", "detail_fr": "Il faut au moins 1"}
    assert body["errors"] == [{"parameter": "limit", **said}]


async def test_a_check_of_ours_speaks_both_languages(client: httpx.AsyncClient) -> None:
    body = check(await client.post("/api/v1/requesters", json={"name": "a\x1b[31m"}), 422, "invalid")
    assert "control characters" in str(body["detail"])
    assert "les caractères de contrôle" in str(body["detail_fr"])


def test_a_pointer_escapes_as_rfc_6901_says() -> None:
    answer = problems.from_validation([{"loc": ("body", "a/b~c"), "msg": "wrong", "type": "x"}], "/")
    assert b'"#/a~1b~0c"' in bytes(answer.body)


@pytest.mark.parametrize("content", [b"{", b'{"quantity": 1,}', b"\xff\xfe", b"[" * 30_000])
async def test_a_body_that_is_no_json(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/api/v1/orders", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    body = check(answer, answer.status_code, "malformed" if answer.status_code == 400 else "invalid")
    assert body["detail_fr"] != body["detail"]


async def test_a_fault_of_ours_tells_nothing_of_its_inside(
    client: httpx.AsyncClient, control: MemoryControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(control, "printers", fail)
    answer = await client.get("/api/v1/printers")
    check(answer, 500, "internal")
    assert "secret" not in answer.text


async def test_a_very_long_path_is_not_said_back_whole(app: FastAPI) -> None:
    async with client_of(app) as client:
        body = check(await client.get("/api/v1/" + "x" * 5_000), 404, "not-found")
    assert len(str(body["instance"])) == 300
    assert len(str(body["detail"])) < 400
