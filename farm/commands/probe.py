"""`farm printers probe`: who answers at a printer's URL, what it can do, and what a person should mend."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, cast
from urllib.parse import unquote, urlsplit

import typer

from drivers.base import Camera, Capability, Driver, Fault, PrinterStatus, Prompt, Recorded
from drivers.errors import AuthenticationError, Bilingual
from drivers.marlin import ports
from drivers.marlin.ports import SYSTEM, Tree
from farm.commands.device import connected, errors_as_json, fault_record, shown_url, state_of, temperatures, write_file
from farm.commands.questions import words_of
from farm.commands.speech import say
from farm.commands.vocabulary import CAPABILITIES, word
from farm.errors import InvalidError
from farm.language import speaks_french, spoken

_FOUND_BAUD: Final = re.compile(r", (\d+) baud$")
_UUID: Final = re.compile(r"UUID:([0-9A-Fa-f-]{32,36})\b")
# zeros but for its version and variant, and Marlin's own example, which many boards still have
_NO_UUID: Final = re.compile(r"0{8}-?0{4}-?[04]0{3}-?[08]0{3}-?0{12}|cede2a2f-.*", re.IGNORECASE)
_ENROL: Final = Bilingual(
    "Add it, and OctoPrint is asked for a key, which one click on its page allows: farm printers add URL --name NAME "
    "--profile PROFILE",
    "Ajoutez-la, et une clé est demandée à OctoPrint, qu'un clic sur sa page accorde : farm printers add URL --name NOM --profile "
    "PROFIL",
)


_PICTURE: Final = Bilingual("picture", "l'image")
_EVERYTHING: Final = Bilingual("everything (ADMIN)", "tout (ADMIN)")
_LABEL: Final = 10  # characters
_LABEL_FR: Final = 14


def _what_to_do(fault: Fault) -> Bilingual:
    return Bilingual(f"{fault.meaning_en} {fault.action_en}", f"{fault.meaning_fr} {fault.action_fr}")


def _prompt_record(prompt: Prompt) -> dict[str, Any]:
    words = {"text": prompt.text, "choices": list(prompt.choices)}
    return words | {"text_fr": prompt.text_fr, "choices_fr": list(prompt.choices_fr)}


@dataclass(slots=True)
class Findings:
    """What a probe found out."""

    url: str
    kind: str
    capabilities: list[str]
    status: PrinterStatus
    uuid: str | None = None
    use: str | None = None  # the URL to write into node.toml
    warnings: list[Bilingual] = field(default_factory=list)
    octoprint: dict[str, Any] | None = None
    snapshot: str | None = None

    def record(self) -> dict[str, Any]:
        """For programs."""
        status = self.status
        heaters = {"nozzle": status.nozzle, "bed": status.bed}
        return {
            "url": self.url,
            "kind": self.kind,
            "state": status.state.value,
            "firmware": status.firmware,
            "uuid": self.uuid,
            "use": self.use,
            "capabilities": self.capabilities,
            **{name: {"actual_c": heat.actual_c, "target_c": heat.target_c} if heat else None for name, heat in heaters.items()},
            "note": status.note,
            "note_fr": status.note_fr,
            "fault": fault_record(status.fault) if status.fault else None,
            "prompt": _prompt_record(status.prompt) if status.prompt else None,
            "warnings": [{"en": warning.en, "fr": warning.fr} for warning in self.warnings],
            "octoprint": self.octoprint,
            "snapshot": self.snapshot,
        }

    def rows(self) -> list[tuple[str, str]]:
        """For people: (what, value), only what is known."""
        status, server = self.status, self.octoprint or {}
        allowed = server.get("permissions", [])
        rows = [
            (Bilingual("kind", "type"), self.kind),
            (Bilingual("firmware", "micrologiciel"), status.firmware),
            (Bilingual("uuid", "uuid"), self.uuid),
            (Bilingual("state", "état"), spoken(state_of(status))),
            (Bilingual("heat", "chauffe"), "  ".join(temperatures(status))),
            (Bilingual("can", "sait faire"), ", ".join(spoken(word(CAPABILITIES, name)) for name in self.capabilities)),
            (Bilingual("fault", "panne"), spoken(_what_to_do(status.fault)) if status.fault else None),
            (Bilingual("asks", "demande"), spoken(words_of(status.prompt)) if status.prompt else None),
            (Bilingual("OctoPrint", "OctoPrint"), server.get("version")),
            (Bilingual("user", "utilisateur"), server.get("user")),
            (Bilingual("may", "droits"), spoken(_EVERYTHING) if "ADMIN" in allowed else ", ".join(allowed)),
            (Bilingual("use", "adresse"), self.use),
            (Bilingual("picture", "image"), self.snapshot),
        ]
        return [(spoken(name), text) for name, text in rows if text]


def probe(
    url: Annotated[
        str, typer.Argument(metavar="PRINTER_URL", help="Such as marlin:///dev/ttyUSB0 or octoprint+http://octopi.local?...")
    ],
    json_output: Annotated[bool, typer.Option("--json", help="One line of JSON on standard output, also for an error.")] = False,
    snapshot: Annotated[Path | None, typer.Option(help="Take a picture with the printer's camera into this file.")] = None,
    transcript: Annotated[Path | None, typer.Option(help="Write what was said on the wire into this file, for support.")] = None,
) -> None:
    """Connect to a printer, say who answers and what it can do. Nothing moves or heats."""
    with errors_as_json(url, wanted=json_output):
        found = asyncio.run(look(url, snapshot=snapshot, transcript=transcript))
    if json_output:
        typer.echo(json.dumps(found.record(), ensure_ascii=False))
        return
    say(found.url)
    for name, text in found.rows():
        say(f"    {name:<{_LABEL_FR if speaks_french() else _LABEL}} {text}")
    for warning in found.warnings:
        warn(warning)


def warn(text: Bilingual) -> None:
    """A warning for people, on standard error."""
    say(Bilingual(f"farm: warning: {text.en}", f"farm: attention : {text.fr}"), err=True)


async def look(url: str, *, snapshot: Path | None = None, transcript: Path | None = None) -> Findings:
    """Connect, and find out.

    Raises:
        DriverError: the printer cannot be used, or its camera.
        InvalidError: it has no camera, or a file cannot be written.

    """
    if _has_no_key(url):
        await asyncio.to_thread(_look_without_key, url)
    async with connected(url, transcript) as driver:
        found = Findings(shown_url(url), driver.info.name, sorted(map(str, driver.info.capabilities)), driver.status)
        _take_apart(found, driver, url)
        if snapshot is not None:
            await _photograph(found, driver, snapshot)
        scheme = urlsplit(url).scheme
        if scheme == "marlin":
            await asyncio.to_thread(_look_at_port, found, url)
        elif scheme.startswith("octoprint+"):
            await asyncio.to_thread(_look_at_octoprint, found, url)
        return found


def _has_no_key(url: str) -> bool:
    scheme, _, rest = url.partition("://")
    return scheme.startswith("octoprint+") and "key_file=" not in rest


def _look_without_key(url: str) -> None:
    """Raises what can be told of an OctoPrint without a key; how to get one is the next step when it is there."""
    from drivers.octoprint.enrol import check_offer  # noqa: PLC0415

    check_offer(url)
    raise AuthenticationError(
        Bilingual(
            "An OctoPrint is there and gives keys to applications; without one it tells no more.",
            "Un OctoPrint est là et donne des clés aux applications ; sans clé, il n'en dit pas plus.",
        ),
        next_step=_ENROL,
    )


def _take_apart(found: Findings, driver: Driver, url: str) -> None:
    """What the driver knows without asking again."""
    found.use = url if urlsplit(url).scheme != "virtual" else None
    if Capability.TRANSCRIPT not in driver.info.capabilities:
        return
    told = _UUID.search("\n".join(cast("Recorded", driver).transcript()))
    if told and not _NO_UUID.fullmatch(told[1]):
        found.uuid = told[1]


async def _photograph(found: Findings, driver: Driver, path: Path) -> None:
    if Capability.SNAPSHOT not in driver.info.capabilities:
        raise InvalidError(
            Bilingual(
                "No picture: this printer has no camera that the farm knows of.",
                "Pas d'image : cette imprimante n'a pas de caméra que la ferme connaisse.",
            ),
            next_step=Bilingual(
                "Leave --snapshot out. An OctoPrint's camera needs the permission WEBCAM, or snapshot_url= in the URL.",
                "Retirez --snapshot. La caméra d'un OctoPrint demande le droit WEBCAM, ou snapshot_url= dans l'URL.",
            ),
        )
    picture = await cast("Camera", driver).snapshot()
    await asyncio.to_thread(write_file, path, picture.content, _PICTURE)
    found.snapshot = str(path)


def _look_at_port(found: Findings, url: str, tree: Tree = SYSTEM) -> None:
    parts = urlsplit(url)
    device = unquote(parts.path)
    baud = _FOUND_BAUD.search(found.status.firmware or "")
    query = f"?baud={baud[1]}" if baud else f"?{parts.query}" if parts.query else ""
    found.use = f"marlin://{ports.stable_name(device, tree)}{query}"
    port = ports.port_of(device, tree)
    if port is not None and (warning := ports.advice(device, tree)) is not None:
        found.warnings.append(warning)
        found.use = f"{port.url}{query}"


def _look_at_octoprint(found: Findings, url: str) -> None:
    from drivers.octoprint.address import parse_address  # noqa: PLC0415
    from drivers.octoprint.client import Client  # noqa: PLC0415
    from drivers.octoprint.permissions import PERMISSIONS, missing, too_many  # noqa: PLC0415

    client = Client(parse_address(urlsplit(url)))
    try:
        version = client.probe()
    finally:
        client.close()
    lacking, surplus = missing(PERMISSIONS, client.permissions), too_many(client.permissions)
    found.octoprint = {
        "version": version,
        "user": client.user,
        "permissions": sorted(client.permissions),
        "missing": lacking,
        "too_many": surplus,
    }
    if surplus:
        names = ", ".join(surplus)
        found.warnings.append(
            Bilingual(
                f"The key may do more than printing needs ({names}): give the farm an OctoPrint user of its own.",
                f"La clé a plus de droits qu'il n'en faut ({names}) : donnez à la ferme un utilisateur OctoPrint à elle.",
            )
        )
