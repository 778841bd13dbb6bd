"""Keeps the node's page open as long as the agent works: its address, its token, and a port that somebody else has."""

import asyncio
import json
import os
import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from farm.addresses import is_loopback
from farm.config import NodeSettings
from farm.errors import ConfigurationError
from farm.keys import new_secret
from farm.language import system_words
from farm.log import get_logger
from farm.node.page.gate import Gate
from farm.node.page.server import Server
from farm.node.page.service import Node, Service
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
_RETRY_S: Final = 30.0  # real time: until another program lets go of the port, or the disk has room for the token
_ASK_ADDRESS: Final = Told(
    "ask", "`farm node page` shows the address with its token", "`farm node page` montre l'adresse avec son jeton"
)
_OPEN_HERE: Final = Told("open", "open it on this computer", "ouvrez-la sur cet ordinateur")
_OTHER_PORT: Final = Told(
    "port-in-use",
    "Set another [page] port or host in node.toml, or enabled = false. It is tried again.",
    "Mettez un autre port ou host dans [page] de node.toml, ou enabled = false. Un nouvel essai suivra.",
)
_ADDRESS: Final = "page.json"
_MAX_TOKEN_BYTES: Final = 1_000
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{20,500}")  # what needs no quoting in a URL


def token_path(settings: NodeSettings) -> Path:
    """Where the token of the page is kept."""
    return settings.page.token_file or settings.data / "page.token"


def read_token(path: Path) -> str | None:
    """The token; None: there is no file.

    Raises:
        ConfigurationError: the file cannot be read, or holds no token.

    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            Bilingual(
                f"The page's token {path} cannot be read: {error.strerror}.",
                f"Impossible de lire le jeton de la page {path} : {system_words(error).fr}.",
            ),
            next_step=Bilingual("Give the agent's user that file.", "Donnez ce fichier à l'utilisateur de l'agent."),
        ) from error
    if _TOKEN.fullmatch(text) is None:
        says = Bilingual(f"{path} holds no token of 20 letters or more.", f"{path} ne contient pas de jeton de 20 lettres ou plus.")
        raise ConfigurationError(says, next_step=Bilingual("Delete it: a new one is made.", "Supprimez-le : un nouveau sera fait."))
    return text


def token_of(path: Path) -> str:
    """The token, made when there is none.

    Raises:
        ConfigurationError: the file cannot be read or written, or holds no token.

    """
    known = read_token(path)
    if known is not None:
        return known
    token = new_secret()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise ConfigurationError(
            Bilingual(
                f"The page's token {path} cannot be written: {error.strerror}.",
                f"Impossible d'écrire le jeton de la page {path} : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Free some space, or set another [page] token_file.",
                "Libérez de la place, ou indiquez un autre token_file dans [page].",
            ),
        ) from error
    return token


def url_of(host: str, port: int) -> str:
    """Where a browser finds the page, as far as `host` says it."""
    with suppress(ValueError):
        if ip_address(host).version == 6:
            return f"http://[{host}]:{port}/"
    return f"http://{host}:{port}/"


def _note_address(folder: Path, host: str, port: int) -> None:
    with suppress(OSError):  # a full disk: `farm node page` then says what is configured
        (folder / _ADDRESS).write_text(json.dumps({"host": host, "port": port}), "utf-8")


def noted_address(folder: Path) -> tuple[str, int] | None:
    """Host and port on which the page of the agent with this data folder listened last."""
    try:
        noted = json.loads((folder / _ADDRESS).read_text("utf-8"))
        return str(noted["host"]), int(noted["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class LocalPage:
    """The page of one agent. `serve` runs until it is cancelled."""

    def __init__(self, node: Node, settings: NodeSettings) -> None:
        self._node = node
        self._settings = settings
        self.port: int | None = None  # None: it is not open

    @property
    def open(self) -> bool:
        """Whether somebody can look at it now."""
        return self.port is not None

    async def serve(self) -> None:
        """Open the page, again and again if need be: a port in use must not keep a printer from printing."""
        trouble = ""
        while True:
            try:
                server = await self._open()
            except (ConfigurationError, OSError) as error:
                if trouble != str(error):
                    trouble = str(error)
                    _log.warning("page.closed", detail=_detail(error), next_step=_next_step(error))
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await asyncio.Event().wait()
            finally:
                self.port = None
                await server.close()

    async def _open(self) -> Server:
        page = self._settings.page
        beyond = not is_loopback(page.host)
        token = await asyncio.to_thread(token_of, token_path(self._settings)) if beyond else None
        server = Server(Service(self._node, Gate(page.host, page.names, token)).answer)
        port = await server.listen(page.host, page.port)
        try:
            await asyncio.to_thread(_note_address, self._settings.data, page.host, port)
        except BaseException:
            await server.close()  # or the next attempt finds its port in use, by us
            raise
        self.port = port  # not before its address can be found
        _log.info("page.open", url=url_of(page.host, port), how=_ASK_ADDRESS if beyond else _OPEN_HERE)
        return server


def _detail(error: ConfigurationError | OSError) -> str:
    if isinstance(error, ConfigurationError):
        return error.detail
    return Told("page-closed", str(error), system_words(error).fr)


def _next_step(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return error.next_step
    return _OTHER_PORT
