"""`farm try` as a technician types it: real processes, virtual printers."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.base import Fault, PrintEnd, PrintEnded, PrinterState, PrinterStatus, Temperature
from farm.commands.trial import describe
from farm.commands.try_ import _tell, check_against, check_file
from farm.errors import FarmError
from gcode.texts import Told
from tests.unit.drivers.marlin.world import HEATED, moves

COLD = "\nM104 S0\nM140 S0\n"


def _run(*arguments: str, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "farm", "try", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "frame.gcode"
    path.write_text("\n".join([*HEATED, *moves(300), "M104 S0", "M84", ""]))
    return path


def test_a_print_ends_with_a_line_of_json(frame: Path) -> None:
    result = _run("virtual://?speed=200", str(frame), "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["end"] == "done"
    assert told["printer"] == "virtual://"
    assert told["seconds"] > 0
    assert re.match(r"job-[0-9a-z]{16}$", told["job"])
    for state in ("connecting", "idle", "preparing", "printing"):
        assert state in result.stderr
    assert result.stderr.count("--profile") == 1, "a hint, once"
    assert "--profile" not in result.stdout


def test_what_the_check_doubts_is_said_before_the_print(tmp_path: Path) -> None:
    file = tmp_path / "frame.gcode"
    file.write_text("\n".join(["M117 no origin", *[line for line in HEATED if line != "G28"], *moves(50), "M907 E500"]) + COLD)
    result = _run("virtual://?speed=200", str(file), "--profile", "generic-210", "--json")
    before, _, _ = result.stderr.partition("connecting")
    assert "farm: warning: The file does not find the machine's origin first. Add G28" in before
    assert "(line " in before, "the line of what needs trust"
    assert "--profile" not in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["printer"] == "virtual://"


def test_a_profile_refuses_a_file_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "frame.gcode"
    file.write_text("\n".join([*HEATED, *moves(300), ""]))
    result = _run("virtual://?speed=200", str(file), "--profile", "generic-210")
    assert result.returncode == 1
    assert "cut off" in result.stderr
    assert "(line 0)" not in result.stderr
    assert "connecting" not in result.stderr


def test_a_licence_is_no_gcode(tmp_path: Path) -> None:
    file = tmp_path / "LICENSE"
    file.write_text("Copyright [year]\nPermission is granted.\nM1 is a road.\n")
    result = _run("virtual://?speed=200", str(file), "--profile", "generic-210")
    assert result.returncode == 1
    assert "generic-210: The file is no G-code." in result.stderr


def test_a_failed_print_is_no_success_and_says_what_to_do(tmp_path: Path) -> None:
    cold = tmp_path / "cold.gcode"
    cold.write_text("\n".join(["G28", "G90", "M83", *moves(20)]))
    result = _run("virtual://?speed=200", str(cold), "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["end"] == "failed"
    assert "cold extrusion prevented" in result.stderr
    assert "M109" in result.stderr


def test_ctrl_c_cancels_and_exits_130(frame: Path) -> None:
    command = [sys.executable, "-u", "-m", "farm", "try", "virtual://?speed=3", str(frame), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    seen = ""
    while "preparing" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert json.loads(out)["end"] == "cancelled"
    assert "Cancelling" in errors


def test_ctrl_c_before_the_print_exits_130(tmp_path: Path, frame: Path) -> None:
    command = [sys.executable, "-u", "-m", "farm", "try", "virtual://?boot=60&speed=0.5", str(frame)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "--profile" in process.stderr.readline()
    assert "connecting" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Nothing was printed" in errors


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("marlin:///dev/ttyUSB_none", "There is no printer at /dev/ttyUSB_none."),
        ("marlin:///dev/null", "/dev/null is not a serial port."),
        ("marlin:///dev/ttyUSB0?bod=5", "unknown key: bod"),
        ("marlyn:///dev/ttyUSB0", "No driver for the printer URL"),
    ],
)
def test_a_printer_that_cannot_be_used_is_one_clear_line(url: str, message: str, frame: Path) -> None:
    result = _run(url, str(frame))
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_missing_file_touches_no_printer(tmp_path: Path) -> None:
    result = _run("virtual://", str(tmp_path / "gone.gcode"))
    assert result.returncode == 1
    assert "There is no file" in result.stderr
    assert "connecting" not in result.stderr


def test_a_profile_refuses_what_does_not_fit_the_printer(tmp_path: Path) -> None:
    huge = tmp_path / "huge.gcode"
    huge.write_text("\n".join([*HEATED, "G1 X500 Y10 E1 F3000", ""]))
    result = _run("virtual://?speed=200", str(huge), "--profile", "generic-210")
    assert result.returncode == 1
    assert "generic-210" in result.stderr
    assert "connecting" not in result.stderr


def test_an_unknown_profile_names_those_there_are(frame: Path) -> None:
    result = _run("virtual://?speed=200", str(frame), "--profile", "generic-2100")
    assert result.returncode == 1
    assert "generic-210" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"; only words\n", "no G-code command"),
        (b"hello\n", "no G-code command"),
        (b"G28\n" + b"\0" * 5, "binary"),
        (b"GCDE\x01\x00\x00\x00", "binary"),
    ],
)
def test_what_cannot_be_gcode_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.gcode"
    file.write_bytes(content)
    with pytest.raises(FarmError, match=message) as raised:
        check_file(file)
    assert raised.value.next_step


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "est vide"), (b"hello\n", "aucune commande"), (b"G28\n\0", "fichier binaire")]
)
def test_what_cannot_be_gcode_is_refused_in_french_too(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.gcode"
    file.write_bytes(content)
    with pytest.raises(FarmError) as raised:
        check_file(file)
    assert message in raised.value.detail_fr
    assert raised.value.next_step_fr.startswith("Tranchez")


def test_what_the_check_says_is_in_the_language_of_the_terminal(
    tmp_path: Path, frame: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = tmp_path / "hot.gcode"
    hot.write_text("M104 S400\n" + frame.read_text())
    with pytest.raises(FarmError) as raised:
        check_against(hot, "generic-210")
    assert "(line 1)." in raised.value.detail
    assert "ne doit pas être imprimé sur generic-210" in raised.value.detail_fr
    assert "(ligne 1)." in raised.value.detail_fr
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    odd = tmp_path / "odd.gcode"
    odd.write_text(frame.read_text() + "M907 X1\n")
    assert all("(line" not in warning for warning in check_against(odd, "generic-210"))


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("C.UTF-8", "farm: the print ended as cancelled: Stopped by a person.\n"),
        ("fr_FR.UTF-8", "farm: l'impression a été annulée : Arrêtée par une personne.\n"),
    ],
)
def test_an_end_is_told_in_the_language_of_the_terminal(
    locale: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    _tell(PrintEnded("job-1", PrintEnd.CANCELLED, Told("stopped", "Stopped by a person.", "Arrêtée par une personne.")))
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("locale", "said"),
    [("C.UTF-8", "farm: the print was cancelled.\n"), ("fr_FR.UTF-8", "farm: l'impression a été annulée.\n")],
)
def test_a_cancelled_print_is_not_told_twice(
    locale: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    _tell(PrintEnded("job-1", PrintEnd.CANCELLED, Told("cancelled", "Cancelled.", "Annulée.")))
    assert capsys.readouterr().err == said


_ENDED = "the print ended as failed: "


@pytest.mark.parametrize(
    ("text", "detail", "lines"),
    [
        ("Error:MINTEMP", "A sensor is cold.", ["A sensor is cold.", "the printer said 'Error:MINTEMP'. Mend it."]),
        (Told("x", "It went away.", "Partie."), "It went away.", ["It went away.", "Mend it."]),
        (Told("x", "line 7", "ligne 7"), "It is odd.", ["It is odd.", "line 7. Mend it."]),
        (Told("x", "Changed. Mend it.", "?"), "Changed. Mend it.", ["Changed. Mend it."]),
        ("", "It talks.", ["It talks.", "Mend it."]),
    ],
)
def test_words_of_ours_are_not_put_into_the_printers_mouth_nor_said_twice(
    text: str, detail: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Fault("x", text, "meaning", "sens", "Mend it.", "Réparez-la.")
    _tell(PrintEnded("job-1", PrintEnd.FAILED, detail, fault))
    assert capsys.readouterr().err.splitlines() == [f"farm: {_ENDED}{lines[0]}", *(f"farm: {line}" for line in lines[1:])]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="is no file"):
        check_file(tmp_path)


def test_a_command_after_a_long_comment_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.gcode"
    file.write_bytes(b"; " + b"x" * (1024 * 1024 - 4) + b"\nG28\n")
    check_file(file)


def test_describe() -> None:
    status = PrinterStatus(PrinterState.PRINTING, nozzle=Temperature(199.6, 200.0), bed=Temperature(60.0, 60.0), note="Click")
    assert describe(status) == "printing  nozzle 200/200 °C  bed 60/60 °C  Click"
    assert describe(PrinterStatus()) == "offline"


def test_a_failed_print_has_its_fault_record_and_its_transcript(tmp_path: Path) -> None:
    cold = tmp_path / "cold.gcode"
    cold.write_text("\n".join(["G28", "G90", "M83", *moves(20)]))
    wire = tmp_path / "wire.txt"
    result = _run("virtual://?speed=200", str(cold), "--json", "--transcript", str(wire))
    told = json.loads(result.stdout)
    assert told["fault"]["code"] == "cold-extrusion"
    assert told["fault"]["meaning"]["fr"] != told["fault"]["meaning"]["en"]
    assert told["fault"]["action"]["fr"]
    assert told["detail"]
    assert told["by_person"] is False
    assert "cold extrusion prevented" in wire.read_text()
    assert "> N" in wire.read_text()


def test_an_error_before_the_print_is_json_too(tmp_path: Path) -> None:
    result = _run("virtual://", str(tmp_path / "none.gcode"), "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["printer"] == "virtual://"
    assert told["error"]["code"] == "not-found"
    assert told["error"]["next_step"] == {"en": "Check the name.", "fr": "Vérifiez le nom."}


def test_an_error_is_json_too(frame: Path, tmp_path: Path) -> None:
    result = _run("marlin:///dev/null?baud=115200", str(frame), "--json", "--transcript", str(tmp_path / "t"))
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["printer"] == "marlin:///dev/null"
    assert told["error"]["code"] == "not-a-printer"
    assert told["error"]["detail"]["fr"] == "/dev/null n'est pas un port série."
    assert "farm: /dev/null is not a serial port." in result.stderr


def test_what_the_machine_asks_is_asked_at_the_terminal(tmp_path: Path) -> None:
    """A filament change: the machine asks three questions and goes on with the answers that a person types."""
    file = tmp_path / "change.gcode"
    file.write_text("\n".join([*HEATED, "M600", *moves(20), "M104 S0", "M84", ""]))
    url = "virtual://?speed=100&host_actions=1&runout_sensor=1&emergency_parser=1"
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "farm", "try", url, str(file), "--json"]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    seen, answered, end_s = b"", 0, time.monotonic() + 120
    try:
        while process.poll() is None and time.monotonic() < end_s:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:
                    break  # it has closed its side
            elif (asked := seen.count(b"The printer asks")) > answered:
                last = seen[seen.rindex(b"The printer asks") :]
                os.write(master, b"2\n" if b"2. Continue" in last else b"1\n")
                answered = asked
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert answered >= 2, seen.decode(errors="replace")[-2000:]
    assert json.loads(out)["end"] == "done"
