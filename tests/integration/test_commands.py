"""What a technician's click does, through daemon, broker, node and driver to the firmware and back."""

from pathlib import Path

import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]


def test_pause_resume_and_cancel_reach_the_machine(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with (
        VirtualPrinters(tmp_path, count=1, speed=5.0) as printers,
        LocalFarm(tmp_path, speed=5.0, broker="mosquitto", farm={"report_every_s": 5.0}) as farm,
    ):
        farm.start_daemon()
        farm.add_node("workshop", printers.sections())
        farm.add_program(small_program(layers=60), design="square", revision="square-1", profile="generic-210", parts=1)
        order = farm.post("/orders", {"design": "square", "quantity": 1})["id"]

        def wait_for(state: str) -> None:
            def there() -> bool:
                farm.be_the_hands()
                return any(printer["state"] == state for printer in farm.get("/printers"))

            farm.wait_until(there, what=f"the printer to be {state}", timeout_s=120)

        wait_for("printing")
        # that it prints is told at once, that a job has begun once it is committed
        farm.wait_until(lambda: bool(farm.get("/jobs", order=order)), what="the job to be counted", timeout_s=60)
        (job,) = farm.get("/jobs", order=order)
        farm.post(f"/jobs/{job['id']}/command", {"action": "pause"})
        wait_for("paused")
        farm.post(f"/jobs/{job['id']}/command", {"action": "resume"})
        wait_for("printing")
        farm.post(f"/jobs/{job['id']}/command", {"action": "cancel"})

        def cancelled() -> bool:
            return bool(farm.get(f"/jobs/{job['id']}")["outcome"] == "cancelled")

        farm.wait_until(cancelled, what="the job to be cancelled", timeout_s=60)
        assert farm.get(f"/orders/{order}")["good"] == 0

        # the unit is owed still, and is made again once the bed is clear
        def made_again() -> bool:
            farm.be_the_hands()
            return len(farm.get("/jobs", order=order)) == 2

        farm.wait_until(made_again, what="a second job", timeout_s=60)
