"""Logs: one line an event, each with an action key that can be searched for (`node.lost`, `journal.poisoned`).

Secrets never get here: `redact` replaces the value of every key that names one.
Keys and names of events are the same for everybody; a text for people (`gcode.texts.Told`) is in the language of who reads the log.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from gcode.texts import Told

_SECRET_KEYS: Final = frozenset({"password", "key", "api_key", "token", "code", "secret", "authorization"})


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of keys that name a secret."""
    for key in event.keys() & _SECRET_KEYS:
        event[key] = "***"
    return event


def in_french(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say in French what knows its French."""
    for key, value in event.items():
        if isinstance(value, Told):
            event[key] = value.fr
    return event


def configure(*, level: str = "info", json: bool = False, french: bool = False) -> None:
    """Send logs to standard error: coloured text for a terminal, JSON lines for machines. Safe to call twice.

    `french` is for people; JSON lines are in English whoever starts the process.
    """
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            *([in_french] if french and not json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def get_logger(name: str) -> Any:
    """A logger whose lines carry the module's name as `module` (structlog keeps `logger` for itself)."""
    return structlog.get_logger(module=name)
