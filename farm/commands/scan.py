"""`farm printers scan`: what could be added on this computer, serial ports and OctoPrints, and what is ours already.

Ours is what stands in this computer's node.toml; the farm, where a daemon answers, says what has become of it. An address never
leaves its node, so of other nodes' printers only the name can be compared: an OctoPrint with the name of one of theirs is perhaps
the same.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.discovery.mdns import FoundOctoPrint
from drivers.errors import DriverError
from drivers.marlin.ports import SerialPort
from farm.commands.client import FarmClient, on_daemon
from farm.commands.fleet import Fleet
from farm.commands.overview import plain, say
from farm.commands.owned import OwnPrinters
from farm.errors import as_typed
from farm.language import told

_NOTHING = (
    "Nothing was found. Plug the printer's USB cable in and switch it on; an OctoPrint must be in the same network, with its "
    "discovery plugin on. Then run this again."
)
_ADD: Final = "farm printers add URL --name NAME --profile PROFILE"
_ONE_CLICK: Final = "(an OctoPrint is asked for a key by that: one click on its page; probe needs the key)"


@on_daemon
def scan(
    client: FarmClient,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    seconds: Annotated[float, typer.Option(min=0, max=60, help="Listen for OctoPrints that long; 0: only serial ports.")] = 5.0,
    config: Annotated[Path | None, typer.Option(help="node.toml, to tell which are ours already.")] = None,
) -> None:
    """List serial ports, those that look like printers first, and the OctoPrints of the network, with the URL to use for each."""
    from drivers.marlin import ports  # noqa: PLC0415

    ours, fleet = OwnPrinters.read(config), Fleet.ask(client)
    if fleet.unknown is not None:
        typer.echo(plain(as_typed(f"farm: not compared with the printers of the farm. {told(fleet.unknown)}")), err=True)
    rows = [(_serial_row(port, ours.at_port(port)), _serial_text(port)) for port in ports.scan()]
    if seconds:
        rows += [(_octoprint_row(one, ours.at_octoprint(one)), _octoprint_text(one)) for one in _octoprints(seconds)]
    for row, _ in rows:
        row.update(_in_the_farm(row, fleet))
    for row, text in rows:
        if json_output:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            say(row["url"])
            say(f"    {text}{_whose(row, fleet)}")
    if not json_output:
        say(as_typed(_next_step(rows)))


def _in_the_farm(row: dict[str, Any], fleet: Fleet) -> dict[str, Any]:
    """What the farm knows by this name: `farm` if it is ours, else those that it may be; `compared`: whether a daemon answered."""
    kind = {"serial": "marlin"}.get(row["kind"], row["kind"])
    name = row["ours"] or (row["name"] if row["kind"] == "octoprint" else "")
    found = [fleet.record(one) for one in fleet.called(name, kind)]
    known = found[0] if row["ours"] and len(found) == 1 else None
    return {"compared": fleet.unknown is None, "farm": known, "farm_alike": [] if known else found}


def _whose(row: dict[str, Any], fleet: Fleet) -> str:
    alike = ", ".join(f"{one['name']} ({one['id']}) on {one['node']}" for one in row["farm_alike"])
    if not row["ours"]:
        return f" - perhaps the farm's already: {alike}" if alike else ""
    known = row["farm"]
    if known is not None:
        more = f" (in the farm: {known['id']} on {known['node']}, {known['state']})"
    elif alike:
        more = f" (in the farm one of {alike})"
    else:
        more = "" if fleet.unknown else " (the farm does not know it yet: start its node anew)"
    return f" - ours already: {row['ours']}{more}"


def _octoprints(seconds: float) -> list[FoundOctoPrint]:
    from drivers.discovery.mdns import find_octoprints  # noqa: PLC0415

    try:
        return find_octoprints(seconds)
    except DriverError as error:
        typer.echo(f"farm: {told(error)}", err=True)  # the serial ports are worth listing all the same
        return []


def _serial_row(port: SerialPort, ours: str | None) -> dict[str, Any]:
    return {"kind": "serial", "url": port.url, "ours": ours, "stable": port.stable, **asdict(port)}


def _serial_text(port: SerialPort) -> str:
    guess = f"{port.chip}, looks like a printer" if port.likely else "probably no printer"
    changing = "" if port.stable or not port.likely else "; it has no other name, which may change with the next plug"
    return f"{port.kernel_name}  {port.description}  ({guess}{changing})"


def _octoprint_row(found: FoundOctoPrint, ours: str | None) -> dict[str, Any]:
    return {"kind": "octoprint", "url": found.url, "ours": ours, **asdict(found)}


def _octoprint_text(found: FoundOctoPrint) -> str:
    words = [f"OctoPrint {found.version or ''}".strip(), f'"{found.name}"', found.host, f"uuid {found.uuid}" if found.uuid else ""]
    notes = ["on this computer"] if found.here else []
    notes += ["its proxy asks for a user name and a password: use an address without it"] if found.guarded else []
    return "  ".join([*(word for word in words if word), *(f"({note})" for note in notes)])


def _next_step(rows: list[tuple[dict[str, Any], str]]) -> str:
    if not rows:
        return _NOTHING
    new = {row["kind"] for row, _ in rows if not row["ours"] and row.get("likely", True)}
    if new == {"octoprint"}:
        return f"Add one to this node: {_ADD} {_ONE_CLICK}"
    if new:
        return f"Look at one: farm printers probe URL - add it to this node: {_ADD}" + (f" {_ONE_CLICK}" if len(new) > 1 else "")
    if any(row["ours"] for row, _ in rows):
        return "What looks like a printer is ours already."
    return "None of them looks like a printer. Switch it on, check its cable (some only carry power), and run this again."
