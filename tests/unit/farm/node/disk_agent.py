"""An agent process with one scripted printer and a farm in memory, told what to do by lines: `python -m ... FOLDER BALLAST_BYTES`.

print   allocate and wait for the start      finish  the machine is done       collect  a hand takes the part off
state   do nothing      room  wait for room     deaf    the farm commits nothing of the journal any more
Each is answered with one line of JSON: how things stand.
"""

import asyncio
import json
import sys
from pathlib import Path

from farm.log import configure
from farm.node.core import NodeState
from scheduler.model import JobOutcome
from tests.unit.farm.node.fake_farm import Workshop, order, until


def stand(shop: Workshop) -> str:
    state = shop.agent.state
    (occupied,) = state.occupations.values() if state.occupations else (None,)
    reason = shop.farm.report.printers[0].reason
    said = {
        "boot": state.boot,
        "writable": state.writable,
        "nearly_full": state.nearly_full,
        "outcome": None if occupied is None else occupied.outcome,
        "job": None if occupied is None else occupied.id,
        "told": shop.farm.kinds(),
        "head": state.journal.head,
        "reason": None if reason is None else reason.code,
        "started": sum(state.started.values()),
    }
    return json.dumps(said)


async def obey(shop: Workshop, word: str) -> None:
    driver, printer = shop.drivers["left"], shop.printer("left")
    if word == "deaf":
        shop.farm.commits = False
    elif word == "print":
        await shop.clear("left")
        shop.farm.want({printer: [order(jobs=9)]})
        await until(lambda: driver.status.job, what="a start")
    elif word == "finish":
        driver.finishes()
        await until(lambda: shop.agent.state.occupations[printer].outcome is JobOutcome.PRINTED, what="the end in the ledger")
    elif word == "collect":
        await shop.agent.collect(printer, shop.agent.state.occupations[printer].id, 2, 0, by="hand")
    elif word == "room":
        await until(lambda: _has_room(shop.agent.state), what="room")
    await shop.agent.settle()
    await asyncio.sleep(0.6)  # a report is due, and it is answered
    sys.stdout.write(stand(shop) + "\n")
    sys.stdout.flush()


def _has_room(state: NodeState) -> bool:
    return state.writable and not state.nearly_full


async def work(folder: Path, ballast_bytes: int) -> None:
    configure(level="warning", json=True)
    shop = Workshop(folder, "left", ballast_bytes=ballast_bytes)
    await shop.agent.start()
    while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await obey(shop, word)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
