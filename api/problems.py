"""Every error of the API as problem details (RFC 9457, `application/problem+json`): one table from errors to statuses.

FarmError (farm.errors)
└── RequestError            raised by the API itself; brings its own status and headers
├── MalformedError      400  the body cannot be read as what it says it is
├── UnauthenticatedError 401 no credential, or a wrong one
├── ForeignOriginError  403  a page of another site asks
├── StalledError        408  the sender went quiet in the middle of a body
├── RangeError          416  the file is shorter than the range asked for
├── WrongHostError      421  the Host header names a machine that we are not
└── ThrottledError      429  too many of these in too short a time
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from farm.errors import (
    ConfigurationError,
    ConflictError,
    FarmError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    RejectedError,
    StoreFullError,
    TooLargeError,
    UnreachableError,
)
from farm.library_views import FindingView
from farm.wrong_values import said_of
from gcode.texts import Bilingual, Told
from scheduler.model import Verdict

MEDIA_TYPE: Final = "application/problem+json"
_CHECKS_FR: Final = {
    "store": "la base de données",
    "broker": "le courtier",
    "scheduler": "la planification",
    "live": "les nouvelles en direct",
}
_MAX_INSTANCE: Final = 300  # characters of the path that are said back


class Problem(BaseModel):
    """The body of every error. `code` is stable; `detail` and `next_step` are for people; `errors` name the fields of a 422.

    `detail_fr` and `next_step_fr` say the same in French, also in `errors`.
    `findings` say what is wrong with a program that does not pass its checks (code `gcode-rejected`), `verdicts` what is said of it
    for all profiles.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str
    instance: str
    detail_fr: str = ""
    next_step_fr: str = ""
    errors: list[dict[str, str]] = []
    checks: dict[str, str] = {}
    checks_fr: dict[str, str] = {}
    findings: list[FindingView] = []
    verdicts: dict[str, Verdict] = {}


class RequestError(FarmError):
    """The API refuses the request before the farm hears of it. `headers` go with the answer."""

    status: ClassVar[int] = 400

    def __init__(
        self,
        detail: Bilingual | Told,
        *,
        next_step: Bilingual | Told,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, next_step=next_step, code=code)
        self.headers = dict(headers or {})


class MalformedError(RequestError):
    """The body cannot be read as what it says it is."""

    code = "malformed"


class UnauthenticatedError(RequestError):
    """No credential, or a wrong one. `headers` must carry WWW-Authenticate."""

    code = "unauthenticated"
    status = 401


class ForeignOriginError(RequestError):
    """A page of another site sent this request."""

    code = "foreign-origin"
    status = 403


class StalledError(RequestError):
    """The sender went quiet in the middle of a body."""

    code = "stalled"
    status = 408


class RangeError(RequestError):
    """The file is shorter than the range asked for."""

    code = "range"
    status = 416


class WrongHostError(RequestError):
    """The Host header names a machine that we are not: somebody's DNS points a browser at us."""

    code = "wrong-host"
    status = 421


class ThrottledError(RequestError):
    """Too many of these in too short a time. `headers` must carry Retry-After."""

    code = "throttled"
    status = 429


class NotReadyError(RequestError):
    """The daemon runs but cannot do its work. `checks` says what is wrong, `checks_fr` in French."""

    code = "not-ready"
    status = 503

    def __init__(self, checks: dict[str, str], checks_fr: dict[str, str]) -> None:
        failing = [name for name, result in checks.items() if not result.startswith("ok")]
        en, fr = ", ".join(failing), ", ".join(_CHECKS_FR.get(name, name) for name in failing)
        super().__init__(
            Bilingual(f"Not ready: {en or 'the daemon'}.", f"Pas prêt : {fr or 'le démon'}."),
            next_step=Bilingual(
                "Look at the checks, and at the log of the daemon.", "Regardez les vérifications, et le journal du démon."
            ),
        )
        self.checks = checks
        self.checks_fr = checks_fr


