"""The OpenAPI document: every route with the problems it may answer and the credential it wants."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.auth import COOKIE, Access, access_of
from api.problems import Problem, described

# From the gate, the limits and the framework, on every path.
ALWAYS_POSSIBLE: Final = (400, 401, 403, 405, 413, 421, 422, 429, 500)

_DESCRIPTION: Final = "One queue for a whole network of 3D printers. Every error is a problem (RFC 9457) with a stable `code`."
_SCHEMES: Final = {
    "operator": {"type": "http", "scheme": "bearer", "description": "The operator token; not needed on the daemon's own machine."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "node": {"type": "http", "scheme": "basic", "description": "A node's id and password."},
    "maker": {"type": "http", "scheme": "bearer", "description": "A maker's token."},
}
_OPERATOR: Final[list[dict[str, list[str]]]] = [{"operator": []}, {"session": []}]
_SECURITY: Final[dict[Access, list[dict[str, list[str]]]]] = {
    Access.ANYONE: [],
    Access.OPERATOR: _OPERATOR,
    Access.NODE: [*_OPERATOR, {"node": []}],
    Access.MAKER: [{"maker": []}],
}


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)  # the framework's own, which we never answer
    schemas.pop("ValidationError", None)
    schemas["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = _SECURITY[access_of(path)]
            for status in ALWAYS_POSSIBLE:
                operation["responses"][str(status)] = described(status)
    return document


def document(app: FastAPI) -> None:
    """Make `app.openapi` tell of problems and credentials too."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
            app.openapi_schema = _complete(plain)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this way of extending OpenAPI
