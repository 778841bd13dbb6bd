"""`farm printers scan`: what could be added on this computer, serial ports and OctoPrints, and what is ours already.

Ours is what stands in this computer's node.toml; the farm, where a daemon answers, says what has become of it. Other agents on this
computer have a node.toml of their own, and other programs hold ports: both are seen without opening any. An address never leaves
its node, so of printers of nodes elsewhere only the name can be compared: an OctoPrint with the name of one of theirs is perhaps
the same.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.discovery.mdns import FoundOctoPrint
from drivers.errors import DriverError
from drivers.marlin.holders import Holder
from drivers.marlin.ports import SerialPort
from farm.commands.client import FarmClient, on_daemon
from farm.commands.fleet import Fleet
from farm.commands.neighbours import Neighbours, Place, enrolled_text, in_use_text
from farm.commands.owned import OwnPrinters, configuration
from farm.commands.speech import say
from farm.commands.vocabulary import PRINTER_STATES, joined, word
from farm.errors import as_typed
from farm.language import spoken, told
from gcode.texts import NOTHING, Bilingual, both

_NOTHING: Final = Bilingual(
    "Nothing was found. Plug the printer's USB cable in and switch it on; an OctoPrint must be in the same network, with its "
    "discovery plugin on. Then run this again.",
    "Rien n'a été trouvé. Branchez le câble USB de l'imprimante et allumez-la ; un OctoPrint doit être sur le même réseau, avec "
    "son greffon Discovery activé. Puis relancez ceci.",
)
_ADD: Final = Bilingual("farm printers add URL --name NAME --profile PROFILE", "farm printers add URL --name NOM --profile PROFIL")
_ONE_CLICK: Final = Bilingual(
    "(an OctoPrint is asked for a key by that: one click on its page; probe needs the key)",
    "(cela demande une clé à OctoPrint : un clic sur sa page ; probe a besoin de la clé)",
)
_ALL_OURS: Final = Bilingual(
    "What looks like a printer is ours already.", "Tout ce qui ressemble à une imprimante est déjà à nous."
)
_ALL_TAKEN: Final = Bilingual(
    "What looks like a printer is ours, enrolled by another agent, or in use by another program.",
    "Tout ce qui ressemble à une imprimante est à nous, inscrit par un autre agent ou utilisé par un autre programme.",
)
_NO_PRINTER: Final = Bilingual(
    "None of them looks like a printer. Switch it on, check its cable (some only carry power), and run this again.",
    "Aucun ne ressemble à une imprimante. Allumez-la, vérifiez son câble (certains ne portent que le courant), et relancez ceci.",
)
_NOT_KNOWN_YET: Final = Bilingual(
    " (the farm does not know it yet: start its node anew)", " (la ferme ne la connaît pas encore : relancez son nœud)"
)
_CHANGING: Final = Bilingual(
    "; it has no other name, which may change with the next plug",
    " ; il n'a pas d'autre nom, et celui-ci peut changer au prochain branchement",
)
_HERE: Final = Bilingual("(on this computer)", "(sur cet ordinateur)")
_GUARDED: Final = Bilingual(
    "(its proxy asks for a user name and a password: use an address without it)",
    "(son proxy demande un nom et un mot de passe : prenez une adresse qui l'évite)",
)


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
        alone = Bilingual("not compared with the printers of the farm.", "pas de comparaison avec les imprimantes de la ferme.")
        say(as_typed(f"farm: {spoken(alone)} {told(fleet.unknown)}"), err=True)
    others = Neighbours.look(configuration(config))
    rows = [(_serial_row(port, ours.at_port(port), others), _serial_text(port)) for port in ports.scan()]
    if seconds:
        rows += [(_octoprint_row(one, ours.at_octoprint(one), others), _octoprint_text(one)) for one in _octoprints(seconds)]
    for row, _ in rows:
        row.update(_in_the_farm(row, fleet))
    for row, text in rows:
        if json_output:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            say(row["url"])
            whose = _whose(row, fleet)
            say(Bilingual(f"    {text.en}{whose.en}", f"    {text.fr}{whose.fr}"))
    if not json_output:
        say(as_typed(spoken(_next_step(rows))))


def _in_the_farm(row: dict[str, Any], fleet: Fleet) -> dict[str, Any]:
    """What the farm knows by this name: `farm` if it is ours, else those that it may be; `compared`: whether a daemon answered."""
    kind = {"serial": "marlin"}.get(row["kind"], row["kind"])
    enrolled = row["enrolled"] or {"node": "", "printer": ""}
    name = row["ours"] or enrolled["printer"] or (row["name"] if row["kind"] == "octoprint" else "")
    found = [fleet.record(one) for one in fleet.called(name, kind)]
    if not row["ours"] and enrolled["printer"]:
        found = [one for one in found if one["node"].casefold() == enrolled["node"].casefold()]
    known = found[0] if (row["ours"] or enrolled["printer"]) and len(found) == 1 else None
    return {"compared": fleet.unknown is None, "farm": known, "farm_alike": [] if known else found}


def _whose(row: dict[str, Any], fleet: Fleet) -> Bilingual:
    alike = joined(map(_alike, row["farm_alike"]), ", ")
    if not row["ours"] and row["enrolled"]:
        place = enrolled_text(Place(**row["enrolled"]))
        more = _in_the_farm_text(row["farm"]) if row["farm"] else NOTHING
        return Bilingual(f"{place.en}{more.en}", f"{place.fr}{more.fr}")
    if not row["ours"] and row["in_use"]:
        return in_use_text(Holder(**row["in_use"]))
    if not row["ours"]:
        perhaps = Bilingual(f" - perhaps the farm's already: {alike.en}", f" - peut-être déjà à la ferme : {alike.fr}")
        return perhaps if alike.en else NOTHING
    known, more = row["farm"], NOTHING
    if known is not None:
        more = _in_the_farm_text(known)
    elif alike.en:
        more = Bilingual(f" (in the farm one of {alike.en})", f" (dans la ferme, l'une de : {alike.fr})")
    elif not fleet.unknown:
        more = _NOT_KNOWN_YET
    return Bilingual(f" - ours already: {row['ours']}{more.en}", f" - déjà à nous : {row['ours']}{more.fr}")


def _in_the_farm_text(known: dict[str, Any]) -> Bilingual:
    state = word(PRINTER_STATES, known["state"])
    return Bilingual(
        f" (in the farm: {known['id']} on {known['node']}, {state.en})",
        f" (dans la ferme : {known['id']} sur {known['node']}, {state.fr})",
    )


def _alike(one: dict[str, Any]) -> Bilingual:
    named = f"{one['name']} ({one['id']})"
    return Bilingual(f"{named} on {one['node']}", f"{named} sur {one['node']}")


def _octoprints(seconds: float) -> list[FoundOctoPrint]:
    from drivers.discovery.mdns import find_octoprints  # noqa: PLC0415

    try:
        return find_octoprints(seconds)
    except DriverError as error:
        say(f"farm: {told(error)}", err=True)  # the serial ports are worth listing all the same
        return []


def _serial_row(port: SerialPort, ours: str | None, others: Neighbours) -> dict[str, Any]:
    holder = others.holder(port)
    place = None if ours else others.at_port(port, holder)
    taken = {"enrolled": place and asdict(place), "in_use": holder and asdict(holder)}
    return {"kind": "serial", "url": port.url, "ours": ours, **taken, "stable": port.stable, **asdict(port)}


def _serial_text(port: SerialPort) -> Bilingual:
    guess = Bilingual("probably no printer", "sans doute pas une imprimante")
    if port.likely:
        guess = Bilingual(f"{port.chip}, looks like a printer", f"{port.chip}, ressemble à une imprimante")
    changing = NOTHING if port.stable or not port.likely else _CHANGING
    named = f"{port.kernel_name}  {port.description}"
    return Bilingual(f"{named}  ({guess.en}{changing.en})", f"{named}  ({guess.fr}{changing.fr})")


def _octoprint_row(found: FoundOctoPrint, ours: str | None, others: Neighbours) -> dict[str, Any]:
    place = None if ours else others.at_octoprint(found)
    return {
        "kind": "octoprint",
        "url": found.url,
        "ours": ours,
        "enrolled": place and asdict(place),
        "in_use": None,
        **asdict(found),
    }


def _octoprint_text(found: FoundOctoPrint) -> Bilingual:
    named = [f"OctoPrint {found.version or ''}".strip(), f'"{found.name}"', found.host, f"uuid {found.uuid}" if found.uuid else ""]
    notes = [note for note, holds in ((_HERE, found.here), (_GUARDED, found.guarded)) if holds]
    return joined([*(both(text) for text in named if text), *notes], "  ")


def _next_step(rows: list[tuple[dict[str, Any], Bilingual]]) -> Bilingual:
    if not rows:
        return _NOTHING
    likely = [row for row, _ in rows if row.get("likely", True)]
    new = {row["kind"] for row in likely if not (row["ours"] or row["enrolled"] or row["in_use"])}
    if new == {"octoprint"}:
        return joined([Bilingual("Add one to this node:", "Ajoutez-en un à ce nœud :"), _ADD, _ONE_CLICK])
    if new:
        look = Bilingual(
            "Look at one: farm printers probe URL - add it to this node:",
            "Regardez-en un : farm printers probe URL - ajoutez-le à ce nœud :",
        )
        return joined([look, _ADD, *([_ONE_CLICK] if len(new) > 1 else [])])
    if any(not row["ours"] for row in likely):
        return _ALL_TAKEN
    return _ALL_OURS if any(row["ours"] for row, _ in rows) else _NO_PRINTER
