"""Who asks, and may they: every request passes the gate before any route sees it. What no rule names is for the operator alone.

While the daemon listens on loopback only, a request of this machine is the operator's. A browser on it may be led here by a
foreign page, so the Host header must be a name of ours (DNS rebinding) and a request that changes something, or opens the live
connection, must not come from another origin. Behind a reverse proxy nobody is local: forwarded requests need the token.

Beyond loopback every request needs `Authorization: Bearer <operator token>` or the cookie of a session. Nodes (HTTP basic) and
makers (bearer) have credentials of their own, good for their own routes only. Secrets are compared as hashes and never logged.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from api.problems import ForeignOriginError, ThrottledError, UnauthenticatedError, WrongHostError, from_error
from farm.addresses import is_loopback
from farm.config import OPERATOR_FILE
from farm.errors import ConfigurationError, FarmError, NotAllowedError
from farm.language import system_words
from farm.log import get_logger
from gcode.texts import Bilingual

COOKIE: Final = "__Host-farm"  # browsers take this prefix only with Secure, Path=/ and without Domain
SESSION_IDLE_S: Final = 12 * 3600.0
SESSION_LIFE_S: Final = 30 * 86_400.0
_MAX_SESSIONS: Final = 256
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_log = get_logger(__name__)


class Access(StrEnum):
    """Who a path is for."""

    ANYONE = "anyone"
    OPERATOR = "operator"
    NODE = "node"  # or the operator
    MAKER = "maker"


_RULES: Final = (
    (re.compile(r"/api/v1/(openapi\.json|session|enrolments/claim|enrolments/ca)"), Access.ANYONE),
    (re.compile(r"/api/v1/programs/[^/]+/file"), Access.NODE),
    (re.compile(r"/api/v1/me(/.*)?"), Access.MAKER),
    (re.compile(r"/api(/.*)?"), Access.OPERATOR),
)


def access_of(path: str) -> Access:
    """Who `path` is for. Pages and health are for anyone: they hold no secret; a new route of the API is the operator's."""
    return next((access for pattern, access in _RULES if pattern.fullmatch(path)), Access.ANYONE)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `id` is the node's or the maker's printer's."""

    access: Access
    id: str = ""


ANYONE: Final = Principal(Access.ANYONE)
OPERATOR: Final = Principal(Access.OPERATOR)


def hash_of(secret: str) -> bytes:
    """What is kept of a secret. Ours are 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass
class Throttle:
    """At most `attempts` failures in `window_s` seconds for each key; the newest `capacity` keys are remembered."""

    attempts: int = 10
    window_s: float = 60.0
    capacity: int = 1_024
    now: Callable[[], float] = time.monotonic
    _failures: OrderedDict[tuple[str, str], list[float]] = field(default_factory=OrderedDict)

    def wait_s(self, key: tuple[str, str]) -> float:
        """How long `key` must wait, 0 when it may try."""
        recent = [at for at in self._failures.get(key, []) if at > self.now() - self.window_s]
        return 0.0 if len(recent) < self.attempts else recent[0] + self.window_s - self.now()

    def failed(self, key: tuple[str, str]) -> None:
        """Remember a failure."""
        recent = [at for at in self._failures.pop(key, []) if at > self.now() - self.window_s]
        self._failures[key] = [*recent, self.now()][-self.attempts :]
        while len(self._failures) > self.capacity:
            self._failures.popitem(last=False)


@dataclass
class Sessions:
    """Browsers that have shown the operator token. In memory only: after a restart of the daemon they show it again."""

    now: Callable[[], float] = time.monotonic
    _seen: OrderedDict[bytes, tuple[float, float]] = field(default_factory=OrderedDict)  # hash -> (begun, last used)

    def open(self) -> str:
        """Begin a session and return its secret; the one longest unused makes room."""
        secret = secrets.token_urlsafe(32)
        self._seen[hash_of(secret)] = (self.now(), self.now())
        while len(self._seen) > _MAX_SESSIONS:
            self._seen.popitem(last=False)
        return secret

    def valid(self, secret: str) -> bool:
        """Whether the session lives; being used keeps it alive."""
        key = hash_of(secret)
        begun, used = self._seen.pop(key, (0.0, 0.0))
        alive = begun > 0 and self.now() - used < SESSION_IDLE_S and self.now() - begun < SESSION_LIFE_S
        if alive:
            self._seen[key] = (begun, self.now())
        return alive

    def close(self, secret: str) -> None:
        """End a session."""
        self._seen.pop(hash_of(secret), None)


class NodeCredentials(Protocol):
    """The part of `farm.control.Control` that knows nodes' passwords."""

    def authenticate_node(self, node: str, password: str) -> bool:
        """Tell whether this is the node's password."""
        ...


