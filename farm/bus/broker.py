"""The MQTT broker of a farm: mosquitto as our child process, the embedded one for a demo without it, or somebody else's by URL.

A farm runs with any of them; only mosquitto, or a broker whose operator makes the users, can serve nodes on other machines.
"""

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from farm.bus.child_broker import DAEMON, PID_FILE, ChildBroker, EmbeddedBroker, MosquittoBroker, TlsListener, check_port
from farm.bus.client import Login
from farm.bus.external import ExternalBroker, external_broker
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError
from farm.log import get_logger
from gcode.texts import Bilingual, Told

__all__ = ["DAEMON", "Broker", "ExternalBroker", "TlsListener", "check_ports", "find_mosquitto", "open_broker"]

_log = get_logger(__name__)
_EXTRA_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/mosquitto/sbin")  # often not in a user's PATH
_INSTALL: Final = "sudo apt install mosquitto"
_AS_SET: Final = Bilingual("as [broker] kind says", "comme le dit [broker] kind")
_NOT_INSTALLED: Final = Bilingual(f"mosquitto is not installed: {_INSTALL}", f"mosquitto n'est pas installé : {_INSTALL}")


class Broker(Protocol):
    """A broker that runs."""

    @property
    def urls(self) -> list[str]:
        """Where this machine reaches it."""
        ...

    @property
    def login(self) -> Login:
        """The daemon's own login."""
        ...

    @property
    def serves_joined_nodes(self) -> bool:
        """Whether nodes on other machines may be told to use it."""
        ...

    def describe(self) -> Told:
        """Which broker it is and why, for the terminal and the page."""
        ...

    async def set_credentials(self, credentials: Mapping[str, str]) -> None:
        """Let exactly these users in beside the daemon: user name -> password, or its hash (`farm.keys.hash_password`)."""
        ...

    async def add(self, username: str, password: str) -> None:
        """Let one more user in, or change their password; returns when that login works."""
        ...

    async def remove(self, username: str) -> None:
        """Shut one user out, at once."""
        ...

    async def close(self) -> None:
        """End it, if it is ours."""
        ...


async def open_broker(
    section: BrokerSection, folder: Path, *, tls: TlsListener | None = None, credentials: Mapping[str, str] | None = None
) -> Broker:
    """Start the broker that `section` asks for, with its files in `folder`.

    Args:
        section: `[broker]` of farm.toml. Kind `auto`: mosquitto when it is installed, else the embedded one.
        folder: belongs to the broker alone; files in it are overwritten.
        tls: a listener for joined nodes (mosquitto only).
        credentials: who is let in beside the daemon from the start, as for `Broker.set_credentials`; a broker that is not ours has
            to be told with that.

    Raises:
        ConfigurationError: not installed, a port is in use, a file cannot be read or written.
        ConflictError: another daemon runs on this folder, or `tls` is asked of the embedded broker.

    """
    if section.kind == "external":
        return external_broker(section)
    program = find_mosquitto()
    if section.kind == "embedded" or (section.kind == "auto" and program is None):
        why = _AS_SET if section.kind == "embedded" else _NOT_INSTALLED
        broker: ChildBroker = _embedded(section, folder, why, tls)
    elif program is None:
        raise ConfigurationError(
            Bilingual(
                '[broker] kind is "mosquitto", but mosquitto is not installed.',
                "[broker] kind demande mosquitto, mais mosquitto n'est pas installé.",
            ),
            next_step=Bilingual(f"Run: {_INSTALL}", f"Lancez : {_INSTALL}"),
        )
    else:
        ours = Bilingual(f"child process, {program}", f"processus fils, {program}")
        broker = MosquittoBroker(folder, section.port, ours, program=program, tls=tls)
    await broker.start(credentials)
    _log.info("broker.started", broker=broker.describe(), urls=broker.urls)
    return broker


def check_ports(section: BrokerSection, folder: Path, tls_host: str | None) -> None:
    """Find out that a port is in use before anything is made. `tls_host`: as `TlsListener.host`; None without such a listener.

    Where a broker of ours has run in `folder` it may still hold them: `open_broker` ends it first and looks then.

    Raises:
        ConfigurationError: a port is in use, or `tls_host` is no address of this machine.

    """
    if section.kind == "external" or (folder / PID_FILE).exists():
        return
    check_port("127.0.0.1", section.port, "port")
    if tls_host is not None:
        check_port(tls_host, section.tls_port, "tls_port")


def find_mosquitto() -> Path | None:
    """Where mosquitto is, also outside PATH."""
    found = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_EXTRA_FOLDERS]))
    return Path(found) if found else None


def _embedded(section: BrokerSection, folder: Path, why: Bilingual, tls: TlsListener | None) -> EmbeddedBroker:
    if tls is not None:
        raise ConflictError(
            Bilingual(
                f"The embedded broker cannot serve nodes on other machines ({why.en}).",
                f"Le courtier intégré ne peut pas servir de nœuds sur d'autres machines ({why.fr}).",
            ),
            next_step=Bilingual(
                f"Run: {_INSTALL}. Or listen on loopback only ([http] host).",
                f"Lancez : {_INSTALL}. Ou n'écoutez que sur cette machine ([http] host).",
            ),
            code="embedded-broker",
        )
    if find_spec("amqtt") is None:
        raise ConfigurationError(
            Bilingual(
                "No broker: mosquitto is not installed, nor is the embedded one.",
                "Pas de courtier : mosquitto n'est pas installé, le courtier intégré non plus.",
            ),
            next_step=Bilingual(
                f"Run: {_INSTALL}. For a demo only: pip install 'essaim[demo]'.",
                f"Lancez : {_INSTALL}. Pour une démonstration seulement : pip install 'essaim[demo]'.",
            ),
        )
    return EmbeddedBroker(folder, section.port, why)
