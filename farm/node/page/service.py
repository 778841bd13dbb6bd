"""Answers the page's requests: its files, how things stand, and what a hand does."""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from farm.bus.messages import AnswerAction, ClearBedAction, CollectAction, JobAction, StopAction, Word
from farm.errors import ConflictError, FarmError, NotFoundError
from farm.node.core import Moment, NodeState
from farm.node.ledger import LedgerWriteError
from farm.node.onsite import OnSite, RefusedError
from farm.node.page.gate import Gate
from farm.node.page.server import Answer, Request
from farm.node.page.view import view
from farm.wrong_values import said_of
from gcode.texts import NOTHING, Bilingual, both

_BY: Final = "the node's page"
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_REFUSALS: Final = {
    "wrong-host": Bilingual(
        "This name is not one of this computer's. Open the page by its address, or add the name to [page] names in node.toml.",
        "Ce nom n'est pas celui de cet ordinateur. Ouvrez la page par son adresse, ou ajoutez-le à [page] names dans node.toml.",
    ),
    "foreign-origin": Bilingual(
        "A page of another site asked for this. Open this computer's own page.",
        "C'est la page d'un autre site qui le demande. Ouvrez la page de cet ordinateur.",
    ),
    "token-needed": Bilingual(
        "This page wants its token. On the computer beside the printers, `farm node page` shows it.",
        "Cette page demande son jeton. Sur l'ordinateur à côté des imprimantes, `farm node page` le montre.",
    ),
}
_IN_A_BROWSER: Final = frozenset({"wrong-host"})
_ByHand = TypeVar("_ByHand", CollectAction, ClearBedAction)
_STATUS: Final = ((NotFoundError, 404), (ConflictError, 409), (LedgerWriteError, 507))


class GoOn(BaseModel):
    """A person says "go on", and has read what that may cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    sure: Literal[True]
    by: Word = _BY


class Node(Protocol):
    """What the page needs of an agent."""

    name: str
    on_site: OnSite

    @property
    def state(self) -> NodeState:
        """What is true and written."""
        ...

    @property
    def online(self) -> bool:
        """Whether a broker answers."""
        ...

    @property
    def factor(self) -> float:
        """Farm seconds in one real second."""
        ...

    def now(self) -> Moment:
        """The moment that a step would have now."""
        ...


def problem(status: int, code: str, detail: Bilingual = NOTHING, next_step: Bilingual = NOTHING) -> Answer:
    """An error as JSON, in both languages."""
    steps = {"next_step": next_step.en, "next_step_fr": next_step.fr}
    return _json({"code": code, "detail": detail.en, "detail_fr": detail.fr, **steps}, status)


def _json(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content, ensure_ascii=False).encode())


def _refusal(request: Request, status: int, code: str) -> Answer:
    """A sentence where there is one: as text to who opens the page in a browser."""
    says = _REFUSALS.get(code, NOTHING)
    if code not in _IN_A_BROWSER or request.path.startswith("/api/"):
        return problem(status, code, says)
    chosen = says.spoken(language(request.headers.get("accept-language", "")))
    return Answer(status, f"{chosen}\n".encode(), "text/plain; charset=utf-8")


def language(accepted: str) -> str:
    """French or English, whichever an Accept-Language header names first with the greater weight."""
    best = ("en", 0.0)
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1.0)
        except ValueError:
            continue
        short = tag.strip().lower()[:2]
        if short in {"fr", "en"} and quality > best[1]:
            best = (short, quality)
    return best[0]


class Service:
    """The page of one node."""

    def __init__(self, node: Node, gate: Gate) -> None:
        self._node = node
        self._gate = gate
        hand = node.on_site
        self._actions: Mapping[str, Callable[[bytes], Awaitable[None]]] = {
            "/api/collect": lambda body: hand.collect(_by_page(CollectAction.model_validate_json(body))),
            "/api/clear": lambda body: hand.clear(_by_page(ClearBedAction.model_validate_json(body))),
            "/api/act": lambda body: hand.act(JobAction.model_validate_json(body)),
            "/api/stop": lambda body: hand.act(StopAction.model_validate_json(body)),
            "/api/answer": lambda body: hand.act(AnswerAction.model_validate_json(body)),
            "/api/go-on": lambda body: hand.go_on(by=GoOn.model_validate_json(body).by),
        }

    async def answer(self, request: Request) -> Answer:
        """The answer to any request."""
        refused = self._gate.refuse(request)
        if refused is not None:
            return _refusal(request, *refused)
        if request.path in self._actions:
            return await self._act(request) if request.method == "POST" else problem(405, "not-allowed")
        if request.method == "POST":
            return problem(404, "not-found")
        if request.path == "/api/state":
            return _json(self._view())
        return _file(request)

    def _view(self) -> dict[str, Any]:
        node = self._node
        return view(node.state, node.now(), name=node.name, online=node.online, factor=node.factor)

    async def _act(self, request: Request) -> Answer:
        try:
            await self._actions[request.path](request.body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where, why = ".".join(map(str, first["loc"])), said_of(first)
            return problem(422, "invalid", Bilingual(f"{where}: {why.en}", f"{where} : {why.fr}"))
        except FarmError as error:
            status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
            # a hand's refusal says all there is to do: look
            step = NOTHING if isinstance(error, RefusedError) else both(error.next_step)
            return problem(status, error.code, both(error.detail), step)
        return _json(self._view())


def _by_page(action: _ByHand) -> _ByHand:
    return action if "by" in action.model_fields_set else action.model_copy(update={"by": _BY})


def _file(request: Request) -> Answer:
    known = _FILES.get(request.path)
    if known is None:
        return problem(404, "not-found")
    name, kind = known
    content = files("farm.node.page").joinpath("static", name).read_bytes()
    if request.path == "/":
        chosen = language(request.headers.get("accept-language", ""))
        content = content.replace(b'<html lang="en">', f'<html lang="{chosen}">'.encode(), 1)
    return Answer(200, content, kind)
