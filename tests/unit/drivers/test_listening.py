"""The border between a driver and whoever listens to it."""

import asyncio

import pytest

from drivers.base import DriverEvent, PrinterStatus, StatusChanged
from drivers.listening import guarded

EVENT = StatusChanged(PrinterStatus())


async def test_every_event_arrives() -> None:
    heard: list[DriverEvent] = []
    guarded(heard.append)(EVENT)
    assert heard == [EVENT]


async def test_what_it_raises_is_told_once_per_kind() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    errors = [BrokenPipeError("gone"), BrokenPipeError("still gone"), ValueError("closed"), BrokenPipeError("gone")]
    first, _, third, _ = errors

    def deaf(_event: DriverEvent) -> None:
        raise errors.pop(0)

    tell = guarded(deaf)
    for _ in range(4):
        tell(EVENT)
    assert reported == [first, third]
    assert not errors


async def test_an_end_is_still_an_end() -> None:
    def cancelled(_event: DriverEvent) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        guarded(cancelled)(EVENT)
