"""`farm demo`: a whole farm with virtual printers, in a throw-away folder on loopback.

The daemon, the node agent, the broker and the serial driver are real; the printers' firmware and the hand that collects are not.
"""

import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from farm.commands.local_farm import LocalFarm, ended_by_signals
from farm.config import PrinterSection
from gcode.frame import frame_program
from gcode.profile import bundled_profiles

DESIGN: Final = "visor frame"
REVISION: Final = "visor-frame-1"
# name, profile, bed mm
PRINTERS: Final = (
    ("Ada", "generic-210", 210),
    ("Blaise", "generic-210", 210),
    ("Camille", "generic-300", 300),
    ("Denis", "generic-300", 300),
)
_POLL_S: Final = 0.5
_STYLES: Final = {
    "printing": "green",
    "preparing": "yellow",
    "idle": "cyan",
    "attention": "magenta",
    "fault": "red",
    "offline": "red",
}


def _printers(speed: float) -> list[PrinterSection]:
    return [
        PrinterSection(name=name, url=f"virtual://?speed={speed:g}&bed={bed}", profile=profile) for name, profile, bed in PRINTERS
    ]


def _set_up(farm: LocalFarm, frames: int) -> str:
    farm.start_daemon()
    farm.add_node("workshop", _printers(farm.speed))
    profiles = bundled_profiles()
    for profile in sorted({profile for _, profile, _ in PRINTERS}):
        content = frame_program(profiles[profile])
        farm.add_program(content, design=DESIGN, revision=REVISION, profile=profile, parts=1, material="PLA", name="frame.gcode")
    order: str = farm.post("/orders", {"design": DESIGN, "quantity": frames, "destination": "Palaiseau"})["id"]
    return order


def _printer_row(printer: dict[str, Any]) -> tuple[Any, ...]:
    nozzle, target = printer["nozzle_c"], printer["nozzle_target_c"]
    heat = "" if nozzle is None else f"{nozzle:.0f} / {target or 0:.0f} °C"
    bar = "" if printer["progress"] is None else ProgressBar(total=1.0, completed=printer["progress"], width=20)
    state = Text(printer["state"], style=_STYLES.get(printer["state"], ""))
    return Text(printer["name"]), printer["profile"], state, bar, heat, printer["bed"]


def _screen(state: dict[str, Any], order: dict[str, Any], url: str) -> Group:
    table = Table(title="Essaim demo: a farm of virtual printers", title_justify="left", expand=False)
    for heading in ("printer", "profile", "state", "progress", "nozzle", "bed"):
        table.add_column(heading)
    for printer in state["printers"]:
        table.add_row(*_printer_row(printer))
    summary = Text.assemble(
        ("good ", "bold"), f"{order['good']} of {order['quantity']}", "   ", ("scrap ", "bold"), str(order["scrap"]),
        "   ", ("being made ", "bold"), str(order["expected"]), "   ", ("still owed ", "bold"), str(order["owed"]),
    )  # fmt: skip
    return Group(table, summary, Text(f"Page: {url}    Broker: {state['broker']}    End with Ctrl-C", style="dim"))


def _produce(farm: LocalFarm, order: str, live: Live | None) -> dict[str, Any]:
    while True:
        farm.be_the_hands()
        state = farm.get("/farm")
        mine: dict[str, Any] = next(row for row in state["orders"] if row["id"] == order)
        if live is not None:
            live.update(_screen(state, mine, farm.url))
        if mine["state"] == "met":
            return mine
        time.sleep(_POLL_S)


def _result(farm: LocalFarm, order: dict[str, Any], seconds: float) -> dict[str, Any]:
    jobs = farm.get("/jobs", order=order["id"])
    return {
        "ordered": order["quantity"],
        "good": order["good"],
        "scrap": order["scrap"],
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
    }


def demo(
    frames: Annotated[int, typer.Option(min=1, max=1000, help="How many visor frames to order.")] = 12,
    speed: Annotated[float, typer.Option(min=1, max=10_000, help="How many times faster than real printers.")] = 60.0,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or embedded.")] = "auto",
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="End when the order is met.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="No table; the last line is the result as JSON.")] = False,
) -> None:
    """Watch a whole farm produce visor frames: nothing to configure, nothing left behind."""
    console = Console(stderr=json_output)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="essaim-demo-"))
    try:
        with ended_by_signals(), LocalFarm(folder, speed=speed, broker=broker) as farm:
            console.print("Starting the daemon and a node with four virtual printers ...")
            order = _set_up(farm, frames)
            console.print(f"The page of the farm is {farm.url}   Broker: {farm.get('/farm')['broker']}")
            with contextlib.nullcontext() if json_output else Live(console=console, refresh_per_second=4) as live:
                met = _produce(farm, order, live)
            result = _result(farm, met, time.monotonic() - started)
            console.print(f"Done: {result['good']} good frames, {result['scrap']} scrap, in {result['seconds']} s.")
            if not exit_when_done:
                console.print(f"The farm stays up at {farm.url} until Ctrl-C.")
                while True:
                    farm.be_the_hands()
                    time.sleep(_POLL_S)
            if json_output:
                typer.echo(json.dumps(result))
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise typer.Exit(130) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(demo)