class MakerCredentials(Protocol):
    """Who knows makers' tokens: the people's node."""

    def authenticate(self, token: str) -> str | None:
        """The printer id of the maker with this token, or None."""
        ...


def operator_token(data: Path) -> str:
    """The operator token of this farm: `<data>/operator.token`, made at the first start, readable by its owner alone.

    Raises:
        ConfigurationError: the folder or the file cannot be used.

    """
    path = data / OPERATOR_FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            path.chmod(0o600)
        else:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Bilingual(
                f"The operator token {path} cannot be made or read: {error}.",
                f"Le jeton d'opérateur {path} ne peut être ni créé ni lu : {system_words(error).fr}.",
            ),
            next_step=Bilingual("Check the owner of the folder.", "Vérifiez à qui appartient le dossier."),
        ) from error
    if len(token) < 32:
        raise ConfigurationError(
            Bilingual(f"{path} holds no operator token.", f"{path} ne contient pas de jeton d'opérateur."),
            next_step=Bilingual(
                "Remove the file; the next start makes a new one.",
                "Supprimez le fichier ; le prochain démarrage en crée un nouveau.",
            ),
        )
    return token


# access -> (what is wrong, what to do, challenge)
_REFUSALS: Final = {
    Access.OPERATOR: (
        Bilingual(
            "This needs a credential, and none that is valid was given.",
            "Il faut s'identifier pour cela, et aucun jeton valable n'a été donné.",
        ),
        Bilingual(
            "The operator's is in operator.token in the daemon's data folder: send it as a bearer token, or sign in.",
            "Celui de l'opérateur est dans operator.token, dans le dossier de données du démon : "
            "envoyez-le comme jeton « Bearer », ou connectez-vous.",
        ),
        'Bearer realm="farm"',
    ),
    Access.NODE: (
        Bilingual(
            "This needs the id and password of a node, and none that are valid were given.",
            "Il faut pour cela l'identifiant et le mot de passe d'un nœud, et aucun qui soit valable n'a été donné.",
        ),
        Bilingual(
            "A node gets them with `farm node join`; one that was removed must join again.",
            "Un nœud les reçoit par `farm node join` ; celui qui a été supprimé doit rejoindre la ferme de nouveau.",
        ),
        'Basic realm="farm nodes"',
    ),
    Access.MAKER: (
        Bilingual(
            "This needs a maker's token, and none that is valid was given.",
            "Il faut pour cela le jeton d'un maker, et aucun qui soit valable n'a été donné.",
        ),
        Bilingual(
            "It was told once, when the maker was added. Ask the people of the farm to add you again: that makes a new one.",
            "Il a été dit une fois, quand le maker a été ajouté. "
            "Demandez aux gens de la ferme de vous ajouter de nouveau : cela en crée un autre.",
        ),
        'Bearer realm="makers"',
    ),
}


