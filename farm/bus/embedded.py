"""`python -m farm.bus.embedded`: amqtt as a broker on loopback, so that a demo runs where mosquitto is not installed. Demo only.

Started by `farm.bus.child_broker.EmbeddedBroker`. amqtt 0.12.1 was measured and found wanting (shared facts on MQTT), so it never
serves nodes on other machines:

- about 100 connections are its end, and it acknowledges a message before it has delivered it;
- it sends retained messages to clients that did not ask for them, and a last will to any topic: on loopback all clients are ours,
  and `farm.bus.connection` drops what was not subscribed to;
- a login with a wrong password and somebody's client id ends that client's session: on loopback nobody does.
"""

import argparse
import asyncio
import logging
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.bus.topics import ROOT
from farm.keys import verify_password

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its dependencies, at import
    from amqtt.broker import Broker
    from amqtt.contexts import Action, BaseContext
    from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
    from amqtt.session import Session

_DAEMON = "daemon"  # farm.bus.child_broker.DAEMON, whose module would bring paho into this process
_MAX_CONNECTIONS = 64


def read_passwords(path: Path) -> dict[str, str]:
    """User names and password hashes of a mosquitto password file; a line that is none is left out."""
    pairs = (line.partition(":") for line in path.read_text("utf-8").splitlines())
    return {name: stored for name, _, stored in pairs if name and stored}


def allowed(username: str | None, action: Action, topic: str | None) -> bool:
    """The rules of configs/mosquitto/acl; `topic` may be a filter."""
    if not username or not topic:
        return False
    if username == _DAEMON:
        return topic.startswith(f"{ROOT}/")
    direction = "up" if action == Action.PUBLISH else "dn"
    return topic.startswith(f"{ROOT}/{direction}/{username}/")


class PasswordFile(BaseAuthPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets in who is in the password file; reads it again on SIGHUP."""

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._path = Path(self._get_config_option("path"))
        self._users = read_passwords(self._path)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._read)

    def _read(self) -> None:
        self._users = read_passwords(self._path)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Compare with the hash of the file."""
        stored = self._users.get(session.username or "")
        return stored is not None and verify_password(session.password or "", stored)

    @dataclass
    class Config:
        """Where the file is."""

        path: str


class AccessList(BaseTopicPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Keeps nodes to their own topics."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Apply `allowed`."""
        return session is not None and action is not None and allowed(session.username, action, topic)


def configuration(port: int, passwords: Path) -> dict[str, Any]:
    """What amqtt is told: loopback only."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": _MAX_CONNECTIONS}},
        "session_expiry_interval": 60,
        "plugins": {
            "farm.bus.embedded.PasswordFile": {"path": str(passwords)},
            "farm.bus.embedded.AccessList": {},
        },
    }


async def serve(port: int, passwords: Path) -> None:
    """Run the broker until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    broker = Broker(configuration(port, passwords))
    await broker.start()
    await stop.wait()
    await broker.shutdown()


def main() -> None:
    """Read the command line and serve."""
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--passwords", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.passwords))


if __name__ == "__main__":
    main()
