"""`farm printers probe`, with a scripted driver, a virtual printer and a pty."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from drivers.base import Capability, Fault, PrinterStatus, Prompt
from drivers.errors import AuthenticationError, Bilingual, NotAPrinterError, UnreachableError
from drivers.marlin import search
from drivers.octoprint.client import Client
from drivers.virtual.firmware import Firmware
from drivers.virtual.port import VirtualPort
from farm.cli import build
from farm.commands import probe as probe_module
from farm.commands.probe import Findings, _look_at_octoprint, _look_at_port
from farm.errors import InvalidError
from tests.unit.drivers.marlin.devices import PRUSA, Machine
from tests.unit.farm.commands.scripted import NO_FILE, Bench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["printers", "probe", *arguments])


def test_who_answers_and_what_it_can_do(bench: Bench) -> None:
    result = _run("scripted://host?key=hunter2")
    assert result.exit_code == 0, result.output
    first, *rows = result.stdout.splitlines()
    assert first == "scripted://host"
    shown = dict(row.strip().split(maxsplit=1) for row in rows)
    assert shown["kind"] == "scripted"
    assert shown["state"] == "idle"
    assert shown["uuid"] == "7ea12e85-4a49-4a29-b7a1-9d9d0c2b5a11"
    assert shown["can"] == "console, emergency-stop, prompts, snapshot, transcript"
    assert bench.driver is not None
    assert bench.driver.closed
    assert bench.asked() == [], "nothing is sent that could move it"


def test_a_fault_and_what_to_do_are_in_the_language_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("killed", "!!", "It stopped.", "Elle s'est arrêtée.", "Reset it.", "Réinitialisez-la.")
    found = Findings("scripted://", "scripted", [], PrinterStatus(fault=fault))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert dict(found.rows())["fault"] == "It stopped. Reset it."
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert dict(found.rows())["panne"] == "Elle s'est arrêtée. Réinitialisez-la."


def test_what_it_asks_is_told_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Prompt("q1", "Dry?", ("Yes",), "Sec ?", ("Oui",))
    found = Findings("scripted://", "scripted", [], PrinterStatus(note="Waits.", note_fr="Attend.", prompt=ours))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert dict(found.rows())["asks"] == "Dry?"
    record = found.record()
    assert record["prompt"] == {"text": "Dry?", "choices": ["Yes"], "text_fr": "Sec ?", "choices_fr": ["Oui"]}
    assert (record["note"], record["note_fr"]) == ("Waits.", "Attend.")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert dict(found.rows())["demande"] == "Sec ?"
    assert found.record() == record, "programs are told the same everywhere"


def test_a_printer_is_described_in_french(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    result = _run("scripted://host")
    shown = {row[4:19].strip(): row[19:] for row in result.stdout.splitlines()[1:]}
    assert (shown["type"], shown["état"]) == ("scripted", "au repos")
    assert shown["sait faire"] == "console, arrêt d'urgence, questions, photo, transcription"
    assert "au repos" in result.stderr
    assert "idle" not in result.output
    assert json.loads(_run("scripted://host", "--json").stdout)["state"] == "idle", "programs are told the same everywhere"


def test_json_has_all_of_it(bench: Bench) -> None:
    told = json.loads(_run("scripted://", "--json").stdout)
    assert told["state"] == "idle"
    assert told["capabilities"] == ["console", "emergency-stop", "prompts", "snapshot", "transcript"]
    assert told["warnings"] == []
    assert told.keys() >= {"nozzle", "bed", "fault", "prompt", "firmware", "use", "octoprint", "snapshot", "note"}


def test_a_picture_and_a_transcript_go_to_files(bench: Bench, tmp_path: Path) -> None:
    picture, wire = tmp_path / "p.jpg", tmp_path / "t.txt"
    told = json.loads(_run("scripted://", "--json", "--snapshot", str(picture), "--transcript", str(wire)).stdout)
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    assert told["snapshot"] == str(picture)
    assert wire.read_text().startswith("0.000 > M115\n")


def test_without_a_camera_there_is_no_picture(bench: Bench, tmp_path: Path) -> None:
    bench.capabilities = frozenset({Capability.CONSOLE})
    refused = _run("scripted://", "--snapshot", str(tmp_path / "p.jpg")).exception
    assert isinstance(refused, InvalidError)
    assert "WEBCAM" in refused.next_step
    assert "le droit WEBCAM" in refused.next_step_fr
    assert not (tmp_path / "p.jpg").exists()


def test_a_file_that_cannot_be_written_is_one_error(bench: Bench) -> None:
    assert isinstance(_run("scripted://", "--snapshot", str(NO_FILE)).exception, InvalidError)


def test_an_error_is_json_too(bench: Bench, tmp_path: Path) -> None:
    bench.script.connect_errors = [NotAPrinterError("A modem.", next_step="Another port.")]
    result = _run("scripted://", "--json", "--transcript", str(tmp_path / "t.txt"))
    assert isinstance(result.exception, NotAPrinterError)
    told = json.loads(result.stdout)
    assert told["error"]["code"] == "not-a-printer"
    assert told["error"]["detail"]["fr"]
    assert (tmp_path / "t.txt").exists(), "what was heard is what support needs"


def test_an_error_of_ours_is_json_too(bench: Bench) -> None:
    told = json.loads(_run("scripted://host?key=hunter2", "--json", "--snapshot", str(NO_FILE)).stdout)
    assert told["printer"] == "scripted://host"
    assert told["error"]["code"] == "invalid"
    assert told["error"]["next_step"]["en"] != told["error"]["next_step"]["fr"]


def test_the_uuid_of_m115_is_told_also_when_it_is_small(bench: Bench) -> None:
    bench.script.transcript = ["0.0 < FIRMWARE_NAME:Marlin UUID:00000000-0000-4000-8000-000000000012"]
    assert json.loads(_run("scripted://", "--json").stdout)["uuid"] == "00000000-0000-4000-8000-000000000012"


class _Page(BaseHTTPRequestHandler):
    """Answers as OctoPrint 1.11.8 does to somebody without a key, or as something else."""

    answers: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        self.send_response(self.answers.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Page, "answers", {"/plugin/appkeys/probe": 204, "/api/version": 403})
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"octoprint+http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_octoprint_without_a_key_says_what_it_can_and_how_to_get_one(page: str) -> None:
    result = _run(page, "--json")
    assert isinstance(result.exception, AuthenticationError)
    assert "An OctoPrint is there" in result.exception.detail
    assert "farm printers add URL" in result.exception.next_step
    assert "farm printers add URL" in result.exception.next_step_fr
    assert json.loads(result.stdout)["error"]["code"] == "printer-authentication"


def test_what_is_no_octoprint_is_known_without_a_key(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Page, "answers", {})
    assert isinstance(_run(page).exception, NotAPrinterError)


def test_a_warning_is_told_in_the_language_of_the_locale(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(found: Findings, _url: str) -> None:
        found.warnings.append(Bilingual("Too much.", "De trop."))

    monkeypatch.setattr(probe_module, "_look_at_octoprint", warn)
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert "farm: attention : De trop." in _run("octoprint+http://octopi.local?key_file=/k").stderr


def test_example_uuids_are_no_identity(bench: Bench) -> None:
    for uuid in ("00000000-0000-4000-8000-000000000000", "cede2a2f-41a2-4748-9b12-c55c62f367ff"):
        bench.script.transcript = [f"0.0 < FIRMWARE_NAME:Marlin UUID:{uuid}"]
        assert json.loads(_run("scripted://", "--json").stdout)["uuid"] is None


def test_a_virtual_printer() -> None:
    told = json.loads(_run("virtual://?speed=200", "--json").stdout)
    assert told["firmware"].startswith("Marlin")
    assert told["nozzle"]["actual_c"] > 0
    assert "console" in told["capabilities"]
    assert told["use"] is None


@pytest.fixture
def port() -> Iterator[VirtualPort]:
    search._remembered.clear()
    port = VirtualPort(Firmware())
    yield port
    port.close()
    search._remembered.clear()


def test_the_url_to_use_has_the_speed_that_was_found(port: VirtualPort) -> None:
    told = json.loads(_run(f"marlin://{port.path}", "--json").stdout)
    assert told["use"] == f"marlin://{port.path}?baud=115200"
    assert told["uuid"] is None
    kept = json.loads(_run(f"marlin://{port.path}?baud=115200&deadman_s=0", "--json").stdout)
    assert kept["use"] == f"marlin://{port.path}?baud=115200&deadman_s=0"


def test_a_kernel_name_is_warned_of(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    device = machine.plug("ttyACM0", "1.2", PRUSA)
    found = Findings("", "marlin", [], PrinterStatus(firmware="Prusa-Firmware 3.14, 250000 baud"))
    _look_at_port(found, f"marlin://{device}", machine.tree)
    assert found.use == f"marlin://{machine.tree.by_id / PRUSA.id_name}?baud=250000"
    assert "may be another printer" in found.warnings[0].en
    again = Findings("", "marlin", [], PrinterStatus())
    _look_at_port(again, f"marlin://{machine.tree.by_id / PRUSA.id_name}?baud=115200", machine.tree)
    assert again.use == f"marlin://{machine.tree.by_id / PRUSA.id_name}?baud=115200"
    assert again.warnings == []


def _client_with(monkeypatch: pytest.MonkeyPatch, *permissions: str) -> None:
    def probe(client: Client) -> str:
        client.user, client.permissions = "farm", frozenset(permissions)
        return "1.11.8"

    monkeypatch.setattr(Client, "probe", probe)


def _octoprint(findings: Any = None) -> Findings:
    found = Findings("", "octoprint", [], PrinterStatus())
    _look_at_octoprint(found, "octoprint+http://127.0.0.1:1?key_file=/k")
    return found


def test_an_octoprint_says_version_user_and_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    _client_with(monkeypatch, "STATUS", "PRINT")
    found = _octoprint()
    assert found.octoprint is not None
    assert (found.octoprint["version"], found.octoprint["user"]) == ("1.11.8", "farm")
    assert found.octoprint["permissions"] == ["PRINT", "STATUS"]
    assert "FILES_UPLOAD" in found.octoprint["missing"]
    assert dict(found.rows())["may"] == "PRINT, STATUS"
    assert found.warnings == []


def test_a_key_that_may_too_much_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    _client_with(monkeypatch, "ADMIN")
    found = _octoprint()
    assert "ADMIN" in found.warnings[0].en
    assert found.warnings[0].fr != found.warnings[0].en


def test_an_octoprint_url_goes_to_octoprint(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(probe_module, "_look_at_octoprint", lambda _found, url: seen.append(urlsplit(url).scheme))
    assert _run("octoprint+http://octopi.local?key_file=/k").exit_code == 0
    assert seen == ["octoprint+http"]


def test_nobody_there_is_one_typed_error(bench: Bench) -> None:
    bench.script.connect_errors = [UnreachableError("Nobody.", next_step="Look.")]
    result = _run("scripted://")
    assert isinstance(result.exception, UnreachableError)
    assert result.stdout == ""
