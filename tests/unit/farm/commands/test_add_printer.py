"""`farm printers add`: what it writes, what it refuses, and the key of an OctoPrint."""

import inspect
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from drivers.errors import AddressError, Bilingual, NotAPrinterError
from drivers.marlin import search
from drivers.octoprint import enrol as enrol_module
from drivers.octoprint.enrol import Enrolment, EnrolmentError
from drivers.octoprint.enrol import enrol as real_enrol
from drivers.virtual.firmware import Firmware
from drivers.virtual.port import VirtualPort
from farm.cli import build
from farm.commands.add_printer import add_to, check_new, key_of, table_of, toml_text
from farm.config import NodeSettings, PrinterSection, load
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError
from tests.unit.farm.commands.scripted import Bench

COMMENTED = """\
# our node
data = "node-data"   # keep

# [[printers]]
# name = "example"

[[printers]]
name = "Ender"       # at the window
url = "virtual://"
profile = "generic-210"

[log]
level = "debug"
"""
PRINTER = PrinterSection(name="Prusa", url="virtual://?speed=2", profile="generic-210")


@pytest.fixture
def node_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "node.toml"
    path.write_text(COMMENTED)
    return path


def _add(*arguments: str, name: str = "Prusa", profile: str = "generic-210") -> Result:
    return CliRunner().invoke(build(), ["printers", "add", *arguments, "--name", name, "--profile", profile])


# the file


def test_comments_and_order_stay_as_they_are(node_file: Path) -> None:
    add_to(node_file, PRINTER)
    text = node_file.read_text()
    assert text.startswith(COMMENTED)
    assert text.endswith('\n[[printers]]\nname = "Prusa"\nurl = "virtual://?speed=2"\nprofile = "generic-210"\nmaterial = "PLA"\n')
    settings = load(NodeSettings, node_file)
    assert [printer.name for printer in settings.printers] == ["Ender", "Prusa"]
    assert settings.log.level == "debug"


