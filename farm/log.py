"""Logs: one line an event, each with an action key that can be searched for (`node.lost`, `journal.poisoned`).

Secrets never get here: `redact` is the last processor and replaces the value of every key that names one.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET_KEYS: Final = frozenset({"password", "key", "api_key", "token", "code", "secret", "authorization"})


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of keys that name a secret."""
    for key in event.keys() & _SECRET_KEYS:
        event[key] = "***"
    return event


def configure(*, level: str = "info", json: bool = False) -> None:
    """Send logs to standard error: coloured text for a terminal, JSON lines for machines. Safe to call twice."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def get_logger(name: str) -> Any:
    """A logger whose lines carry the module's name as `module` (structlog keeps `logger` for itself)."""
    return structlog.get_logger(module=name)
