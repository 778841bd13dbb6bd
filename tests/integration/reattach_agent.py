"""An agent process that prints one job and says how it ended: `python -m ... FOLDER URL begin|go-on`, with a farm in memory.

`begin` clears the bed and allocates the job; `go-on` is the same agent started again, which finds in its folder all that it knows.
"""

import asyncio
import json
import sys
from pathlib import Path

from drivers.registry import open_driver
from farm.clock import Clock
from farm.config import LedgerSection, NodeSettings, PrinterSection
from farm.node.agent import Agent
from farm.node.checking import JUDGED_ELSEWHERE
from farm.node.core import Occupied
from farm.node.parts import Parts
from tests.unit.farm.node.fake_farm import IDENTITY, FakeFarm, Workshop, order, until

LIMIT_S = 230.0


async def work(folder: Path, url: str, *, begin: bool) -> None:
    """Run until the job has ended."""
    farm = FakeFarm()
    shop = Workshop(folder, farm=farm)
    section = PrinterSection(name="left", url=url, profile="generic-210")
    settings = NodeSettings(data=folder, printers=[section], ledger=LedgerSection(ballast_bytes=65_536))
    agent = shop.agent = Agent(settings, IDENTITY, Clock(), parts=Parts(farm.bus, open_driver, check=JUDGED_ELSEWHERE))
    running = asyncio.create_task(agent.run())
    await until(lambda: agent._keeper.begun, what="a boot")
    if begin:
        await shop.clear("left")
        program = max((folder / "programs").glob("*.gcode"), key=lambda file: file.stat().st_size)
        farm.want({shop.printer("left"): [order(sha=program.stem, size=program.stat().st_size, jobs=1)]})

    def ended() -> list[Occupied]:
        return [one for one in agent.state.occupations.values() if one.job is not None and not one.running]

    await until(ended, what="the end of the job", timeout_s=LIMIT_S)
    (occupied,) = ended()
    answer = json.dumps({"job": occupied.id, "outcome": str(occupied.outcome), "gap": occupied.gap})
    sys.stdout.write(f"\n{answer}\n")  # on a line of its own, whatever a thread was just logging
    agent.stop()
    await running


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2], begin=sys.argv[3] == "begin"))
