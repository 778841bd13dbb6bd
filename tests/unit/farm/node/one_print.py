"""An agent process that prints one program on a Marlin port, with a farm in memory: `python -m ... FOLDER PORT`.

On its end it writes one line of JSON: the facts that the farm has got, and its last report.
"""

import asyncio
import json
import sys
from pathlib import Path

from drivers.registry import open_driver
from farm.clock import Clock
from farm.config import NodeSettings, PrinterSection
from farm.node.__main__ import run_until_signal
from farm.node.agent import Agent
from farm.node.parts import Parts
from tests.unit.farm.node.fake_farm import IDENTITY, FakeFarm, Workshop, order


async def work(folder: Path, port: str) -> None:
    farm = FakeFarm()
    shop = Workshop(folder, farm=farm)
    section = PrinterSection(name="left", url=f"marlin://{port}", profile="generic-210")
    shop.agent = Agent(NodeSettings(data=folder, printers=[section]), IDENTITY, Clock(), parts=Parts(farm.bus, open_driver))
    running = asyncio.create_task(run_until_signal(shop.agent))
    await asyncio.sleep(0.1)
    await shop.clear("left")
    program = max((folder / "programs").glob("*.gcode"), key=lambda file: file.stat().st_size)  # the other is the workshop's own
    farm.want({shop.printer("left"): [order(sha=program.stem, size=program.stat().st_size, jobs=3)]})
    await running
    ended = [fact.model_dump(mode="json") for _, fact in sorted(farm.facts.items()) if fact.kind == "job-ended"]
    said = {"ended": ended, "report": farm.report.model_dump(mode="json"), "started": farm.kinds().count("job-started")}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
