"""A real agent with a real OctoPrint: its job goes on through a killed agent, and a killed OctoPrint costs one part and no count.

Nothing is shortened here: the agent's own times hold, and what is counted is what the API and OctoPrint's own records say.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.config import PrinterSection
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.integration.test_chain import Hands, order

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("octoprint")]

QUANTITY = 2
PATIENCE_S = 100.0
# Some five seconds on OctoPrint's virtual printer, a tenth of a real one's. Other tests leave it at a thousand times that speed.
PROGRAM = small_program(layers=20, side_mm=60.0, first_line="M220 S100")


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        yield local


def begin(farm: LocalFarm, server: OctoPrintServer) -> str:
    server.make_ready()
    farm.start_daemon()
    farm.add_node("workshop", [PrinterSection(name="octoprint", url=server.printer_url, profile="generic-210")])
    return order(farm, PROGRAM, QUANTITY)


def wait_printing(farm: LocalFarm, server: OctoPrintServer) -> str:
    """Say that the bed is clear, and return the path of a job's file once OctoPrint is in the middle of it.

    The first job's, or the second's: on a crowded machine five seconds pass between two looks.
    """
    path, hands = "", Hands(farm)

    def prints() -> bool:
        nonlocal path
        hands.collect()
        answer = server.get("/api/job")
        path = answer["job"]["file"]["path"] or ""
        return answer["state"] == "Printing" and (answer["progress"]["completion"] or 0) > 5 and path.startswith("farm/")

    farm.wait_until(prints, what="OctoPrint to print", timeout_s=PATIENCE_S)
    return path


def records(server: OctoPrintServer) -> dict[str, dict[str, Any]]:
    """OctoPrint's print records of the newest files of ours (the driver keeps some), by path: they stand in no order."""
    try:
        children = server.get("/api/files/local/farm")["children"]
    except requests.HTTPError:
        return {}
    return {child["path"]: child.get("prints") or {"success": 0, "failure": 0} for child in children}


def test_an_agent_killed_in_a_print_finds_its_job_again_and_the_count_is_exact(
    farm: LocalFarm, octoprint_server: OctoPrintServer
) -> None:
    order_id = begin(farm, octoprint_server)
    path = wait_printing(farm, octoprint_server)
    farm.nodes["workshop"].kill()
    time.sleep(1)
    assert octoprint_server.get("/api/job")["job"]["file"]["path"] == path
    farm.nodes["workshop"].start()
    met = Hands(farm).until_met(order_id)

    assert (met["good"], met["scrap"]) == (QUANTITY, 0)
    jobs = farm.get("/jobs", order=order_id)
    assert [job["state"] for job in jobs] == ["collected"] * QUANTITY  # the killed agent's job too: nothing was printed again
    paths = {f"farm/{job['id']}.gcode" for job in jobs}
    assert path in paths
    told = records(octoprint_server)
    assert all((told[each]["success"], told[each]["failure"]) == (1, 0) for each in paths)


def test_an_octoprint_killed_in_a_print_costs_that_part_only(farm: LocalFarm, octoprint_spare: OctoPrintServer) -> None:
    order_id = begin(farm, octoprint_spare)
    path = wait_printing(farm, octoprint_spare)
    octoprint_spare.kill()
    time.sleep(1)
    octoprint_spare.start()
    met = Hands(farm).until_met(order_id)

    assert met["good"] == QUANTITY
    jobs = farm.get("/jobs", order=order_id)
    good = [job for job in jobs if job["good"]]
    assert sum(job["good"] for job in good) == QUANTITY
    cut = [job for job in jobs if not job["good"]]
    # the one that was cut short, and no more; on a crowded machine even that one may have ended since we looked
    assert [f"farm/{job['id']}.gcode" for job in cut] in ([path], [])
    told = records(octoprint_spare)
    assert all(told[f"farm/{job['id']}.gcode"]["success"] == 1 for job in good)
