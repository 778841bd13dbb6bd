from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.errors import AddressError
from drivers.octoprint.address import Camera, OctoPrintAddress, parse_address, with_key_file

SECRET = "0123456789ABCDEF0123456789ABCDEF"


def parse(url: str) -> OctoPrintAddress:
    return parse_address(urlsplit(url))


def test_a_plain_url() -> None:
    address = parse("octoprint+http://octopi.local:5000?key_file=/etc/essaim/one.key")
    assert address.base_url == "http://octopi.local:5000"
    assert address.socket_url == "ws://octopi.local:5000/sockjs/websocket"
    assert address.key_file == Path("/etc/essaim/one.key")
    assert address.ca_file is None


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("octoprint+http://h?key_file=k", "http://h:80"),
        ("octoprint+https://h?key_file=k", "https://h:443"),
        ("octoprint+http://h/octoprint/?key_file=k", "http://h:80/octoprint"),
        ("octoprint+http://h/a/b-1?key_file=k", "http://h:80/a/b-1"),
        ("octoprint+http://[fd00::7]:5000?key_file=k", "http://[fd00::7]:5000"),
        ("octoprint+http://192.168.1.20:8080?key_file=k", "http://192.168.1.20:8080"),
    ],
)
def test_ports_prefixes_and_hosts(url: str, base: str) -> None:
    assert parse(url).base_url == base


def test_an_encrypted_url_may_name_its_authority() -> None:
    address = parse("octoprint+https://h/octo?key_file=k&ca_file=/etc/ca.pem")
    assert address.socket_url == "wss://h:443/octo/sockjs/websocket"
    assert address.ca_file == Path("/etc/ca.pem")


@pytest.mark.parametrize(
    "url",
    [
        f"octoprint+http://h?key={SECRET}",
        f"octoprint+http://h?apikey={SECRET}&key_file=k",
        f"octoprint+http://{SECRET}@h?key_file=k",
        f"octoprint+http://user:{SECRET}@h?key_file=k",
    ],
)
def test_secrets_in_the_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert SECRET not in str(caught.value)
    assert "key_file" in caught.value.next_step


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("octoprint+http://h", "key file"),
        ("octoprint+http://h?key_file=", "key file"),
        ("octoprint+http://?key_file=k", "host"),
        ("octoprint+http://ho st?key_file=k", "host"),
        ("octoprint+http://h:99999?key_file=k", "port"),
        ("octoprint+http://h:ssh?key_file=k", "port"),
        ("octoprint+http://h/../admin?key_file=k", "path"),
        ("octoprint+http://h/%2e%2e?key_file=k", "path"),
        ("octoprint+http://h?key_file=k#x", "path"),
        ("octoprint+http://h?key_file=k&keyfile=x", "'keyfile'"),
        ("octoprint+http://h?key_file=k&ca_file=x", "encrypted"),
        ("http://h?key_file=k", "OctoPrint URL"),
    ],
)
def test_what_is_wrong_is_named(url: str, names: str) -> None:
    with pytest.raises(AddressError, match=names):
        parse(url)


def test_the_key_is_stripped(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(f"  {SECRET}\r\n")
    assert parse(f"octoprint+http://h?key_file={tmp_path}/k").read_key() == SECRET


@pytest.mark.parametrize("content", [b"", b"short", b"two words that are long", b"\xff" * 32, b"A" * 5000, b"KEYKEYKEY\nKEYKEYKEY"])
def test_a_file_without_a_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(AddressError, match="does not hold") as caught:
        parse(f"octoprint+http://h?key_file={tmp_path}/k").read_key()
    assert "words" not in str(caught.value)
    assert "KEYKEY" not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="No such file") as caught:
        parse(f"octoprint+http://h?key_file={tmp_path}/none").read_key()
    assert "n'existe pas" in caught.value.detail_fr
    assert "No such" not in caught.value.detail_fr


@pytest.mark.parametrize(
    ("option", "camera"),
    [
        ("/webcam/%3Faction=snapshot", Camera("http", "octopi.local:5000", "/webcam/?action=snapshot")),
        ("http://octopi.local/snap.jpg", Camera("http", "octopi.local:80", "/snap.jpg")),
        ("http://OctoPi.local:8080", Camera("http", "octopi.local:8080", "/")),
        ("https://octopi.local/a%3Fb=c", Camera("https", "octopi.local:443", "/a?b=c")),
    ],
)
def test_a_camera_on_octoprints_own_host(option: str, camera: Camera) -> None:
    assert parse(f"octoprint+http://octopi.local:5000?key_file=k&snapshot_url={option}").camera == camera


@pytest.mark.parametrize(
    "option",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.99/snap.jpg",
        "http://octopi.local.evil.example/",
        "//evil.example/snap.jpg",
        "http://user:pass@octopi.local/",
        "http://octopi.local@evil.example/",
        "file:///etc/passwd",
        "ftp://octopi.local/x",
        "gopher://octopi.local/x",
        "octopi.local/snap.jpg",
        "/a%0d%0aX-Injected: 1",
        "/a b",
        "http://octopi.local/%23x",
        "http://[::",
        "/" + "x" * 600,
    ],
)
def test_a_camera_elsewhere_is_refused(option: str) -> None:
    with pytest.raises(AddressError, match="snapshot_url") as caught:
        parse(f"octoprint+http://octopi.local:5000?key_file=k&snapshot_url={option}")
    assert caught.value.detail != caught.value.detail_fr
    assert "169.254" not in str(caught.value)


def test_power_is_switched_by_psu_control_or_not_at_all() -> None:
    assert parse("octoprint+http://h?key_file=k&power=psucontrol").switches_power
    assert not parse("octoprint+http://h?key_file=k").switches_power
    with pytest.raises(AddressError, match="power="):
        parse("octoprint+http://h?key_file=k&power=tasmota")


def test_a_url_gets_its_key_file() -> None:
    url = with_key_file("octoprint+http://h:5000/octo", Path("/etc/my keys/one&two.key"))
    assert parse(url).key_file == Path("/etc/my keys/one&two.key")
    assert with_key_file("octoprint+https://h?ca_file=/ca", Path("k")) == "octoprint+https://h?ca_file=/ca&key_file=k"
    assert with_key_file("octoprint+http://h?key_file=a", Path("b")) == "octoprint+http://h?key_file=a"