STATUSES: Final[dict[type[FarmError], int]] = {
    NotFoundError: 404,
    ConflictError: 409,
    InvalidError: 422,
    TooLargeError: 413,
    NotAllowedError: 403,
    StoreFullError: 507,
    UnreachableError: 503,
    ConfigurationError: 500,
    FarmError: 500,
}
CODE_STATUSES: Final = {
    "throttled": 429,
    "fenced": 503,
    "ledger-unwritable": 507,
}  # farm errors whose code says more than their class

TITLES: Final = {
    400: Bilingual("The request cannot be read", "La requête ne peut pas être lue"),
    401: Bilingual("A credential is needed", "Il faut s'identifier"),
    403: Bilingual("Not allowed", "Ce n'est pas permis"),
    404: Bilingual("There is no such thing", "Cela n'existe pas"),
    405: Bilingual("This cannot be done to it", "Cela ne peut pas se faire ici"),
    408: Bilingual("The request took too long", "La requête a pris trop de temps"),
    409: Bilingual("Its state does not allow this", "Son état ne le permet pas"),
    413: Bilingual("Too large", "C'est trop grand"),
    415: Bilingual("This kind of content is not understood", "Cette sorte de contenu n'est pas comprise"),
    416: Bilingual("There is no such part of the file", "Le fichier n'a pas cette partie"),
    421: Bilingual("This is not the machine you asked for", "Ce n'est pas la machine que vous demandez"),
    422: Bilingual("A value is not acceptable", "Une valeur n'est pas acceptable"),
    429: Bilingual("Too many attempts", "Trop d'essais"),
    500: Bilingual("An error inside the farm", "Une erreur de la ferme elle-même"),
    503: Bilingual("Not ready", "Pas prêt"),
    507: Bilingual("The disk of the farm is full", "Le disque de la ferme est plein"),
}
_FAILED: Final = Bilingual("The request failed", "La requête a échoué")
_HTTP_CODES: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
}
_HTTP_NEXT_STEPS: Final = {
    400: Bilingual(
        "Send JSON as the documentation of the API (docs/api.md) says.",
        "Envoyez du JSON comme le dit la documentation de l'API (docs/api.md).",
    ),
    404: Bilingual("Check the address; docs/api.md lists all of them.", "Vérifiez l'adresse ; docs/api.md les donne toutes."),
    405: Bilingual("Use one of the methods that the Allow header names.", "Utilisez une des méthodes que nomme l'en-tête Allow."),
    413: Bilingual(
        "Send less: only a program may be larger than 64 KiB.", "Envoyez moins : seul un programme peut dépasser 64 Kio."
    ),
}
_DOCUMENTED: Final = Bilingual("See docs/api.md.", "Voyez docs/api.md.")
_UNREADABLE: Final = {"pointer": "#", "detail": "unreadable", "detail_fr": "illisible"}


