"""`python -m farm.node`: the agent without the command line's libraries (typer, rich, requests: 14 MB of its 50).

`farm node` is the same for people; a service file of a small machine uses this one.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

# structlog loads rich when it is there, for coloured tracebacks that no service shows: 5 MB
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None is how Python says "not importable"

from drivers.errors import DriverError  # noqa: E402 - after the line above
from farm import log  # noqa: E402 - after the line above
from farm.config import NodeSettings, load  # noqa: E402
from farm.errors import FarmError, as_typed  # noqa: E402
from farm.language import speaks_french, spoken, told  # noqa: E402
from farm.node import memory  # noqa: E402 - after the line above
from farm.node.agent import Agent  # noqa: E402
from farm.node.checking import FILE_NAME  # noqa: E402 - after the line above
from farm.node.join import load_identity  # noqa: E402
from farm.node.parts import Parts  # noqa: E402 - after the line above
from gcode.texts import Bilingual  # noqa: E402 - after the line above

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_CANNOT_START: Final = 2
_WHAT: Final = Bilingual("Run the agent beside your printers.", "Lance l'agent à côté de vos imprimantes.")
_CONFIG: Final = Bilingual("node.toml; without it the defaults hold", "node.toml ; sans lui, les valeurs par défaut s'appliquent")
_DATA: Final = Bilingual(
    "data folder, instead of the configuration's", "dossier de données, à la place de celui de la configuration"
)


async def run_until_signal(agent: Agent) -> None:
    """Run the agent until SIGINT or SIGTERM, which makes the machines safe first; a second signal ends the process at once.

    Raises:
        FarmError: it cannot start; the message has the next step.

    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        agent.stop()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    await agent.run()


async def serve(settings: NodeSettings, folder: Path = Path()) -> None:
    """Run the agent of this identity until SIGINT or SIGTERM; its owner's limits.toml is in `folder` unless the settings name one.

    Raises:
        FarmError: it cannot start; the message has the next step.

    """
    identity = load_identity(settings.data)
    parts = Parts(beside=partial(_serve_page, settings) if settings.page.enabled else None, limits=folder / FILE_NAME)
    await run_until_signal(Agent(settings, identity, settings.clock.clock(), parts=parts))


async def _serve_page(settings: NodeSettings, agent: Agent) -> None:
    from farm.node.page.local_page import LocalPage  # noqa: PLC0415 - whoever wants no page does not pay for it

    await LocalPage(agent, settings).serve()


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where it is installed: half the processor time a line of a serial printer (docs/decisions/0014)."""
    try:
        import uvloop  # noqa: PLC0415 - there is no wheel for every machine
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and run; the exit code, after one line on standard error when it is not 0."""
    parser = argparse.ArgumentParser(prog="python -m farm.node", description=spoken(_WHAT))
    parser.add_argument("--config", type=Path, help=spoken(_CONFIG))
    parser.add_argument("--data", type=Path, help=spoken(_DATA))
    chosen = parser.parse_args(arguments)
    memory.share_one_arena()
    try:
        settings = load(NodeSettings, chosen.config)
        if chosen.data is not None:
            settings = settings.model_copy(update={"data": chosen.data})
        log.configure(level=settings.log.level, json=settings.log.json_lines, french=speaks_french())
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve(settings, Path() if chosen.config is None else chosen.config.parent))
    except (FarmError, DriverError) as error:
        sys.stderr.write(f"{as_typed(told(error))}\n")
        return getattr(error, "exit_code", _CANNOT_START)
    return 0


if __name__ == "__main__":
    sys.exit(main())
