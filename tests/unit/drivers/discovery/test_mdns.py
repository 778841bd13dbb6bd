"""Announcements of OctoPrints: what is read of them, and real ones over zeroconf on the loopback interface."""

import builtins
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from zeroconf import ServiceInfo, Zeroconf

from drivers.discovery import mdns
from drivers.discovery.mdns import MAX_FOUND, MAX_TEXT, SERVICE, DiscoveryError, best_addresses, find_octoprints, read_announcement

LOOPBACK = ["127.0.0.1"]
UUID = "7ea12e85-4a49-4a29-b7a1-9d9d0c2b5a11"
PLAIN = {b"path": b"/", b"version": b"1.11.8", b"api": b"0.1", b"uuid": UUID.encode()}


def _read(
    properties: Mapping[bytes, bytes | None] = PLAIN,
    *,
    name: str = 'OctoPrint instance "Printer A"',
    host: str = "octopi.local.",
    addresses: tuple[str, ...] = ("192.168.1.7",),
    port: int = 80,
) -> mdns.FoundOctoPrint:
    found = read_announcement(f"{name}.{SERVICE}", host, addresses, port, properties)
    assert found is not None
    return found


def test_a_plain_announcement() -> None:
    found = _read()
    assert (found.name, found.uuid, found.version, found.host) == ("Printer A", UUID, "1.11.8", "octopi.local")
    assert found.url == "octoprint+http://192.168.1.7"
    assert not found.here
    assert not found.guarded


@pytest.mark.parametrize(
    ("name", "shown"),
    [("OctoPrint instance on octopi", "octopi"), ("My printer", "My printer"), ('OctoPrint instance ""', "OctoPrint")],
)
def test_names_for_people(name: str, shown: str) -> None:
    assert _read(name=name).name == shown


def test_port_path_and_ipv6_are_in_the_url() -> None:
    assert _read({b"path": b"/octo/"}, port=5000).url == "octoprint+http://192.168.1.7:5000/octo"
    assert _read(addresses=("fd00::7",), port=5000).url == "octoprint+http://[fd00::7]:5000"
    assert _read(addresses=()).url == "octoprint+http://octopi.local"


def test_a_user_name_and_a_password_are_never_shown() -> None:
    found = _read({**PLAIN, b"u": b"jeanne", b"p": b"hunter2"})
    assert found.guarded
    assert "jeanne" not in repr(found)
    assert "hunter2" not in repr(found)


def test_texts_of_the_network_are_short_and_printable() -> None:
    found = _read(
        {b"version": b"\x1b[2J" + b"9" * 500, b"uuid": b"<script>", b"path": b"/../?x=http://evil/"}, name="\x07" + "n" * 300
    )
    assert found.version is not None
    for text in (found.name, found.version):
        assert text.isprintable()
        assert len(text) <= MAX_TEXT
    assert found.uuid is None
    assert found.path == ""
    assert _read({b"version": None, b"path": b"\xff\xfe"}).path == ""


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_a_port_that_is_none_is_no_announcement(port: int) -> None:
    assert read_announcement("x", "octopi.local.", ["192.168.1.7"], port, {}) is None


def test_without_any_place_there_is_nothing_to_ask() -> None:
    assert read_announcement("x", "bad host/../", [], 80, {}) is None
    assert read_announcement("x", "bad host/../", ["192.168.1.7"], 80, {}) is not None


def test_the_address_that_works_from_most_places_comes_first() -> None:
    announced = [
        "127.0.0.1",
        "169.254.3.4",
        "fe80::1%eth0",
        "fd00::7",
        "192.168.1.7",
        "192.168.1.7",
        "224.0.0.1",
        "0.0.0.0",
        "text",
        "::1",
    ]
    assert best_addresses(announced) == ("192.168.1.7", "fd00::7", "169.254.3.4", "127.0.0.1", "::1")
    assert len(best_addresses(f"10.0.0.{number}" for number in range(200))) == mdns.MAX_ADDRESSES


def test_loopback_means_this_computer() -> None:
    assert _read(addresses=("127.0.0.1",)).here
    assert not _read(addresses=("127.0.0.1", "10.0.0.1")).here
    assert not _read(addresses=()).here


def test_without_zeroconf_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "zeroconf":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DiscoveryError, match=r"essaim\[discovery\]") as raised:
        find_octoprints(0.1)
    assert "zeroconf manque" in raised.value.detail_fr


def test_without_a_network_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_keywords: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr("zeroconf.Zeroconf", fails)
    with pytest.raises(DiscoveryError, match="No such device"):
        find_octoprints(0.1)


# over real sockets


@pytest.fixture
def announcer() -> Iterator[Zeroconf]:
    zeroconf = Zeroconf(interfaces=LOOPBACK)
    yield zeroconf
    zeroconf.close()


def _announce(zeroconf: Zeroconf, name: str, port: int, properties: Mapping[bytes, bytes | None]) -> None:
    info = ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        addresses=[socket.inet_aton("127.0.0.1")],
        port=port,
        properties=dict(properties),
        server="octopi.local.",
    )
    zeroconf.register_service(info, cooperating_responders=True)


def test_real_announcements_are_found_by_uuid(announcer: Zeroconf) -> None:
    first, second = str(uuid4()), str(uuid4())  # others announce themselves on this interface too: tests beside this one
    twice = {**PLAIN, b"uuid": first.encode()}
    _announce(announcer, f'OctoPrint instance "B {first}"', 5001, {**twice, b"u": b"jeanne", b"p": b"hunter2"})
    _announce(announcer, f'OctoPrint instance "a {second}"', 5002, {**PLAIN, b"uuid": second.encode()})
    _announce(announcer, f"{first} once more", 5001, twice)
    for patience_s in (2.0, 5.0, 20.0):  # on a crowded machine an answer takes longer
        found = [one for one in find_octoprints(patience_s, LOOPBACK) if one.uuid in {first, second}]
        if {one.uuid for one in found} == {first, second}:
            break
    assert [(one.name, one.port) for one in found if one.uuid == second] == [(f"a {second}", 5002)]
    assert len([one for one in found if one.uuid == first]) == 1, "one instance, announced twice"
    assert all(one.here and one.url.startswith("octoprint+http://127.0.0.1:500") for one in found)
    assert "hunter2" not in repr(found)


def test_their_number_is_limited() -> None:
    names = mdns._Names()
    zeroconf: Any = None
    for number in range(MAX_FOUND + 50):
        names.add_service(zeroconf, SERVICE, f"n{number}")
    assert len(names.all()) == MAX_FOUND
    names.remove_service(zeroconf, SERVICE, "n0")
    names.remove_service(zeroconf, SERVICE, "unknown")
    names.update_service(zeroconf, SERVICE, "n1")
    assert len(names.all()) == MAX_FOUND - 1
