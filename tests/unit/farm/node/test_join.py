import http.client
import json
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from farm.addresses import free_port
from farm.certificates import Certificates, ensure_certificates
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError, UnreachableError
from farm.node import join as join_module
from farm.node.join import Identity, join, load_identity

CODE = "BCDF-GHJK"
PASSWORD = "a password of 256 bits"


def problem(code: str, detail: str = "It is so.", next_step: str = "Do this.") -> bytes:
    return json.dumps({"type": "about:blank", "code": code, "detail": detail, "next_step": next_step}).encode()


@dataclass
class Daemon:
    """What the farm's enrolment answers, as the test says."""

    status: int = 200
    body: bytes | None = None
    authority: Certificates | None = None
    ca_body: bytes | None = None
    claims: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if (method, path) == ("GET", "/api/v1/enrolments/ca"):
            pem = self.authority.authority_pem.encode() if self.authority else b""
            return 200, self.ca_body if self.ca_body is not None else pem
        if (method, path) == ("POST", "/api/v1/enrolments/claim"):
            self.claims.append(json.loads(body))
            return self.status, self.body if self.body is not None else self.grant()
        return 404, b"<html>no such page</html>"

    def grant(self) -> bytes:
        grant = {"node": "node-7", "farm_url": self.url, "mqtt_urls": ["mqtts://farm:8883"], "password": PASSWORD}
        return json.dumps({**grant, "ca_pem": self.authority.authority_pem if self.authority else None}).encode()


@contextmanager
def serving(daemon: Daemon, certificates: Certificates | None = None) -> Iterator[Daemon]:
    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = daemon.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = reply  # noqa: N815 - the names of the standard library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust us hangs up; that is what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    daemon.url = f"http{'s' if certificates else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield daemon
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()


