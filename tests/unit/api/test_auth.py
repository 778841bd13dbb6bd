"""Who may do what: the matrix of paths and credentials, browsers that are led here, and slowing down who guesses."""

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from api.app import create_app
from api.auth import (
    COOKIE,
    SESSION_IDLE_S,
    SESSION_LIFE_S,
    Access,
    Sessions,
    Throttle,
    access_of,
    basic_credentials,
    cookie_of,
    host_name,
    operator_token,
)
from api.testing import MemoryControl, MemoryPeople
from farm.config import DaemonSettings, HttpSection
from farm.errors import ConfigurationError
from farm.request_bodies import MakerRequest
from tests.unit.api.serving import TOKEN, client_of
from tests.unit.api.test_problems import check

OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
FILE = "/api/v1/programs/{sha256}/file"


@asynccontextmanager
async def farm_beyond_loopback(control: MemoryControl, people: MemoryPeople, data: Path) -> AsyncIterator[FastAPI]:
    settings = DaemonSettings(data=data, http=HttpSection(host="0.0.0.0"))
    app = create_app(control=control, people=people, settings=settings, token=TOKEN)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def outside(control: MemoryControl, people: MemoryPeople, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client on the network of a farm that listens beyond loopback."""
    async with (
        farm_beyond_loopback(control, people, tmp_path) as app,
        client_of(app, address="192.0.2.7", base_url="https://farm.example:8080") as client,
    ):
        yield client


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


# --- every route


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    found = [(method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations]
    assert len(found) > 25
    return found


ANYONE = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/api/v1/session"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/enrolments/ca"),
    ("POST", "/api/v1/enrolments/claim"),
}


async def test_beyond_loopback_every_route_but_a_named_few_needs_a_credential(outside: httpx.AsyncClient, app: FastAPI) -> None:
    for method, path in every_route(app):
        answer = await outside.request(method, re.sub(r"\{\w+\}", "a" * 64, path))
        if (method, path) in ANYONE:
            assert answer.status_code not in {401, 403} or path.endswith("session"), path
        else:
            check(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith(("Bearer", "Basic"))


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/style.css", "/static/words.js", "/api/v1/openapi.json"])
async def test_pages_hold_no_secret_and_are_for_anyone(outside: httpx.AsyncClient, path: str) -> None:
    assert (await outside.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/", Access.ANYONE),
        ("/api/v1/farm", Access.OPERATOR),
        ("/api/v1/live", Access.OPERATOR),
        ("/api/v2/whatever-comes", Access.OPERATOR),
        ("/api", Access.OPERATOR),
        ("/api/v1/programs/abc/file", Access.NODE),
        ("/api/v1/programs/abc/file/more", Access.OPERATOR),
        ("/api/v1/programs/a/b/file", Access.OPERATOR),
        ("/api/v1/me", Access.MAKER),
        ("/api/v1/me/jobs/x/accept", Access.MAKER),
        ("/api/v1/menu", Access.OPERATOR),
        ("/api/v1/enrolments/invites", Access.OPERATOR),
        ("/api/v1/enrolments/claim", Access.ANYONE),
        ("/api/v1/enrolments/claim/x", Access.OPERATOR),
    ],
)
def test_what_no_rule_names_is_for_the_operator(path: str, access: Access) -> None:
    assert access_of(path) is access


# --- credentials


async def test_the_operator_token_opens_everything_but_the_makers_own(outside: httpx.AsyncClient, visor: str) -> None:
    assert (await outside.get("/api/v1/farm", headers=OPERATOR)).status_code == 200
    assert (await outside.get(FILE.format(sha256=visor), headers=OPERATOR)).status_code == 200
    check(await outside.get("/api/v1/me/jobs", headers=OPERATOR), 401, "unauthenticated")


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ",
        "Bearer",
        f"Basic {TOKEN}",
        TOKEN,
        f"Token {TOKEN}",
        "Basic !!!",
        "Bearer \xe9",
    ],
)
async def test_a_wrong_token_opens_nothing(outside: httpx.AsyncClient, header: str) -> None:
    answer = await outside.get("/api/v1/farm", headers={b"Authorization": header.encode("latin-1")})
    check(answer, 401, "unauthenticated")
    assert TOKEN not in answer.text


async def test_a_node_may_fetch_files_and_nothing_else(outside: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    control.add_node("nod-7", password="right")
    node = basic("nod-7", "right")
    assert (await outside.get(FILE.format(sha256=visor), headers=node)).status_code == 200
    for path in ("/api/v1/farm", "/api/v1/programs", f"/api/v1/programs/{visor}", "/api/v1/me/jobs", "/api/v1/orders"):
        check(await outside.get(path, headers=node), 401, "unauthenticated")
    answer = await outside.get(FILE.format(sha256=visor), headers=basic("nod-7", "wrong"))
    check(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Basic realm="farm nodes"'
    check(await outside.get(FILE.format(sha256=visor), headers=basic("nod-8", "")), 401, "unauthenticated")


async def test_a_maker_reaches_the_makers_routes_and_nothing_else(outside: httpx.AsyncClient, people: MemoryPeople) -> None:
    maker = await people.add_maker(MakerRequest(name="Élodie", profile="generic-210"))
    headers = {"Authorization": f"Bearer {maker.token}"}
    assert (await outside.get("/api/v1/me/jobs", headers=headers)).json() == []
    for path in ("/api/v1/farm", "/api/v1/programs/" + "a" * 64 + "/file", "/api/v1/makers"):
        assert (await outside.get(path, headers=headers)).status_code == 403


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(outside: httpx.AsyncClient) -> None:
    answer = await outside.post("/api/v1/session", json={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert answer.json() == {"operator": True}
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert (await outside.get("/api/v1/farm")).status_code == 200
    assert (await outside.get("/api/v1/session")).json() == {"operator": True}
    assert (await outside.delete("/api/v1/session")).status_code == 204
    outside.cookies.set(COOKIE, cookie.partition(";")[0].partition("=")[2])
    check(await outside.get("/api/v1/farm"), 401, "unauthenticated")  # ended here, not only in the browser


async def test_a_wrong_token_opens_no_session(outside: httpx.AsyncClient) -> None:
    answer = await outside.post("/api/v1/session", json={"token": "x"})
    check(answer, 401, "unauthenticated")
    assert "set-cookie" not in answer.headers
    assert (await outside.get("/api/v1/session")).json() == {"operator": False}


async def test_who_guesses_must_wait_and_nobody_else_does(
    control: MemoryControl, people: MemoryPeople, tmp_path: Path, visor: str
) -> None:
    control.add_node("nod-7", password="right")
    async with farm_beyond_loopback(control, people, tmp_path) as app:
        async with client_of(app, address="192.0.2.66") as guesser:
            for _ in range(10):
                check(await guesser.get("/api/v1/farm", headers={"Authorization": "Bearer guess"}), 401, "unauthenticated")
            answer = await guesser.get("/api/v1/farm", headers=OPERATOR)
            check(answer, 429, "throttled")
            assert 0 < int(answer.headers["retry-after"]) <= 61
            check(await guesser.post("/api/v1/session", json={"token": TOKEN}), 429, "throttled")
            # A node with a wrong password must not lock out the operator, nor the other way round.
            assert (await guesser.get(FILE.format(sha256=visor), headers=basic("nod-7", "right"))).status_code == 200
        async with client_of(app, address="192.0.2.67") as other:
            assert (await other.get("/api/v1/farm", headers=OPERATOR)).status_code == 200


# --- this machine


async def test_on_loopback_this_machine_is_the_operator(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/farm")).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
async def test_names_of_this_machine(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/v1/farm", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "192.168.1.5", "", "[::1"]
)
@pytest.mark.parametrize("path", ["/api/v1/farm", "/", "/healthz", "/api/v1/session"])
async def test_a_rebound_name_gets_nothing(client: httpx.AsyncClient, host: str, path: str) -> None:
    check(await client.get(path, headers={"Host": host}), 421, "wrong-host")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:9999", "http://localhost:8080", "null", "", "http://127.0.0.1:8080.evil.example"],
)
async def test_a_foreign_page_changes_nothing(client: httpx.AsyncClient, control: MemoryControl, visor: str, origin: str) -> None:
    answer = await client.post("/api/v1/orders", json={"design": "visor-frame", "quantity": 3}, headers={"Origin": origin})
    check(answer, 403, "foreign-origin")
    check(await client.delete("/api/v1/session", headers={"Origin": origin}), 403, "foreign-origin")
    assert control.orders() == []


async def test_our_own_page_and_programs_without_origin_may(client: httpx.AsyncClient, visor: str) -> None:
    body = {"design": "visor-frame", "quantity": 3}
    own = {"Origin": "http://127.0.0.1:8080"}
    assert (await client.post("/api/v1/orders", json=body, headers=own)).status_code == 201
    assert (await client.post("/api/v1/orders", json=body)).status_code == 201


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_behind_a_proxy_nobody_is_local(client: httpx.AsyncClient, header: str) -> None:
    check(await client.get("/api/v1/farm", headers={header: "127.0.0.1"}), 401, "unauthenticated")
    assert (await client.get("/api/v1/farm", headers={header: "127.0.0.1", **OPERATOR})).status_code == 200


async def test_a_proxys_name_is_welcome_when_the_configuration_says_so_but_not_local(
    control: MemoryControl, people: MemoryPeople, tmp_path: Path
) -> None:
    settings = DaemonSettings(data=tmp_path, http=HttpSection(names=["Farm.example"]))
    app = create_app(control=control, people=people, settings=settings, token=TOKEN)
    async with app.router.lifespan_context(app), client_of(app, base_url="http://farm.example") as client:
        check(await client.get("/api/v1/farm"), 401, "unauthenticated")
        assert (await client.get("/api/v1/farm", headers=OPERATOR)).status_code == 200


async def test_an_address_elsewhere_is_not_local_even_on_a_loopback_daemon(app: FastAPI) -> None:
    async with client_of(app, address="192.0.2.7") as client:
        check(await client.get("/api/v1/farm"), 401, "unauthenticated")


async def test_a_wrong_credential_is_not_ignored_on_loopback(client: httpx.AsyncClient) -> None:
    check(await client.get("/api/v1/farm", headers={"Authorization": "Bearer wrong"}), 401, "unauthenticated")


# --- the parts


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = operator_token(tmp_path / "data")
    path = tmp_path / "data" / "operator.token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first) >= 43
    path.chmod(0o644)
    assert operator_token(tmp_path / "data") == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert operator_token(tmp_path / "other") != first


def test_a_token_file_that_cannot_be_trusted_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "operator.token").write_text("short\n")
    with pytest.raises(ConfigurationError, match="holds no operator token"):
        operator_token(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made or read") as refused:
        operator_token(tmp_path / "file")
    assert f"Le jeton d'opérateur {tmp_path / 'file' / 'operator.token'} ne peut être ni créé ni lu : " in refused.value.detail_fr
    assert refused.value.next_step_fr == "Vérifiez à qui appartient le dossier."


async def test_the_application_makes_the_token_at_its_first_start(control: MemoryControl, tmp_path: Path) -> None:
    settings = DaemonSettings(data=tmp_path / "data", http=HttpSection(host="::"))
    app = create_app(control=control, settings=settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        token = (tmp_path / "data" / "operator.token").read_text().strip()
        assert (await client.get("/api/v1/farm", headers={"Authorization": f"Bearer {token}"})).status_code == 200


def test_a_throttle_forgets_after_its_window_and_remembers_a_bounded_number() -> None:
    now = 1000.0
    throttle = Throttle(attempts=2, window_s=60, capacity=3, now=lambda: now)
    key = ("a", "operator")
    throttle.failed(key)
    assert throttle.wait_s(key) == 0
    now += 10
    throttle.failed(key)
    assert throttle.wait_s(key) == 50
    now += 50
    assert throttle.wait_s(key) == 0
    for address in "bcde":
        throttle.failed((address, "operator"))
    assert len(throttle._failures) == 3


def test_sessions_end_by_idleness_by_age_and_by_number() -> None:
    now = 1000.0
    sessions = Sessions(now=lambda: now)
    idle = sessions.open()
    now += SESSION_IDLE_S
    assert not sessions.valid(idle)
    used = sessions.open()
    begun = now
    while now < begun + SESSION_LIFE_S - SESSION_IDLE_S:
        now += SESSION_IDLE_S / 2
        assert sessions.valid(used)
    now = begun + SESSION_LIFE_S
    assert not sessions.valid(used)
    first, second = sessions.open(), sessions.open()
    assert sessions.valid(first)
    for _ in range(255):
        sessions.open()
    assert sessions.valid(first)
    assert not sessions.valid(second)  # the one longest unused made room


@pytest.mark.parametrize(
    ("host", "name"), [("A.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b"), ("", "")]
)
def test_host_names(host: str, name: str) -> None:
    assert host_name(host) == name


def test_basic_credentials_may_have_colons_in_the_password() -> None:
    def encode(text: bytes) -> str:
        return "Basic " + base64.b64encode(text).decode()

    assert basic_credentials(encode(b"n:p:q")) == ("n", "p:q")
    assert basic_credentials(encode(b"n:")) == ("n", "")
    for bad in ("", "Basic", "Basic %%%", encode(b"nocolon"), encode(b"\xff:\xff"), "Bearer abc"):
        assert basic_credentials(bad) is None


def test_a_broken_cookie_is_no_cookie() -> None:
    assert cookie_of(Headers({"cookie": f"a=b; {COOKIE}=secret"})) == "secret"
    for bad in ("", ";;;", f"{COOKIE}", "a=\x01"):
        assert cookie_of(Headers({"cookie": bad})) == ""


async def test_a_makers_token_is_known_on_routes_of_the_operator_and_not_enough(
    outside: httpx.AsyncClient, people: MemoryPeople
) -> None:
    maker = await people.add_maker(MakerRequest(name="Anna", profile="generic-210"))
    for _ in range(12):  # it is no wrong credential: nobody has to wait for it
        answer = await outside.get("/api/v1/farm", headers={"Authorization": f"Bearer {maker.token}"})
        check(answer, 403, "not-allowed")
    assert "/api/v1/me" in answer.json()["next_step"]


async def test_a_bad_makers_token_is_called_that(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/api/v1/me/jobs", headers={"Authorization": "Bearer nobody"})
    check(answer, 401, "unauthenticated")
    assert "maker's token" in answer.json()["detail"]
    assert "le jeton d'un maker" in answer.json()["detail_fr"]
    assert "operator" not in answer.json()["next_step"]


async def test_a_makers_token_opens_no_session_and_no_details(outside: httpx.AsyncClient, people: MemoryPeople) -> None:
    maker = await people.add_maker(MakerRequest(name="Anna", profile="generic-210"))
    check(await outside.post("/api/v1/session", json={"token": maker.token}), 403, "not-allowed")
    asked = await outside.get("/api/v1/session", headers={"Authorization": f"Bearer {maker.token}"})
    assert asked.json() == {"operator": False}
