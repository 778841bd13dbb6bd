"""Asks the page of the agent on this machine: for `farm node status`, `collect` and `go-on`, for people without a browser."""

import http.client
import json
import socket
from typing import Any, Final

from farm.addresses import is_loopback
from farm.config import NodeSettings
from farm.errors import ConfigurationError, ConflictError, UnreachableError
from farm.node.page.local_page import noted_address, read_token, token_path, url_of
from gcode.texts import Bilingual

_TIMEOUT_S: Final = 95.0
_NO_PAGE: Final = Bilingual("This agent has no page.", "Cet agent n'a pas de page.")
_WITH_PAGE: Final = Bilingual("Set [page] enabled = true in its node.toml.", "Mettez enabled = true dans [page] de son node.toml.")
_START_IT: Final = Bilingual(
    "Start it with `farm node`, or give its --config.", "Lancez-le avec `farm node`, ou donnez son --config."
)
_LOOK: Final = Bilingual("Look at `farm node status`.", "Regardez `farm node status`.")
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on


class PageClient:
    """The page of the agent that has these settings."""

    def __init__(self, settings: NodeSettings) -> None:
        if not settings.page.enabled:
            raise ConfigurationError(_NO_PAGE, next_step=_WITH_PAGE)
        noted = noted_address(settings.data)
        self.host, self.port = noted or (settings.page.host, settings.page.port)
        self.token = None if is_loopback(self.host) else read_token(token_path(settings))

    def urls(self) -> list[str]:
        """Where browsers find it: the token is in the fragment, which no server and no log sees."""
        if is_loopback(self.host):
            return [url_of(self.host, self.port)]
        own = [socket.gethostname().partition(".")[0] + ".local", *_outgoing_address()]
        hosts = own if self.host in _ANYWHERE else [self.host]
        fragment = f"#token={self.token}" if self.token else ""
        return [url_of(host, self.port) + fragment for host in hosts]

    def state(self) -> dict[str, Any]:
        """How things stand. Raises as `post`."""
        return self._ask("GET", "/api/state", None)

    def post(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do something; return how things stand then.

        Raises:
            UnreachableError: no agent answers there.
            ConflictError: it was refused; the message says why.

        """
        return self._ask("POST", f"/api/{action}", body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        host = "127.0.0.1" if self.host in _ANYWHERE else self.host
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection(host, self.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            url = url_of(host, self.port)
            raise UnreachableError(
                Bilingual(f"No agent answers at {url}.", f"Aucun agent ne répond sur {url}."), next_step=_START_IT
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise ConflictError(_refusal(content), next_step=_LOOK, code=str(content.get("code")))
        return content


def _refusal(content: dict[str, Any]) -> Bilingual:
    """What the agent says; an older one says some of it in English only."""
    code, detail = content.get("code"), content.get("detail")
    if not detail:
        return Bilingual(f"The agent refuses: {code}.", f"L'agent refuse : {code}.")
    return Bilingual(str(detail), str(content.get("detail_fr") or detail))


def _outgoing_address() -> list[str]:
    """The address by which this machine goes out: the one that its neighbours know. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737)
            return [str(probe.getsockname()[0])]
        except OSError:
            return []