def test_a_file_without_a_last_line_end_or_without_anything(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    add_to(path, PRINTER)
    assert path.read_text().startswith("[[printers]]")
    path.write_text('name = "x"')
    add_to(path, PRINTER)
    assert load(NodeSettings, path).name == "x"
    assert load(NodeSettings, path).printers == [PRINTER]


def test_rights_and_links_stay(node_file: Path, tmp_path: Path) -> None:
    node_file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(node_file)
    add_to(link, PRINTER)
    assert link.is_symlink()
    assert node_file.stat().st_mode & 0o777 == 0o640
    assert PRINTER in load(NodeSettings, node_file).printers
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.toml", "node.toml"], "no draft is left"


@pytest.mark.parametrize(
    "content", ["x = [", "unknown_key = 1", "printers = []", 'printers = [{name = "a", url = "u", profile = "p"}]']
)
def test_a_file_that_is_not_right_is_not_changed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        add_to(path, PRINTER)
    assert raised.value.next_step
    assert raised.value.next_step_fr != raised.value.next_step
    assert path.read_text() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["node.toml"]


def test_a_file_that_is_no_text_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        add_to(path, PRINTER)


def test_a_folder_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be written"):
        add_to(tmp_path / "none" / "node.toml", PRINTER)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_name_survives(name: str) -> None:
    assert tomllib.loads(f"x = {toml_text(name)}")["x"] == name
    printer = PrinterSection(name=name, url="virtual://", profile="generic-210", nozzle_mm=0.6)
    (read,) = tomllib.loads(table_of(printer))["printers"]
    assert PrinterSection(**read) == printer


# the command


def test_a_printer_is_tried_then_written(node_file: Path) -> None:
    result = _add("virtual://?speed=200")
    assert result.exit_code == 0, result.output
    assert "Marlin" in result.stdout
    assert "Prusa is in node.toml now." in result.stdout
    assert "Restart the node, so that it knows: farm node --config node.toml" in result.stdout
    assert load(NodeSettings, node_file).printers[-1].url == "virtual://?speed=200"


@pytest.fixture
def port() -> Iterator[VirtualPort]:
    search._remembered.clear()
    port = VirtualPort(Firmware())
    yield port
    port.close()
    search._remembered.clear()


def test_the_speed_that_was_found_is_written(node_file: Path, port: VirtualPort) -> None:
    told = json.loads(_add(f"marlin://{port.path}", "--json", "--config", str(node_file), "--nozzle-mm", "0.6").stdout)
    added = load(NodeSettings, node_file).printers[-1]
    assert added.url == f"marlin://{port.path}?baud=115200"
    assert added.nozzle_mm == 0.6
    assert told["url"] == f"marlin://{port.path}"
    assert told["probe"]["state"] == "idle"
    assert told["config"] == str(node_file)
    assert set(told["next_step"]) == {"en", "fr"}
    assert all(text.endswith(f"farm node --config {node_file}") for text in told["next_step"].values())


def test_what_is_no_printer_is_not_written(node_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.script.connect_errors = [NotAPrinterError("A modem.", next_step="Another port.")]
    assert isinstance(_add("scripted://").exception, NotAPrinterError)
    assert node_file.read_text() == COMMENTED


def test_without_a_probe_nothing_is_connected(node_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    result = _add("marlin:///dev/ttyUSB7", "--no-probe", "--material", "PETG")
    assert result.exit_code == 0, result.output
    assert bench.driver is not None, "its URL was checked"
    assert bench.driver.calls == []
    added = load(NodeSettings, node_file).printers[-1]
    assert (added.url, added.material) == ("marlin:///dev/ttyUSB7", "PETG")


def test_names_and_printers_are_there_once(node_file: Path) -> None:
    assert _add("marlin:///dev/ttyUSB7", "--no-probe").exit_code == 0
    before = node_file.read_text()
    for url, name in (("marlin:///dev/ttyUSB7?baud=9600", "Other"), ("marlin:///dev/ttyUSB8", "PRUSA"), ("virtual://", "ender")):
        assert isinstance(_add(url, "--no-probe", name=name).exception, ConflictError)
    assert node_file.read_text() == before


def test_the_end_of_a_profiles_id_is_enough_and_the_whole_one_is_written(node_file: Path) -> None:
    assert check_new(node_file, "marlin:///dev/ttyUSB9", "Short", "ender3") == "creality-ender3"
    assert check_new(node_file, "marlin:///dev/ttyUSB9", "Short", "generic-210") == "generic-210"
    with pytest.raises(NotFoundError, match="There is no profile 'ender4'") as refused:
        check_new(node_file, "marlin:///dev/ttyUSB9", "Short", "ender4")
    assert "creality-ender3" in refused.value.next_step_fr


@pytest.mark.parametrize(
    ("arguments", "name", "profile", "kind"),
    [
        (("virtual://",), "A", "generic-2100", NotFoundError),
        (("virtual://", "--nozzle-mm", "50"), "A", "generic-210", InvalidError),
        (("virtual://",), "", "generic-210", InvalidError),
    ],
)
def test_what_cannot_be_is_refused(
    node_file: Path, arguments: tuple[str, ...], name: str, profile: str, kind: type[FarmError]
) -> None:
    refused = _add(*arguments, "--no-probe", name=name, profile=profile).exception
    assert isinstance(refused, kind)
    assert node_file.read_text() == COMMENTED


def test_nobody_is_asked_for_anything_when_the_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(monkeypatch)
    missing = _add("scripted://", "--config", str(tmp_path / "none" / "node.toml")).exception
    assert isinstance(missing, ConfigurationError)
    assert "There is no folder" in missing.detail
    assert missing.next_step_fr == "Créez-le, ou nommez un autre fichier avec --config."
    assert isinstance(_add("scripted://", name="").exception, InvalidError)
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused = _add("scripted://").exception
    assert isinstance(refused, ConfigurationError)
    assert "You may not write" in refused.detail
    assert "Vous n'avez pas le droit d'écrire dans" in refused.detail_fr
    assert bench.driver is None or bench.driver.calls == []
    assert list(tmp_path.iterdir()) == []


# the key of an OctoPrint

OCTO = "octoprint+http://octopi.local"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, str | None]]:
    """What OctoPrint was asked; it gives a key."""
    calls: list[tuple[str, Path, str | None]] = []

    def enrol(url: str, file: Path, *, user: str | None = None, tell: Callable[[Bilingual], None]) -> Enrolment:
        calls.append((url, file, user))
        tell(Bilingual("Open http://octopi.local and allow it.", "Ouvrez."))
        return Enrolment(f"{url}?key_file={file}", file, "jeanne", "1.11.8", missing=("PRINT",))

    monkeypatch.setattr(enrol_module, "enrol", enrol)
    return calls


def test_an_octoprint_without_a_key_is_asked_for_one(
    node_file: Path, asked: list[tuple[str, Path, str | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = node_file.parent / "atelier-1.key"
    assert key_of(OCTO, "Atelier 1!", node_file, None, "jeanne") == f"{OCTO}?key_file={file}"
    assert asked == [(OCTO, file, "jeanne")]
    told = capsys.readouterr().err
    assert "allow it" in told
    assert "jeanne allowed it" in told
    assert "still needs: PRINT" in told
    key_of(OCTO, "Atelier 2", node_file, None, None, remarks=False)
    assert "still needs" not in capsys.readouterr().err, "the probe that follows says it"


def test_a_key_that_is_there_is_used(node_file: Path, asked: list[tuple[str, Path, str | None]]) -> None:
    file = node_file.parent / "a.key"
    file.write_text("KEYKEYKEY\n")
    assert key_of(OCTO, "A", node_file, file, None) == f"{OCTO}?key_file={file}"
    assert key_of(f"{OCTO}?key_file=/etc/k", "A", node_file, None, None) == f"{OCTO}?key_file=/etc/k"
    assert key_of("virtual://", "A", node_file, None, None) == "virtual://"
    assert asked == []


def test_a_web_address_is_refused_also_without_a_probe(node_file: Path) -> None:
    refused = _add("http://octopi.local", "--no-probe").exception
    assert isinstance(refused, AddressError)
    assert "octoprint+http://" in refused.next_step
    assert node_file.read_text() == COMMENTED


def test_how_long_is_waited_is_told(
    node_file: Path, asked: list[tuple[str, Path, str | None]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key_of(OCTO, "A", node_file, None, None)
    told = capsys.readouterr().err
    assert "five minutes at most; Ctrl-C ends it" in told
    assert inspect.signature(real_enrol).parameters["wait_s"].default == 5 * 60
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    key_of(OCTO, "B", node_file, None, None)
    told = capsys.readouterr().err
    assert "farm: Ouvrez." in told
    assert "cinq minutes au plus" in told
    assert "jeanne l'a permis ; la clé est dans" in told


def test_an_error_is_json_too(node_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(_add("virtual://", "--json", name="Ender").stdout)["error"]["code"] == "conflict"
    Bench(monkeypatch).script.connect_errors = [NotAPrinterError(Bilingual("A modem.", "Un modem."), next_step="Another port.")]
    told = json.loads(_add("scripted://host?key=hunter2", "--json").stdout)
    assert told["printer"] == "scripted://host"
    assert told["error"]["detail"] == {"en": "A modem.", "fr": "Un modem."}


def test_a_refused_key_writes_nothing(node_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_keywords: object) -> Enrolment:
        raise EnrolmentError("Refused.", next_step="Ask again.")

    monkeypatch.setattr(enrol_module, "enrol", refuse)
    assert isinstance(_add(OCTO).exception, EnrolmentError)
    assert node_file.read_text() == COMMENTED


def test_nobody_is_asked_for_a_key_in_vain(node_file: Path, asked: list[tuple[str, Path, str | None]]) -> None:
    assert isinstance(_add(OCTO, name="Ender").exception, ConflictError)
    assert asked == []


def test_what_was_added_is_told_in_french(node_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch)
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    lines = _add("scripted://host", name="Prusa").stdout.splitlines()
    assert lines[0].endswith(" : au repos.")
    assert lines[1] == "Prusa est maintenant dans node.toml."
    assert lines[2].startswith("Redémarrez le nœud")
