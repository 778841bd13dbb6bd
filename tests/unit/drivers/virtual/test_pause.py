import pytest

from drivers.virtual.options import FirmwareOptions
from drivers.virtual.pause import NOZZLE_TIMEOUT_S, RUNOUT_DEBOUNCE_S
from tests.unit.drivers.virtual.console import Console, numbered

ADVANCED = FirmwareOptions(emergency_parser=True, host_actions=True, runout_sensor=True)


def titles(said: list[str]) -> list[str]:
    return [line.removeprefix("//action:prompt_begin ") for line in said if line.startswith("//action:prompt_begin")]


@pytest.fixture
def printing() -> Console:
    """Homed and hot, with a print timer that runs."""
    console = Console(ADVANCED)
    console.run("G28", "M109 S200", "M110 N0", "M83", numbered(1, "G1 X50 Z5 E5 F1200"))
    return console


def until(console: Console, title: str, limit_s: float = 300.0) -> list[str]:
    said: list[str] = []
    end_s = console.now_s + limit_s
    while title not in titles(said):
        said += console.wait(0.5)
        assert console.now_s < end_s, (title, said)
    return said


def test_m600_parks_asks_purges_asks_and_goes_on(printing: Console) -> None:
    said = printing.send("M600")
    assert said[0] == "//action:paused"
    assert titles(said) == ["Pause"]
    said = until(printing, "Nozzle Parked")
    assert "X:10.00 Y:200.00 Z:25.00 E:3.00" in "\n".join(said)  # raised by 20 mm, retracted by 2
    assert "echo:busy: processing" in said
    printing.send("M108")
    assert titles(until(printing, "Paused")) == ["Paused"]
    printing.send("M876 S0")  # purge more
    until(printing, "Paused")
    printing.send("M876 S1")
    said = until(printing, "Resuming")
    assert "//action:resumed" in said
    assert said.count("ok") == 4  # M600, M108 and two M876
    printing.run("M400")
    assert printing.firmware.machine.place[:3] == (50.0, 0.0, 5.0)
    assert not printing.firmware.machine.paused


def test_m108_does_not_answer_the_purge_question(printing: Console) -> None:
    printing.send("M600")
    until(printing, "Nozzle Parked")
    printing.send("M108")
    until(printing, "Paused")
    printing.send("M108")
    assert "//action:resumed" not in printing.wait(60.0)


def test_the_nozzle_cools_after_its_time_out_and_heats_again(printing: Console) -> None:
    printing.send("M600")
    until(printing, "Nozzle Parked")
    began_s = printing.now_s
    until(printing, "Heater Timeout")
    assert printing.now_s - began_s == pytest.approx(NOZZLE_TIMEOUT_S, abs=1.0)
    printing.wait(600.0)
    hotend = printing.firmware.machine.hotend
    printing.firmware.machine.advance_heaters()
    assert hotend.reading_c() < 60.0
    assert hotend.target_c == 200.0  # M105 goes on telling the target
    assert titles(printing.send("M108")) == ["Reheating..."]
    said = until(printing, "Reheat Done")
    assert "echo:busy: paused for user" in said
    assert hotend.reading_c() == pytest.approx(200.0, abs=1.5)
    assert not printing.firmware.killed


def test_m108_ends_the_reheating(printing: Console) -> None:
    printing.send("M600")
    until(printing, "Heater Timeout")
    printing.wait(300.0)
    printing.send("M108")
    assert titles(printing.send("M108") + printing.wait(1.0)) == ["Reheat Done"]


def test_lines_sent_meanwhile_wait(printing: Console) -> None:
    printing.send("M600")
    until(printing, "Nozzle Parked")
    printing.send(numbered(2, "G1 X100 E1"))
    assert "ok" not in printing.wait(20.0)
    printing.send("M108")
    until(printing, "Paused")
    printing.send("M876 S1")
    until(printing, "Resuming")
    printing.run("M400")
    assert printing.firmware.machine.place[0] == 100.0
    assert printing.firmware.bed.net_mm == pytest.approx(6.0)


def test_runout_pauses_a_print_and_nothing_else() -> None:
    idle = Console(ADVANCED)
    idle.firmware.run_out(0.0, out=True)
    assert idle.wait(60.0) == []
    idle.run("M75")
    assert titles(idle.wait(RUNOUT_DEBOUNCE_S)) == ["FilamentRunout T0"]


def test_runout_waits_for_planned_moves_and_its_line_keeps_its_ok(printing: Console) -> None:
    printing.firmware.run_out(printing.now_s, out=True)
    said = printing.wait(RUNOUT_DEBOUNCE_S)
    assert said[:4] == [
        "//action:prompt_end",
        "//action:prompt_begin FilamentRunout T0",
        "//action:prompt_show",
        "//action:paused filament_runout 0",
    ]
    assert "ok" not in said
    assert printing.firmware.record.count == 1


def test_filament_that_is_still_missing_is_ignored_or_asked_for_again(printing: Console) -> None:
    printing.firmware.run_out(printing.now_s, out=True)
    until(printing, "Nozzle Parked")
    printing.send("M108")
    assert "//action:prompt_button DisableRunout" in until(printing, "Paused")
    printing.send("M876 S1")
    until(printing, "Resuming")
    assert titles(printing.wait(120.0)) == []
    assert printing.send("M412") == ["echo:Filament runout OFF", "ok"]
    printing.run("M412 S1")
    assert titles(printing.wait(RUNOUT_DEBOUNCE_S)) == ["FilamentRunout T0"]


def test_m412_s0_and_a_repair_stop_the_sensor(printing: Console) -> None:
    printing.run("M412 S0")
    printing.firmware.run_out(printing.now_s, out=True)
    assert titles(printing.wait(60.0)) == []
    printing.run("M412 S1")
    printing.firmware.repair()
    assert titles(printing.wait(60.0)) == []
    assert "filament: TRIGGERED" in printing.send("M119")


def test_m119_shows_missing_filament(printing: Console) -> None:
    printing.firmware.run_out(printing.now_s, out=True)
    assert "filament: open" in printing.send("M119")


def test_m603_sets_the_lengths(printing: Console) -> None:
    printing.run("M603 L30 U80")
    printing.send("M600")
    until(printing, "Nozzle Parked")
    printing.send("M108")
    until(printing, "Paused")
    assert printing.firmware.machine.purged_mm == pytest.approx(-80.0 + 30.0 + 50.0)


def test_unhomed_it_does_not_park() -> None:
    console = Console(ADVANCED)
    console.run("M302 P1", "M92")
    console.send("M600")
    assert not [line for line in until(console, "Nozzle Parked") if line.startswith("X:")]


def test_without_host_prompts_nobody_is_asked_for_more() -> None:
    console = Console(FirmwareOptions(emergency_parser=True, runout_sensor=True))
    console.run("M302 P1")
    console.send("M600")
    console.wait(30.0)
    console.send("M108")
    assert console.wait(60.0).count("ok") == 2
    assert not console.firmware.machine.paused


def test_a_reset_ends_the_change(printing: Console) -> None:
    printing.send("M600")
    until(printing, "Nozzle Parked")
    printing.firmware.reset(printing.now_s)
    printing.heard()
    assert printing.send("M118 here") == ["here", "ok"]
    assert not printing.firmware.machine.paused
