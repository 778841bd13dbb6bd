"""What goes wrong at the door: each a clear error with the next step, an exit code that is not 0, and nothing half done."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from tests.integration.command_line import Answer, run_farm
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]


def assert_refused(answer: Answer, *texts: str) -> None:
    """One readable message, no traceback."""
    assert answer.code not in {0, 130}, answer
    assert "Traceback" not in answer.err + answer.out
    for text in texts:
        assert text in answer.err, answer.err


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path_factory.mktemp("farm"), broker="mosquitto") as local:
        local.start_daemon()
        yield local


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "square.gcode"
    path.write_bytes(small_program())
    return path


# --- the daemon --------------------------------------------------------------------------------------------------------------


def test_serve_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        answer = run_farm("serve", "--port", port, "--data", tmp_path / "data")
    assert_refused(answer, f"127.0.0.1 port {port}", "[http] port")
    assert not (tmp_path / "data").exists()


def test_serve_says_that_the_brokers_port_is_taken(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    config = tmp_path / "farm.toml"
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        config.write_text(f'[broker]\nkind = "mosquitto"\nport = {port}\n[http]\nport = {free_port()}\n')
        answer = run_farm("serve", "--config", config, "--data", tmp_path / "data")
    assert_refused(answer, str(port), "[broker]")


def test_serve_says_that_the_data_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = run_farm("serve", "--port", free_port(), "--data", tmp_path / "file" / "data")
    assert_refused(answer, str(tmp_path / "file" / "data"), "data")


def test_serve_names_the_nearest_key(tmp_path: Path) -> None:
    config = tmp_path / "farm.toml"
    config.write_text("[http]\nhots = '0.0.0.0'\n")
    assert_refused(run_farm("serve", "--config", config), "there is no key http.hots", "Did you mean http.host?")


def test_a_second_daemon_on_the_same_data_is_refused(farm: LocalFarm) -> None:
    answer = run_farm("serve", "--port", free_port(), "--data", farm.folder / "farm-data", FARM_BROKER__PORT=str(free_port()))
    assert_refused(answer, "farm-data")
    assert farm.answers("/readyz")


# --- uploads -----------------------------------------------------------------------------------------------------------------


def test_a_truncated_upload_leaves_nothing(farm: LocalFarm) -> None:
    content = small_program()
    fields = {"design": "square", "revision": "square-1", "profile": "generic-210"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n')
    body = "".join(parts).encode() + content
    head = f"POST /api/v1/programs HTTP/1.1\r\nHost: 127.0.0.1:{farm.port}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    head += f"Content-Length: {len(body) + 10_000}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", farm.port))) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65_536)
    assert farm.get("/programs") == []
    farm.wait_until(lambda: not list(farm.data.rglob("incoming/*")), what="the half file to go", timeout_s=PATIENCE_S)


def test_a_file_that_is_not_the_promised_one_is_refused(farm: LocalFarm, program: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gcode"
    damaged.write_bytes(b"\x00\x01" * 1000)
    answer = run_farm(
        "program", "add", damaged, "--design", "square", "--revision", "square-1", "--profile", "generic-210", "--url", farm.url
    )
    assert_refused(answer)
    assert farm.get("/programs") == []


def test_an_order_for_what_nobody_can_print_is_refused(farm: LocalFarm) -> None:
    assert_refused(run_farm("order", "teapot", "3", "--url", farm.url), "teapot")
    assert farm.get("/orders") == []


def test_commands_say_that_no_daemon_answers() -> None:
    answer = run_farm("status", "--url", f"http://127.0.0.1:{free_port()}")
    assert_refused(answer, "farm serve")


# --- nodes -------------------------------------------------------------------------------------------------------------------


def test_a_wrong_code_joins_nothing(farm: LocalFarm, tmp_path: Path) -> None:
    answer = run_farm("node", "join", farm.url, "BCDF-GHJK", "--data", tmp_path / "node")
    assert_refused(answer, "code")
    assert not (tmp_path / "node" / "identity.json").exists()


def test_a_node_that_has_not_joined_says_how_to(tmp_path: Path) -> None:
    assert_refused(run_farm("node", "--data", tmp_path / "node"), "farm node join")


# --- printers ----------------------------------------------------------------------------------------------------------------


def test_try_with_a_wrong_key(octoprint_server: OctoPrintServer, program: Path, tmp_path: Path) -> None:
    key = tmp_path / "wrong.key"
    key.write_text("WRONGWRONGWRONGWRONGWRONGWRONG12\n")
    answer = run_farm("try", f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={key}", program)
    assert_refused(answer, "key")
    assert "WRONGWRONG" not in answer.err + answer.out


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("octoprint+http://127.0.0.1:1?key_file={key}", "127.0.0.1"),
        ("marlin:///dev/pts/99999", "/dev/pts/99999"),
        ("marlin:///dev/null", "/dev/null"),
        ("teapot://kitchen", "marlin://"),
        ("virtual://?sped=60", "sped"),
    ],
)
def test_try_with_a_printer_that_is_not_there(url: str, text: str, program: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("FARMKEYFARMKEYFARMKEYFARMKEY1234\n")
    assert_refused(run_farm("try", url.format(key=key), program), text)


@pytest.mark.parametrize(("content", "text"), [(None, "absent.gcode"), (b"", "empty"), (b"\x00\x01\x02" * 99, "G-code")])
def test_try_with_a_file_that_is_no_program(content: bytes | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "absent.gcode"
    if content is not None:
        path.write_bytes(content)
    assert_refused(run_farm("try", "virtual://?speed=500", path), text)