def test_on_this_machine_a_code_becomes_an_identity(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "node"
    with serving(Daemon()) as daemon:
        identity = join(daemon.url + "/", "bcdf ghjk", folder, "Atelier é")
    assert daemon.claims == [{"code": CODE, "name": "Atelier é"}]
    assert identity == Identity(
        node="node-7", name="Atelier é", farm_url=daemon.url, mqtt_urls=["mqtts://farm:8883"], password=PASSWORD, ca_file=None
    )
    assert load_identity(folder) == identity
    assert names_in(folder) == {"identity.json"}
    assert stat.S_IMODE((folder / "identity.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert PASSWORD not in repr(identity)


def test_a_farm_behind_a_path_is_reached(tmp_path: Path) -> None:
    with serving(Daemon()) as daemon, pytest.raises(ConfigurationError, match="not an Essaim daemon"):
        join(f"{daemon.url}/elsewhere", CODE, tmp_path, "n")


# --- TLS with the farm's own authority ---------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Certificates:
    return ensure_certificates(tmp_path / "keys", ["127.0.0.1"])


def test_over_tls_the_pin_says_which_farm_to_trust(tmp_path: Path, keys: Certificates) -> None:
    folder = tmp_path / "node"
    with serving(Daemon(authority=keys), keys) as daemon:
        identity = join(daemon.url, f"{CODE}.{keys.pin}", folder, "n")
    assert daemon.claims == [{"code": CODE, "name": "n"}]
    assert identity.ca_file == folder / "ca.pem"
    assert (folder / "ca.pem").read_text() == keys.authority_pem
    assert load_identity(folder) == identity
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert load_identity(moved).ca_file == moved / "ca.pem"


def test_another_authority_than_the_codes_hears_no_code(tmp_path: Path, keys: Certificates) -> None:
    theirs = ensure_certificates(tmp_path / "theirs", ["127.0.0.1"])
    with serving(Daemon(authority=theirs), theirs) as daemon, pytest.raises(UnreachableError) as caught:
        join(daemon.url, f"{CODE}.{keys.pin}", tmp_path / "node", "n")
    assert caught.value.code == "wrong-pin"
    assert daemon.claims == []
    assert names_in(tmp_path / "node") == set()


def test_who_only_repeats_our_authority_hears_no_code(tmp_path: Path, keys: Certificates) -> None:
    """Anybody may fetch the farm's authority and show it; only the farm has a certificate that it signed."""
    theirs = ensure_certificates(tmp_path / "theirs", ["127.0.0.1"])
    with serving(Daemon(authority=keys), theirs) as daemon, pytest.raises(UnreachableError) as caught:
        join(daemon.url, f"{CODE}.{keys.pin}", tmp_path / "node", "n")
    assert caught.value.code == "certificate"
    assert daemon.claims == []


def test_without_a_pin_only_a_certificate_that_the_system_trusts_will_do(tmp_path: Path, keys: Certificates) -> None:
    with serving(Daemon(authority=keys), keys) as daemon, pytest.raises(UnreachableError) as caught:
        join(daemon.url, CODE, tmp_path / "node", "n")
    assert "whole code" in caught.value.next_step
    assert "ne vient pas d'une autorité connue" in caught.value.detail_fr
    assert "Copiez tout le code" in caught.value.next_step_fr
    assert daemon.claims == []


@pytest.mark.parametrize(
    ("made", "code", "says"),
    [
        (datetime.now(UTC) + timedelta(days=30), "clock-wrong", "behind"),
        (datetime.now(UTC) - timedelta(days=500), "certificate", "clock"),
    ],
)
def test_a_wrong_clock_is_named(tmp_path: Path, made: datetime, code: str, says: str) -> None:
    ensure_certificates(tmp_path / "keys", ["127.0.0.1"], now=datetime.now(UTC) - timedelta(days=600))
    keys = ensure_certificates(tmp_path / "keys", ["127.0.0.1", "x"], now=made)
    with serving(Daemon(authority=keys), keys) as daemon, pytest.raises(UnreachableError) as caught:
        join(daemon.url, f"{CODE}.{keys.pin}", tmp_path / "node", "n")
    assert caught.value.code == code
    assert says in caught.value.next_step


def test_another_name_than_the_certificates_is_named(tmp_path: Path) -> None:
    keys = ensure_certificates(tmp_path / "keys", ["farm.example"])
    with serving(Daemon(authority=keys), keys) as daemon, pytest.raises(UnreachableError) as caught:
        join(daemon.url, f"{CODE}.{keys.pin}", tmp_path / "node", "n")
    assert "[http]" in caught.value.next_step
    assert "il est pour une autre adresse" in caught.value.detail_fr
    assert "[http]" in caught.value.next_step_fr


@pytest.mark.parametrize("body", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", b"\xff" * 100])
def test_what_shows_no_authority_is_no_farm(tmp_path: Path, keys: Certificates, body: bytes) -> None:
    with serving(Daemon(authority=keys, ca_body=body), keys) as daemon, pytest.raises(FarmError) as caught:
        join(daemon.url, f"{CODE}.{keys.pin}", tmp_path / "node", "n")
    assert caught.value.code in {"not-a-farm", "wrong-pin"}
    assert daemon.claims == []


# --- refusals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (404, problem("not-found"), NotFoundError, "too old"),
        (429, problem("throttled"), UnreachableError, "too many attempts"),
        (409, problem("conflict", "The broker cannot serve joined nodes."), FarmError, "cannot serve joined nodes"),
        (507, problem("store-full", "The disk is full."), FarmError, "disk is full"),
        (404, b"<html>nginx</html>", ConfigurationError, "not an Essaim daemon"),
        (404, b'{"detail": "Not Found"}', ConfigurationError, "not an Essaim daemon"),
        (500, b"[]", ConfigurationError, "not an Essaim daemon"),
        (500, b"{}", ConfigurationError, "not an Essaim daemon"),
        (301, b"", ConfigurationError, "not an Essaim daemon"),
        (200, b"{}", ConfigurationError, "not an Essaim daemon"),
        (200, b"hello", ConfigurationError, "not an Essaim daemon"),
    ],
)
def test_every_refusal_says_what_it_is(tmp_path: Path, status: int, body: bytes, kind: type[FarmError], says: str) -> None:
    with serving(Daemon(status=status, body=body)) as daemon, pytest.raises(kind, match=says) as caught:
        join(daemon.url, CODE, tmp_path, "n")
    assert caught.value.next_step
    assert caught.value.next_step_fr
    assert caught.value.detail_fr != caught.value.detail
    assert names_in(tmp_path) == set()


def test_the_farms_own_next_step_is_passed_on(tmp_path: Path) -> None:
    body = problem("conflict", "No.", "Install mosquitto.")
    with serving(Daemon(status=409, body=body)) as daemon, pytest.raises(FarmError) as caught:
        join(daemon.url, CODE, tmp_path, "n")
    assert (caught.value.code, caught.value.next_step) == ("conflict", "Install mosquitto.")
    assert caught.value.next_step_fr == "Install mosquitto.", "an older farm knows no French"


def test_the_farms_own_french_is_passed_on(tmp_path: Path) -> None:
    said = {"code": "conflict", "detail": "No.", "detail_fr": "Non.", "next_step": "Do.", "next_step_fr": "Faites."}
    with serving(Daemon(status=409, body=json.dumps(said).encode())) as daemon, pytest.raises(FarmError) as caught:
        join(daemon.url, CODE, tmp_path, "n")
    assert caught.value.bilingual == ("The farm refuses: No. Do.", "La ferme refuse : Non. Faites.")


def test_who_forgets_the_next_step_leaves_one(tmp_path: Path) -> None:
    body = json.dumps({"code": "conflict", "detail": "No."}).encode()
    with serving(Daemon(status=409, body=body)) as daemon, pytest.raises(FarmError) as caught:
        join(daemon.url, CODE, tmp_path, "n")
    assert (caught.value.next_step, caught.value.next_step_fr) == (
        "Ask the farm's operator.", "Demandez à l'opérateur de la ferme.",
    )  # fmt: skip


def test_nobody_answers(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=str(port)) as caught:
        join(f"http://127.0.0.1:{port}", CODE, tmp_path, "n")
    assert caught.value.detail_fr == f"Aucune ferme ne répond à l'adresse http://127.0.0.1:{port} : connexion refusée."


def test_no_such_host(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="No farm answers"):
        join("https://no-such-host.invalid", CODE, tmp_path, "n")


def test_https_to_a_plain_server_is_told(tmp_path: Path, keys: Certificates) -> None:
    with serving(Daemon()) as daemon, pytest.raises(ConfigurationError, match="not an Essaim daemon"):
        join(daemon.url.replace("http:", "https:"), f"{CODE}.{keys.pin}", tmp_path / "node", "n")


def test_what_does_not_speak_http_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad_line(*_args: object) -> None:
        raise http.client.BadStatusLine("SSH-2.0")

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", bad_line)
    with serving(Daemon()) as daemon, pytest.raises(ConfigurationError, match="not an Essaim daemon"):
        join(daemon.url, CODE, tmp_path, "n")


@pytest.mark.parametrize("url", ["http://farm.local:8080", "http://192.168.1.2", "http://[2001:db8::1]"])
def test_plain_http_is_for_this_machine_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        join(url, CODE, tmp_path, "n")
    assert caught.value.code == "not-encrypted"


@pytest.mark.parametrize(
    "url", ["", "farm.local", "ftp://farm.local", "https://", "https://h:x", "https://me:pw@h", "https://[::1"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidError, match="not the address of a farm"):
        join(url, CODE, tmp_path, "n")


@pytest.mark.parametrize("code", ["", "hello", "BCDF-GHJA"])
def test_what_is_no_code_is_refused_without_asking(tmp_path: Path, code: str) -> None:
    with serving(Daemon()) as daemon, pytest.raises(InvalidError, match="not an invitation code"):
        join(daemon.url, code, tmp_path, "n")
    assert daemon.claims == []


@pytest.mark.parametrize("name", ["", "x" * 81])
def test_a_name_that_cannot_be_one_does_not_use_up_the_code(tmp_path: Path, name: str) -> None:
    with serving(Daemon()) as daemon, pytest.raises(InvalidError, match="name"):
        join(daemon.url, CODE, tmp_path, name)
    assert daemon.claims == []


# --- the folder --------------------------------------------------------------------------------------------------------------


def test_an_identity_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    with serving(Daemon()) as daemon:
        join(daemon.url, CODE, tmp_path, "first")
        before = (tmp_path / "identity.json").read_bytes()
        with pytest.raises(ConflictError) as caught:
            join(daemon.url, CODE, tmp_path, "second")
        assert "--again" in caught.value.next_step
        assert "--data" in caught.value.next_step
        assert (tmp_path / "identity.json").read_bytes() == before
        assert len(daemon.claims) == 1
        assert join(daemon.url, CODE, tmp_path, "second", again=True).name == "second"
    assert load_identity(tmp_path).name == "second"


def test_a_folder_that_cannot_be_written_does_not_use_up_the_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving(Daemon()) as daemon, pytest.raises(ConfigurationError, match="cannot be written") as caught:
        join(daemon.url, CODE, tmp_path / "file" / "node", "n")
    assert "not used" in caught.value.next_step
    assert daemon.claims == []


def test_a_disk_that_fills_up_at_the_last_moment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_for(name: str) -> Callable[[Path, str], None]:
        def write(path: Path, text: str) -> None:
            if path.name == name:
                raise OSError(28, "No space left on device")
            path.write_text(text)

        return write

    monkeypatch.setattr(join_module, "write_private", full_for("identity.json"))
    with serving(Daemon()) as daemon, pytest.raises(ConfigurationError, match="No space left") as caught:
        join(daemon.url, CODE, tmp_path, "n")
    assert "new code" in caught.value.next_step
    assert "il n'y a plus de place sur le disque" in caught.value.detail_fr
    assert "nouveau code" in caught.value.next_step_fr


def test_a_node_that_has_not_joined_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not joined") as caught:
        load_identity(tmp_path)
    assert "farm node join" in caught.value.next_step


@pytest.mark.parametrize(
    "text", ["", "{}", "null", '{"node": "../x", "name": "", "farm_url": "", "mqtt_urls": ["a"], "password": ""}']
)
def test_a_damaged_identity_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(ConfigurationError, match="damaged") as caught:
        load_identity(tmp_path)
    assert "--again" in caught.value.next_step


def test_an_identity_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "identity.json").mkdir()
    with pytest.raises(ConfigurationError, match="directory"):
        load_identity(tmp_path)
