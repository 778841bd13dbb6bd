"""What the commands for one printer share."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Capability, EventListener, Fault, PrinterState, PrinterStatus, Recovery, StatusChanged, Temperature
from drivers.errors import BusyPortError, DriverError, UnreachableError
from drivers.testing import Script, ScriptedDriver
from farm.commands import device
from farm.commands.device import (
    Teller,
    connected,
    error_record,
    fault_record,
    note_of,
    save_transcript,
    shown_url,
    temperatures,
    write_file,
)
from farm.errors import InvalidError
from gcode.texts import Bilingual, Told, told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("marlin:///dev/ttyUSB0?baud=115200", "marlin:///dev/ttyUSB0"),
        ("octoprint+http://octopi.local?key_file=/etc/k", "octoprint+http://octopi.local"),
        ("octoprint+http://jeanne:hunter2@octopi.local/x", "octoprint+http://octopi.local/x"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_temperatures_in_words() -> None:
    status = PrinterStatus(nozzle=Temperature(199.6, 200.0), bed=Temperature(60.4, 60.0))
    assert temperatures(status) == ["nozzle 200/200 °C", "bed 60/60 °C"]
    assert temperatures(PrinterStatus()) == []


def test_a_french_terminal_is_told_of_states_temperatures_and_transcripts_in_french(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    status = PrinterStatus(PrinterState.IDLE, nozzle=Temperature(199.6, 200.0), bed=Temperature(60.4, 60.0))
    assert temperatures(status) == ["buse 200/200 °C", "plateau 60/60 °C"]
    teller = Teller()
    teller(StatusChanged(status))
    teller(StatusChanged(PrinterStatus(PrinterState.PREPARING, note="Heating.", note_fr="Chauffe.")))
    save_transcript(_scripted(Script()), tmp_path / "t.txt")
    save_transcript(_scripted(Script(transcript=["a", "b"]), Capability.TRANSCRIPT), tmp_path / "t.txt")
    assert capsys.readouterr().err.splitlines() == [
        "au repos",
        "prépare : Chauffe.",
        "farm: cette sorte d'imprimante ne garde pas de transcription.",
        f"farm: 2 lignes de transcription dans {tmp_path / 't.txt'}",
    ]


def test_what_a_driver_waits_for_is_told_in_french_where_the_words_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, machines = PrinterStatus(note="Heating.", note_fr="Chauffe."), PrinterStatus(note="Click")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert note_of(ours) == "Heating."
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert note_of(ours) == "Chauffe."
    assert note_of(machines) == "Click"
    assert note_of(PrinterStatus()) is None


def test_records_have_both_languages() -> None:
    fault = Fault("maxtemp", "MAXTEMP", "Too hot.", "Trop chaud.", "Look.", "Regardez.", Recovery.NEVER)
    assert fault_record(fault) == {
        "code": "maxtemp",
        "text": "MAXTEMP",
        "text_fr": None,
        "meaning": {"en": "Too hot.", "fr": "Trop chaud."},
        "action": {"en": "Look.", "fr": "Regardez."},
        "recovery": "never",
    }
    assert fault_record(replace(fault, text=Told("maxtemp", "line 5", "ligne 5")))["text_fr"] == "ligne 5"
    record = error_record(BusyPortError("In use.", next_step="Wait."))
    assert record["code"] == "port-busy"
    assert record["next_step"] == {"en": "Wait.", "fr": "Wait."}


def test_a_state_is_told_once_and_made_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    for status in (
        PrinterStatus(PrinterState.CONNECTING),
        PrinterStatus(PrinterState.CONNECTING, nozzle=Temperature(20.0, 0.0)),
        PrinterStatus(PrinterState.CONNECTING, note="Looking \x1b[2J"),
        PrinterStatus(PrinterState.IDLE),
    ):
        teller(StatusChanged(status))
    assert capsys.readouterr().err.splitlines() == ["connecting", "connecting: Looking �[2J", "idle"]


def test_a_file_for_a_person_is_theirs_alone(tmp_path: Path) -> None:
    what = Bilingual("transcript", "la transcription")
    write_file(tmp_path / "t.txt", b"x", what)
    assert (tmp_path / "t.txt").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidError, match="transcript") as refused:
        write_file(tmp_path / "none" / "t.txt", b"x", what)
    assert refused.value.detail_fr.startswith(f"Impossible d'écrire {tmp_path / 'none' / 't.txt'} : ")
    assert refused.value.next_step_fr == "Choisissez un autre lieu pour la transcription."


def _use(monkeypatch: pytest.MonkeyPatch, driver: ScriptedDriver) -> None:
    def make(_url: str, _listener: EventListener) -> ScriptedDriver:
        return driver

    monkeypatch.setattr(device, "open_driver", make)


def _scripted(script: Script, *capabilities: Capability) -> ScriptedDriver:
    return ScriptedDriver(lambda _event: None, capabilities=frozenset(capabilities), script=script)


def test_the_transcript_is_written_also_when_it_could_not_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = UnreachableError("Nobody.", next_step="Look.")
    driver = _scripted(Script(connect_errors=[refused], transcript=["0.000 > M115"]), Capability.TRANSCRIPT)
    _use(monkeypatch, driver)

    async def run() -> None:
        async with connected("scripted://", tmp_path / "t.txt"):
            raise AssertionError("it is not connected")

    with pytest.raises(DriverError, match="Nobody"):
        asyncio.run(run())
    assert (tmp_path / "t.txt").read_text() == "0.000 > M115\n"
    assert driver.closed


def test_a_driver_is_closed_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = _scripted(Script())
    _use(monkeypatch, driver)

    async def run() -> None:
        async with connected("scripted://"):
            raise InvalidError(told("Wrong."), next_step=told("Right."))

    with pytest.raises(InvalidError):
        asyncio.run(run())
    assert driver.closed


def test_a_kind_without_a_transcript_writes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert save_transcript(_scripted(Script()), tmp_path / "t.txt") == 0
    assert not (tmp_path / "t.txt").exists()
    assert "keeps no transcript" in capsys.readouterr().err
