"""How the command line finds the daemon, and what it says when there is none."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

from farm.certificates import ensure_certificates
from farm.commands.client import FarmClient, ProblemError, Target, _Form, find_daemon, on_daemon
from farm.errors import ConfigurationError, UnreachableError
from gcode.texts import Bilingual
from tests.unit.farm.commands.background import TOKEN
from tests.unit.farm.commands.conftest import Farm

pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")

# --- where


def test_without_anything_it_is_this_machine_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_daemon() == Target("http://127.0.0.1:8080")
    monkeypatch.setenv("FARM_HTTP__PORT", "9000")
    assert find_daemon().url == "http://127.0.0.1:9000"
    monkeypatch.setenv("FARM_HTTP__HOST", "::1")
    assert find_daemon().url == "http://[::1]:9000"
    monkeypatch.setenv("FARM_HTTP__HOST", "0.0.0.0")
    assert find_daemon().url == "https://localhost:9000"


def test_the_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_URL", "http://127.0.0.1:1/")
    assert find_daemon().url == "http://127.0.0.1:1"
    assert find_daemon("http://127.0.0.1:2").url == "http://127.0.0.1:2"


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://farm", "http://", "http://farm:99999", "http://[::1", "http://a:b", "x"])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a daemon") as caught:
        find_daemon(url)
    assert (
        caught.value.bilingual.fr
        == f"{url.rstrip('/')} n'est pas l'adresse d'un démon. Donnez --url, par exemple http://127.0.0.1:8080."
    )


def test_the_token_of_the_data_folder_stays_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "operator.token").write_text("from-data\n")
    assert find_daemon().token == "from-data"
    assert find_daemon("https://localhost:1").token == "from-data"
    assert find_daemon("https://farm.example").token is None


def test_a_named_token_wins_and_must_be_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_TOKEN", " from-environment ")
    assert find_daemon("https://farm.example").token == "from-environment"
    (tmp_path / "token").write_text("from-file\n")
    assert find_daemon("https://farm.example", tmp_path / "token").token == "from-file"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find_daemon("https://farm.example", tmp_path / "missing")


def test_a_token_never_goes_over_a_network_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_TOKEN", "secret")
    with pytest.raises(ConfigurationError, match="unencrypted") as caught:
        find_daemon("http://192.168.1.5:8080")
    assert "secret" not in str(caught.value)
    assert find_daemon("http://127.0.0.2:8080").token == "secret"


def test_the_authority_of_this_machines_daemon_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_daemon().authority is None
    own, named = tmp_path / "data" / "keys" / "ca.pem", tmp_path / "named.pem"
    made = ensure_certificates(tmp_path / "data" / "keys", ["127.0.0.1"]).authority
    assert made == own
    named.write_bytes(made.read_bytes())
    assert find_daemon().authority == own
    monkeypatch.setenv("FARM_CA", str(named))
    assert find_daemon().authority == named
    assert find_daemon(authority=own).authority == own


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), ("junk", "there is no certificate in it")])
def test_an_authority_that_is_none_is_told_before_anything_is_asked(
    content: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("FARM_CA", str(path))
    for given in (None, path):
        with pytest.raises(ConfigurationError, match=why) as caught:
            find_daemon("https://farm.local:8443", authority=given)
        assert "--ca-file" in caught.value.next_step


def test_a_daemons_own_authority_that_is_not_for_us_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "data" / "keys" / "ca.pem"
    own.mkdir(parents=True)  # no more readable than that of another user
    assert find_daemon().authority is None


def test_a_token_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        find_daemon(token_file=tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="it is no text") as caught:
        find_daemon(token_file=tmp_path / "binary")
    assert caught.value.detail_fr == f"Impossible de lire le fichier du jeton {tmp_path / 'binary'} : ce n'est pas du texte."
    assert caught.value.next_step_fr == "Copiez operator.token depuis le dossier de données du démon."


# --- talking


def test_who_is_refused_without_a_token_learns_how_to_give_one() -> None:
    said = {"detail": "This needs a credential.", "detail_fr": "Il faut s'identifier.", "next_step": "Send it as a bearer token."}
    refused = ProblemError(said, 401)
    assert str(refused).startswith("This needs a credential. The operator's is in operator.token")
    assert "--token-file" in refused.next_step
    assert "--token-file" in refused.next_step_fr
    assert ProblemError(said, 403).next_step == "Send it as a bearer token."


def test_it_reads_changes_and_sends(farm: Farm) -> None:
    with FarmClient(Target(farm.url)) as client:
        assert client.get("/printers")[0]["id"] == "prn-1"
        assert client.get("/jobs", limit=5) == []
        with pytest.raises(ProblemError) as caught:
            client.post("/orders", {"design": "nothing", "quantity": 1})
        assert (caught.value.status, caught.value.code) == (404, "not-found")
        assert str(caught.value).startswith("There is no design 'nothing'. ")
        with pytest.raises(ProblemError) as caught:
            client.patch("/orders/ord-0", {"quantity": 0})
        assert caught.value.code == "invalid"
        assert caught.value.problem["errors"][0]["pointer"] == "#/quantity"
        assert caught.value.detail.startswith("quantity: ")
        assert caught.value.detail_fr.startswith("quantity : ")
        assert caught.value.next_step_fr == "Corrigez cela, et relancez la commande."


def test_what_the_daemon_says_in_french_is_kept() -> None:
    said = {"detail": "No.", "detail_fr": "Non.", "next_step": "Go.", "next_step_fr": "Allez."}
    assert ProblemError(said, 422).bilingual == Bilingual("No. Go.", "Non. Allez.")
    del said["detail_fr"]
    assert ProblemError(said, 422).bilingual.fr == "No. Allez."
    assert ProblemError({}, 500).bilingual.fr == "Le démon a répondu : statut HTTP 500. Regardez le journal du démon."


def test_it_shows_its_token(farm: Farm) -> None:
    with FarmClient(Target(farm.url, token=TOKEN)) as client:
        assert client.get("/farm")["name"] == "Essaim"
    with FarmClient(Target(farm.url, token="wrong")) as client, pytest.raises(ProblemError) as caught:
        client.get("/farm")
    assert caught.value.code == "unauthenticated"


def test_a_netrc_does_not_replace_the_token(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with FarmClient(Target(farm.url, token=TOKEN)) as client:
        assert client.get("/farm")["name"] == "Essaim"


def test_a_form_is_read_in_pieces_and_knows_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.gcode"
    path.write_bytes(b"G1 X1\n" * 1_000)
    with path.open("rb") as file:
        form = _Form({"design": "visière"}, 'näme".gcode', file)
        length, pieces = len(form), []
        while piece := form.read(100):
            assert len(piece) <= 100
            pieces.append(piece)
    whole = b"".join(pieces)
    assert len(whole) == length
    assert b'name="design"\r\n\r\n' + "visière".encode() in whole
    assert b'filename="n%C3%A4me%22.gcode"' in whole


# --- nothing there, or something else


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        FarmClient(Target(f"http://127.0.0.1:{port}")) as client,
        pytest.raises(UnreachableError, match="No daemon answers") as caught,
    ):
        client.get("/farm")
    assert "farm serve" in caught.value.next_step
    assert caught.value.detail_fr == f"Aucun démon ne répond à http://127.0.0.1:{port}."
    assert "farm serve" in caught.value.next_step_fr


def test_somebody_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.commands.client.TIMEOUT_S", (0.2, 0.2))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        FarmClient(Target(f"http://127.0.0.1:{silent.getsockname()[1]}")) as client,
        pytest.raises(UnreachableError, match="does not answer in time"),
    ):
        client.get("/farm")


class Other(http.server.BaseHTTPRequestHandler):
    """Some other web server."""

    answer: ClassVar[tuple[int, str, bytes]] = (200, "text/html", b"")

    def do_GET(self) -> None:
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other(status: int, kind: str, body: bytes) -> Iterator[str]:
    handler = type("Handler", (Other,), {"answer": (status, kind, body)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


STRANGERS = [(200, "text/html", b"<html>"), (404, "text/html", b"not found"), (302, "text/html", b""), (502, "text/plain", b"x")]


@pytest.mark.parametrize(("status", "kind", "body"), STRANGERS)
def test_another_web_server_is_told_as_such(status: int, kind: str, body: bytes) -> None:
    with other(status, kind, body) as url, FarmClient(Target(url)) as client, pytest.raises(UnreachableError, match="is no daemon"):
        client.get("/farm")


@pytest.mark.parametrize("body", [b"not json", b"[]", b"{}"])
def test_a_broken_problem_still_is_an_error(body: bytes) -> None:
    with (
        other(500, "application/problem+json", body) as url,
        FarmClient(Target(url)) as client,
        pytest.raises(ProblemError) as caught,
    ):
        client.get("/farm")
    assert caught.value.detail == "The daemon answered with HTTP status 500."


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    import ssl  # noqa: PLC0415 - for this test only

    files = ensure_certificates(tmp_path / "keys", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    handler = type("Handler", (Other,), {"answer": (200, "application/json", b"[]"), "log_error": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"https://127.0.0.1:{server.server_address[1]}"
        try:
            with FarmClient(Target(url)) as client, pytest.raises(UnreachableError, match="not trusted") as caught:
                client.get("/farm")
            assert "keys/ca.pem" in caught.value.next_step
            assert caught.value.bilingual.fr.startswith(f"Le certificat de {url} n'est pas digne de confiance. Copiez keys/ca.pem ")
            with FarmClient(Target(url, authority=files.authority)) as client:
                assert client.get("/farm") == []
            unnamed = Target(url.replace("127.0.0.1", "localhost"), authority=files.authority)
            with FarmClient(unnamed) as client, pytest.raises(UnreachableError, match="for other names"):
                client.get("/farm")
        finally:
            server.shutdown()
            thread.join()


def test_a_daemon_without_tls_is_told_as_such(farm: Farm) -> None:
    url = farm.url.replace("http:", "https:")
    with FarmClient(Target(url)) as client, pytest.raises(UnreachableError, match="does not speak TLS") as caught:
        client.get("/farm")
    assert farm.url in caught.value.next_step


def test_whether_a_daemon_answers_yet(farm: Farm) -> None:
    client = FarmClient(Target(farm.url))
    assert client.answers("/healthz")
    assert not client.answers("/nothing")
    farm.server.__exit__()
    assert not client.answers("/healthz")
    client.close()


# --- a command that asks a daemon


def _asked(given: list[tuple[str, int, bool]]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @on_daemon
    def ask(client: FarmClient, path: str, limit: int = 3, loud: bool = False) -> None:
        """Ask for something."""
        given.append((f"{client._target.url}{path}", limit, loud))

    return app


def test_a_command_has_its_own_options_and_those_that_say_which_daemon() -> None:
    shown = CliRunner().invoke(_asked([]), ["--help"], env={"COLUMNS": "160"}).stdout
    assert "Ask for something." in shown
    places = [shown.index(word) for word in ("--limit", "--loud", "--url", "--token-file", "--ca-file")]
    assert places == sorted(places)
    assert "client" not in shown.casefold()


def test_it_is_called_with_a_client_of_that_daemon() -> None:
    given: list[tuple[str, int, bool]] = []
    result = CliRunner().invoke(_asked(given), ["/x", "--url", "http://127.0.0.1:7", "--limit", "5"])
    assert result.exit_code == 0, result.output
    assert given == [("http://127.0.0.1:7/x", 5, False)]


def test_a_wrong_address_is_told_before_the_command_begins() -> None:
    given: list[tuple[str, int, bool]] = []
    error = CliRunner().invoke(_asked(given), ["/x", "--url", "nonsense"]).exception
    assert isinstance(error, ConfigurationError)
    assert given == []


@pytest.mark.parametrize("url", ["http://anna:s3cret@farm.local:8080", "http://s3cret@[::1", "ftp://anna:s3cret@farm"])
def test_a_password_in_the_address_is_refused_and_not_said_back(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        find_daemon(url)
    assert "--token-file" in refused.value.next_step
    assert "s3cret" not in f"{refused.value} {refused.value.bilingual.fr}"