def status_of(error: FarmError) -> int:
    """The HTTP status of an error: its own, that of its code, or that of the nearest class in the table."""
    if isinstance(error, RequestError):
        return error.status
    if error.code in CODE_STATUSES:
        return CODE_STATUSES[error.code]
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_response(  # noqa: PLR0913 - the fields of the RFC
    *,
    status: int,
    code: str,
    detail: Bilingual,
    next_step: Bilingual,
    instance: str,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """An error as an answer."""
    body = {
        "type": f"urn:essaim:problem:{code}",
        "title": TITLES.get(status, _FAILED).en,
        "status": status,
        "detail": detail.en,
        "detail_fr": detail.fr,
        "code": code,
        "next_step": next_step.en,
        "next_step_fr": next_step.fr,
        "instance": instance[:_MAX_INSTANCE],
        **(extra or {}),
    }
    return Response(orjson.dumps(body), status, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", **(headers or {})})


def from_error(error: FarmError, instance: str) -> Response:
    """Translate an error of the farm."""
    return problem_response(
        status=status_of(error),
        code=error.code,
        detail=Bilingual(error.detail, error.detail_fr),
        next_step=Bilingual(error.next_step, error.next_step_fr),
        instance=instance,
        headers=error.headers if isinstance(error, RequestError) else None,
        extra=_more(error),
    )


def _more(error: FarmError) -> dict[str, Any]:
    if isinstance(error, NotReadyError):
        return {"checks": error.checks, "checks_fr": error.checks_fr}
    return {"findings": error.findings, "verdicts": error.verdicts} if isinstance(error, RejectedError) else {}


def _field(problem: Mapping[str, Any]) -> dict[str, str]:
    place, *path = problem["loc"] or ("body",)
    said = said_of(problem)
    told = {"detail": said.en, "detail_fr": said.fr}
    if place in {"query", "path", "header", "cookie"}:
        return {"parameter": ".".join(str(level) for level in path), **told}
    if problem["type"] == "json_invalid":
        return {"pointer": "#", **told}
    steps = (str(level).replace("~", "~0").replace("/", "~1") for level in path)
    return {"pointer": "#/" + "/".join(steps) if path else "#", **told}


def from_validation(problems: Sequence[Any], instance: str) -> Response:
    """Translate what pydantic found: each field by JSON pointer or parameter name. What was sent is not said back."""
    fields = [_field(problem) for problem in problems]
    first = fields[0] if fields else _UNREADABLE
    place = first.get("parameter") or first.get("pointer")
    return problem_response(
        status=422,
        code="invalid",
        detail=Bilingual(f"{place}: {first['detail']}.", f"{place} : {first['detail_fr']}."),
        next_step=Bilingual("Correct the fields that `errors` names.", "Corrigez les champs que nomme `errors`."),
        instance=instance,
        extra={"errors": fields},
    )


def from_http(error: HTTPException, instance: str, headers: Mapping[str, str] | None = None) -> Response:
    """Translate an error of the web framework."""
    status = error.status_code
    title, where = TITLES.get(status, _FAILED), instance[:_MAX_INSTANCE]
    return problem_response(
        status=status,
        code=_HTTP_CODES.get(status, f"http-{status}"),
        detail=Bilingual(f"{title.en}: {where}.", f"{title.fr} : {where}."),
        next_step=_HTTP_NEXT_STEPS.get(status, _DOCUMENTED),
        instance=instance,
        headers={**(error.headers or {}), **(headers or {})},
    )


def internal(instance: str) -> Response:
    """What a client learns of a fault of ours: that it is one."""
    return problem_response(
        status=500,
        code="internal",
        detail=Bilingual("The daemon made an error. It is in its log.", "Le démon a fait une erreur. Elle est dans son journal."),
        next_step=Bilingual(
            "Try again; if it happens again, send the log of the daemon with a bug report.",
            "Réessayez ; si cela se reproduit, envoyez le journal du démon avec un rapport d'erreur.",
        ),
        instance=instance,
    )


def allowed_methods(app: FastAPI, path: str) -> str:
    """The Allow header of `path`: the framework names only the methods of the first route that it tried."""
    wanted = path.strip("/").split("/")
    for template, operations in app.openapi()["paths"].items():
        levels = template.strip("/").split("/")
        if len(levels) == len(wanted) and all(a == b or a.startswith("{") for a, b in zip(levels, wanted, strict=True)):
            return ", ".join(sorted(method.upper() for method in operations))
    return "GET, HEAD"  # the pages


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    async def farm_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, FarmError)
        return from_error(error, request.url.path)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return from_validation(error.errors(), request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        more = {"Allow": allowed_methods(app, request.url.path)} if error.status_code == 405 else None
        return from_http(error, request.url.path, more)

    async def fault(request: Request, _error: Exception) -> Response:
        return internal(request.url.path)

    app.add_exception_handler(FarmError, farm_error)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, fault)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI: these problems may come."""
    return {status: described(status) for status in statuses}


def described(status: int) -> dict[str, Any]:
    """One problem of a route for OpenAPI."""
    return {"description": TITLES[status].en, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
