"""`farm demo`: a whole farm with virtual printers, in a throw-away folder on loopback.

The daemon, the node agent, the broker and the serial driver are real; the printers' firmware and the hand that collects are not.
"""

import contextlib
import json
import time
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from drivers.virtual.folder import DEMO, HeldFolder, remove_leftovers
from farm.commands.local_farm import LocalFarm, ended_by_signals
from farm.commands.speech import decimal, plural_fr
from farm.commands.vocabulary import BED_STATES, PRINTER_STATES, word
from farm.config import PrinterSection
from farm.language import spoken
from gcode.frame import frame_program
from gcode.profile import bundled_profiles
from gcode.texts import Bilingual

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
_PAGE: Final = 1000  # jobs
_TITLE: Final = Bilingual("Essaim demo: a farm of virtual printers", "Démo d'Essaim : une ferme d'imprimantes virtuelles")
_STARTING: Final = Bilingual(
    "Starting the daemon and a node with four virtual printers ...",
    "Lancement du démon et d'un nœud avec quatre imprimantes virtuelles...",
)
_STOPPED: Final = Bilingual("Stopped.", "Arrêté.")
_HEADINGS: Final = (
    Bilingual("printer", "imprimante"),
    Bilingual("profile", "profil"),
    Bilingual("state", "état"),
    Bilingual("progress", "avancement"),
    Bilingual("nozzle", "buse"),
    Bilingual("bed", "plateau"),
)
_SUMMARY: Final = (
    Bilingual("good", "bonnes"),
    Bilingual("scrap", "rebut"),
    Bilingual("being made", "en cours"),
    Bilingual("still owed", "reste à faire"),
)
_STYLES: Final = {
    "printing": "green",
    "preparing": "yellow",
    "idle": "cyan",
    "attention": "magenta",
    "fault": "red",
    "offline": "red",
}


class BrokerChoice(StrEnum):
    """The brokers that the demo can run."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


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
    state = Text(spoken(word(PRINTER_STATES, printer["state"])), style=_STYLES.get(printer["state"], ""))
    return Text(printer["name"]), printer["profile"], state, bar, heat, spoken(word(BED_STATES, printer["bed"]))


def _broker(state: dict[str, Any]) -> Bilingual:
    """The broker in English as the API tells it; of the parenthesis behind its name that has no French."""
    told = str(state["broker"])
    return Bilingual(told, told.partition(" (")[0])


def _screen(state: dict[str, Any], order: dict[str, Any], url: str) -> Group:
    table = Table(title=spoken(_TITLE), title_justify="left", expand=False)
    for heading in _HEADINGS:
        table.add_column(spoken(heading))
    for printer in state["printers"]:
        table.add_row(*_printer_row(printer))
    good = spoken(Bilingual(f"{order['good']} of {order['quantity']}", f"{order['good']} sur {order['quantity']}"))
    values = zip(_SUMMARY, (good, str(order["scrap"]), str(order["expected"]), str(order["owed"])), strict=True)
    summary = Text("   ").join(Text.assemble((f"{spoken(title)} ", "bold"), value) for title, value in values)
    broker, broker_fr = _broker(state)
    where = Bilingual(
        f"Page: {url}    Broker: {broker}    End with Ctrl-C", f"Page : {url}    Courtier : {broker_fr}    Ctrl-C pour finir"
    )
    return Group(table, summary, Text(spoken(where), style="dim"))


def _produce(farm: LocalFarm, order: str, teller: "_Teller") -> dict[str, Any]:
    while True:
        farm.be_the_hands()
        state = farm.get("/farm")
        mine: dict[str, Any] = next(row for row in state["orders"] if row["id"] == order)
        teller.show(state, mine, farm.url)
        if mine["state"] == "met":
            return mine
        time.sleep(_POLL_S)


def _result(farm: LocalFarm, order: dict[str, Any], seconds: float) -> dict[str, Any]:
    jobs = farm.get("/jobs", order=order["id"], limit=_PAGE)
    return {
        "ordered": order["quantity"],
        "good": order["good"],
        "scrap": order["scrap"],
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
    }


class _Teller:
    """Tells a person how it goes: a live table on a terminal, a line for each change elsewhere."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._last = ""

    def show(self, state: dict[str, Any], order: dict[str, Any], url: str) -> None:
        """Tell the newest."""
        if self._live is not None:
            self._live.update(_screen(state, order, url))
            return
        good, wanted, expected = order["good"], order["quantity"], order["expected"]
        line = spoken(
            Bilingual(
                f"{good} of {wanted} good, {expected} being made",
                f"{good} {plural_fr(good, 'bonne')} sur {wanted}, {expected} en cours",
            )
        )
        if line != self._last:
            self._console.print(line)
            self._last = line


def _done(result: dict[str, Any]) -> Bilingual:
    good, ordered, scrap, seconds = result["good"], result["ordered"], result["scrap"], result["seconds"]
    visors_fr = f"{good} {plural_fr(good, 'bonne')} {plural_fr(good, 'visière')}"
    return Bilingual(
        f"Done: {good} of {ordered} frames good, {scrap} scrap, in {seconds} s.",
        f"C'est fait : {visors_fr} sur {ordered}, {scrap} au rebut, en {decimal(seconds).fr} s.",
    )


def _run(farm: LocalFarm, console: Console, frames: int, *, json_output: bool, stay: bool) -> None:
    started = time.monotonic()
    console.print(spoken(_STARTING))
    order = _set_up(farm, frames)
    broker, broker_fr = _broker(farm.get("/farm"))
    where = Bilingual(
        f"The page of the farm is {farm.url}\nBroker: {broker}", f"La page de la ferme est {farm.url}\nCourtier : {broker_fr}"
    )
    console.print(spoken(where), markup=False)
    shown = console.is_terminal and not json_output
    with Live(console=console, refresh_per_second=4) if shown else contextlib.nullcontext() as live:
        met = _produce(farm, order, _Teller(console, live))
    result = _result(farm, met, time.monotonic() - started)
    console.print(spoken(_done(result)))
    if json_output:
        typer.echo(json.dumps(result))
    if stay:
        up = Bilingual(f"The farm stays up at {farm.url} until Ctrl-C.", f"La ferme reste là, à {farm.url}, jusqu'à Ctrl-C.")
        console.print(spoken(up))
        while True:
            farm.be_the_hands()
            time.sleep(_POLL_S)


def demo(
    frames: Annotated[int, typer.Option(min=1, max=1000, help="How many visor frames to order.")] = 12,
    speed: Annotated[float, typer.Option(min=1, max=1000, help="How many times faster than real printers.")] = 60.0,
    broker: Annotated[
        BrokerChoice, typer.Option(help="Which MQTT broker; auto takes mosquitto if it is installed.")
    ] = BrokerChoice.AUTO,
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="End when the order is met.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="No table; the result as a last line of JSON.")] = False,
) -> None:
    """Watch a whole farm produce visor frames: nothing to configure, nothing left behind."""
    console = Console(stderr=json_output)
    remove_leftovers(DEMO)
    folder = HeldFolder(DEMO)
    try:
        with ended_by_signals(), LocalFarm(folder.path, speed=speed, broker=broker) as farm:
            _run(farm, console, frames, json_output=json_output, stay=not exit_when_done)
    except KeyboardInterrupt:
        console.print(spoken(_STOPPED))
        raise typer.Exit(130) from None
    finally:
        folder.close()


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(demo)
