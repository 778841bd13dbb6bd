import socket

import pytest

from farm.node.page.gate import Gate
from farm.node.page.server import Request

TOKEN = "t" * 43


def asks(host: str | None = "localhost:8081", *, method: str = "GET", path: str = "/api/state", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, named if host is None else {"host": host, **named})


def posts(host: str = "localhost:8081", **headers: str) -> Request:
    return asks(host, method="POST", **{"content_type": "application/json", **headers})


ALONE = Gate("127.0.0.1", ["printers.home"], None)
LAN = Gate("0.0.0.0", ["printers.home"], TOKEN)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8081", "LOCALHOST:9000", "127.0.0.1:8081", "[::1]:8081", "printers.home", "Printers.Home.:80"]
)
def test_this_machine_has_these_names(host: str) -> None:
    assert ALONE.refuse(asks(host)) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8081", "localhost.evil.example", "192.168.1.20", "", "[", "a@b:c", None]
)
def test_a_name_that_is_not_ours_is_refused(host: str | None) -> None:
    """A page of somebody else that has its name point here (DNS rebinding) still sends its name."""
    assert ALONE.refuse(asks(host)) == (421, "wrong-host")
    assert ALONE.refuse(asks(host, path="/")) == (421, "wrong-host"), "the page itself as well"


def test_in_the_local_network_addresses_and_the_host_name_are_ours() -> None:
    own = socket.gethostname().lower()
    for host in ("192.168.1.20:8081", "[fe80::1]:8081", f"{own}:8081", f"{own.partition('.')[0]}.local", "printers.home"):
        assert LAN.refuse(asks(host, authorization=f"Bearer {TOKEN}")) is None
    assert LAN.refuse(asks("evil.example", authorization=f"Bearer {TOKEN}")) == (421, "wrong-host")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer é"])
def test_in_the_local_network_the_api_needs_the_token(given: str) -> None:
    assert LAN.refuse(asks("192.168.1.20", authorization=given)) == (401, "token-needed")
    assert LAN.refuse(posts("192.168.1.20", authorization=given)) == (401, "token-needed")


def test_the_page_itself_holds_no_secret_and_is_shown() -> None:
    assert LAN.refuse(asks("192.168.1.20", path="/")) is None
    assert LAN.refuse(asks("192.168.1.20", path="/page.js")) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:8081"},
        {"origin": "http://localhost:8081", "sec_fetch_site": "same-origin"},
        {"content_type": "application/json; charset=utf-8"},
        {},
    ],
)
def test_a_post_of_the_page_itself_or_of_a_program_passes(headers: dict[str, str]) -> None:
    assert ALONE.refuse(posts(**headers)) is None


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"origin": "http://evil.example"}, (403, "foreign-origin")),
        ({"origin": "null"}, (403, "foreign-origin")),
        ({"origin": "http://localhost:9999"}, (403, "foreign-origin")),
        ({"origin": "file://localhost:8081"}, (403, "foreign-origin")),
        ({"sec_fetch_site": "cross-site"}, (403, "foreign-origin")),
        ({"sec_fetch_site": "same-site"}, (403, "foreign-origin")),
        ({"content_type": "text/plain"}, (415, "not-json")),
        ({"content_type": "application/x-www-form-urlencoded"}, (415, "not-json")),
        ({"content_type": ""}, (415, "not-json")),
    ],
)
def test_a_post_of_a_foreign_page_is_refused(headers: dict[str, str], refused: tuple[int, str]) -> None:
    assert ALONE.refuse(posts(**headers)) == refused
