import pytest

from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.virtual.transcripts import FOLDER, Player, damaged, levelled, read_steps

ADVANCED = FirmwareOptions(
    bed_mm=220.0,
    emergency_parser=True,
    advanced_ok=True,
    host_actions=True,
    runout_sensor=True,
    position_reports=True,
    quoted_strings=True,
    area_report=True,
)
_BOTH = (
    "busy",
    "errors",
    "fault_bed_heating_failed",
    "fault_heating_failed",
    "fault_m112",
    "fault_m85",
    "fault_maxtemp",
    "fault_mintemp",
    "fault_thermal_runaway",
    "identify",
    "noisy_stream",
    "reset_mid_print",
)
NAMES = [*(f"{build}_{name}" for build in ("std", "adv") for name in _BOTH), "adv_runout_dialogue", "adv_wait_for_user"]

present = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded transcripts are not part of the project")


@present
def test_all_recordings_are_played() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.txt"))


@present
@pytest.mark.parametrize("name", NAMES)
def test_answers_as_real_marlin_did(name: str) -> None:
    player = Player(Firmware(ADVANCED if name.startswith("adv_") else None))
    steps = 0
    for number, step in enumerate(read_steps((FOLDER / f"{name}.txt").read_text())):
        said = player.play(step, noisy="noisy" in name)
        assert levelled(said) == levelled(step.answers), f"step {number}: {step.sent or step.world}"
        steps += step.sent is not None
    assert steps >= 1


@present
def test_the_noisy_stream_ends_where_the_real_one_did() -> None:
    """Unlevelled: where the recorded stream ended, with the millimetres of the file and no more."""
    player = Player(Firmware())
    said: list[str] = []
    for step in read_steps((FOLDER / "std_noisy_stream.txt").read_text()):
        said = player.play(step, noisy=True)
        player.now_s += 1.0
    assert said == ["X:19.00 Y:29.00 Z:0.00 E:2.95 Count X:1520 Y:2320 Z:0", "ok"]
    assert player.firmware.bed.net_mm == pytest.approx(2.95)


@present
def test_the_runout_dialogue_takes_as_long_as_the_real_one() -> None:
    """Real Marlin said 22 lines, two seconds apart, between parking and its heater time-out."""
    player = Player(Firmware(ADVANCED))
    for step in read_steps((FOLDER / "adv_runout_dialogue.txt").read_text()):
        if step.sent and step.sent.startswith("N12"):
            break
        player.play(step)
    parked_s = player.now_s
    said: list[str] = []
    while not any("Heater Timeout" in line for line in said):
        player.now_s += 0.25
        said += player.firmware.advance(player.now_s).decode().splitlines()
        assert player.now_s < parked_s + 60
    # Two of them were in the step before.
    assert said.count("echo:busy: paused for user") == pytest.approx(21, abs=2)


@pytest.mark.parametrize(
    ("answers", "arrived"),
    [
        (["ok"], "N8 G1 X7*57"),
        (["Error:checksum mismatch, Last Line: 7", "Resend: 8", "ok"], "N8 G1 X6*57"),
        (["Error:No Checksum with line number, Last Line: 7", "Resend: 8", "ok"], "N8 G1 X7"),
        (["Error:Line Number is not Last Line Number+1, Last Line: 7", "Resend: 8", "ok"], "N12 G1 X7*57"),
        (['echo:Unknown command: "L8 G1 X7"', "ok"], "L8 G1 X7*57"),
        ([], "N7 G1 X7*57"),
    ],
)
def test_what_arrived_follows_from_the_answer(answers: list[str], arrived: str) -> None:
    assert damaged("N8 G1 X7*57", answers) == arrived