@dataclass
class Guard:
    """The decision of the gate. `names` are the host names by which a proxy or a person may call a loopback daemon."""

    token: str
    loopback: bool
    nodes: NodeCredentials
    makers: MakerCredentials | None = None
    names: Iterable[str] = ()
    throttle: Throttle = field(default_factory=Throttle)
    sessions: Sessions = field(default_factory=Sessions)

    def admit(self, scope: Scope) -> Principal:
        """Who asks.

        Raises:
            WrongHostError: a name that is not ours.
            ForeignOriginError: a page of another site wants to change something or to listen.
            UnauthenticatedError: no valid credential for this path.
            NotAllowedError: a maker's credential, for a path of the operator.
            ThrottledError: too many wrong ones from this address.

        """
        headers = Headers(scope=scope)
        if self.loopback:
            self._check_host(headers.get("host", ""))
        if scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS:
            check_origin(headers)
        access = access_of(scope["path"])
        if access is Access.ANYONE:
            return ANYONE
        if access is Access.MAKER:
            return self._maker(scope, headers)
        if self._is_operator(scope, headers):
            return OPERATOR
        if access is Access.NODE and (given := basic_credentials(headers.get("authorization", ""))):
            return self._node(scope, *given)
        return self._refuse(access)

    def sign_in(self, address: str, token: str) -> str:
        """Open a session for the operator token and return its secret.

        Raises:
            UnauthenticatedError: not the token.
            ThrottledError: too many wrong ones from this address.

        """
        if not self._right(address, token):
            self._refuse(Access.OPERATOR)
        return self.sessions.open()

    def is_operator(self, scope: Scope) -> bool:
        """Whether a request to a path for anyone is the operator's: then it may learn more."""
        try:
            return self._is_operator(scope, Headers(scope=scope))
        except (ThrottledError, NotAllowedError):
            return False

    def _check_host(self, host: str) -> None:
        if host_name(host) not in _LOOPBACK_NAMES | {name.lower() for name in self.names}:
            raise WrongHostError(
                Bilingual("The Host header is not a name of this daemon.", "L'en-tête Host n'est pas un nom de ce démon."),
                next_step=Bilingual(
                    "Open http://127.0.0.1 with the daemon's port, or add the name to `names` under [http] in farm.toml.",
                    "Ouvrez http://127.0.0.1 avec le port du démon, ou ajoutez le nom à `names` sous [http] dans farm.toml.",
                ),
            )

    def _is_operator(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._right(address_of(scope), token.strip())
        if (session := cookie_of(headers)) and self.sessions.valid(session):
            return True
        local = self.loopback and is_loopback(address_of(scope)) and host_name(headers.get("host", "")) in _LOOPBACK_NAMES
        return local and not scheme and not any(name in headers for name in _FORWARDED)

    def _right(self, address: str, token: str) -> bool:
        self._wait((address, Access.OPERATOR))
        right = hmac.compare_digest(hash_of(token), hash_of(self.token))
        if not right and self.makers is not None and self.makers.authenticate(token) is not None:
            raise NotAllowedError(
                Bilingual(
                    "This is a maker's token, and this is for the operator alone.",
                    "C'est le jeton d'un maker, et ceci est pour l'opérateur seul.",
                ),
                next_step=Bilingual(
                    "A maker's token opens /api/v1/me/jobs. What concerns the whole farm, ask its operator.",
                    "Le jeton d'un maker ouvre /api/v1/me/jobs. Pour ce qui concerne toute la ferme, demandez à son opérateur.",
                ),
            )
        if not right:
            self._failed((address, Access.OPERATOR))
        return right

    def _node(self, scope: Scope, node: str, password: str) -> Principal:
        key = (address_of(scope), Access.NODE)
        self._wait(key)
        if not self.nodes.authenticate_node(node, password):
            self._failed(key)
            self._refuse(Access.NODE)
        return Principal(Access.NODE, node)

    def _maker(self, scope: Scope, headers: Headers) -> Principal:
        key = (address_of(scope), Access.MAKER)
        self._wait(key)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self.makers is None:
            self._refuse(Access.MAKER)
        assert self.makers is not None
        printer = self.makers.authenticate(token.strip())
        if printer is None:
            self._failed(key)
            self._refuse(Access.MAKER)
        assert printer is not None
        return Principal(Access.MAKER, printer)

    def _wait(self, key: tuple[str, str]) -> None:
        if (wait_s := self.throttle.wait_s(key)) > 0:
            raise ThrottledError(
                Bilingual(
                    "Too many wrong credentials came from your address.",
                    "Trop de jetons ou de mots de passe faux sont venus de votre adresse.",
                ),
                next_step=Bilingual(
                    f"Wait {wait_s:.0f} s and check the credential.",
                    f"Attendez {wait_s:.0f} s et vérifiez le jeton ou le mot de passe.",
                ),
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    def _failed(self, key: tuple[str, str]) -> None:
        self.throttle.failed(key)
        _log.warning("auth.refused", address=key[0], kind=str(key[1]))

    @staticmethod
    def _refuse(access: Access) -> Principal:
        detail, next_step, challenge = _REFUSALS[access]
        raise UnauthenticatedError(detail, next_step=next_step, headers={"WWW-Authenticate": challenge})


def host_name(host: str) -> str:
    """The Host header without its port, in lower case; IPv6 addresses keep their brackets."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def address_of(scope: Scope) -> str:
    """The peer's address; empty for a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def check_origin(headers: Headers) -> None:
    """Refuse what a page of another site sends. Programs send no Origin; browsers always do when something is changed.

    Raises:
        ForeignOriginError: the Origin is not the host that was asked.

    """
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise ForeignOriginError(
            Bilingual("A page of another origin may not do this.", "Une page d'une autre origine n'a pas le droit de faire cela."),
            next_step=Bilingual(
                "Use the page that this daemon serves. A reverse proxy must pass the Host header on unchanged.",
                "Utilisez la page que sert ce démon. Un proxy inverse doit transmettre l'en-tête Host tel quel.",
            ),
        )


def cookie_of(headers: Headers) -> str:
    """The session's secret in the cookie, or an empty string."""
    try:
        jar: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """The (name, password) of an HTTP basic header (RFC 7617), or None."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon else None


class Gate:
    """ASGI middleware: asks the guard in `app.state.guard` and leaves the principal in `scope["state"]["principal"]`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with what the guard says."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        guard: Guard = scope["app"].state.guard
        try:
            scope.setdefault("state", {})["principal"] = guard.admit(scope)
        except FarmError as error:
            await refuse(error, scope, receive, send)
            return
        await self.app(scope, receive, send)


async def refuse(error: FarmError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the opening of a WebSocket, with a problem."""
    response = from_error(error, scope["path"])
    if scope["type"] == "http":
        await response(scope, receive, send)
    else:
        await WebSocket(scope, receive, send).send_denial_response(response)
