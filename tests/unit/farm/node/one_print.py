"""An agent process that prints one program on a Marlin port, with a farm in memory: `python -m ... FOLDER PORT`.

On its end it writes one line of JSON: the facts that the farm has got, and its last report.
"""

import asyncio
import json
import sys
from pathlib import Path

from drivers.registry import open_driver
from farm.clock import Clock
from farm.config import LedgerSection, NodeSettings, PrinterSection
from farm.node.__main__ import run_until_signal
from farm.node.agent import Agent
from farm.node.checking import JUDGED_ELSEWHERE
from farm.node.parts import Parts
from tests.unit.farm.node.fake_farm import IDENTITY, FakeFarm, Workshop, order, until


async def work(folder: Path, port: str) -> None:
    farm = FakeFarm()
    shop = Workshop(folder, farm=farm)
    section = PrinterSection(name="left", url=f"marlin://{port}", profile="generic-210")
    settings = NodeSettings(data=folder, printers=[section], ledger=LedgerSection(ballast_bytes=65_536))
    shop.agent = Agent(settings, IDENTITY, Clock(), parts=Parts(farm.bus, open_driver, check=JUDGED_ELSEWHERE))
    running = asyncio.create_task(run_until_signal(shop.agent))
    await until(lambda: shop.agent._keeper.begun, what="a boot")
    await shop.clear("left")
    program = max((folder / "programs").glob("*.gcode"), key=lambda file: file.stat().st_size)  # the other is the workshop's own
    farm.want({shop.printer("left"): [order(sha=program.stem, size=program.stat().st_size, jobs=3)]})
    await running
    ended = [fact.model_dump(mode="json") for _, fact in sorted(farm.facts.items()) if fact.kind == "job-ended"]
    said = {"ended": ended, "report": farm.report.model_dump(mode="json"), "started": farm.kinds().count("job-started")}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
