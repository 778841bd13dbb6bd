import pytest

from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.virtual.transcripts import FOLDER, Player, levelled, read_steps

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
NAMES = [
    "std_identify",
    "std_errors",
    "std_busy",
    "std_reset_mid_print",
    "std_fault_m112",
    "std_fault_m85",
    "std_fault_maxtemp",
    "std_fault_mintemp",
    "std_fault_thermal_runaway",
    "std_fault_heating_failed",
    "std_fault_bed_heating_failed",
    "adv_identify",
    "adv_errors",
    "adv_busy",
    "adv_reset_mid_print",
    "adv_fault_m112",
    "adv_fault_m85",
    "adv_wait_for_user",
]


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded transcripts are not part of the project")
@pytest.mark.parametrize("name", NAMES)
def test_answers_as_real_marlin_did(name: str) -> None:
    player = Player(Firmware(ADVANCED if name.startswith("adv_") else None))
    for number, step in enumerate(read_steps((FOLDER / f"{name}.txt").read_text())):
        said = player.play(step)
        assert levelled(said) == levelled(step.answers), f"step {number}: {step.sent or step.world}"
