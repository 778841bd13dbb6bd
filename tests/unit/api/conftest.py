"""A small farm in memory behind the real application."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.testing import MemoryControl, MemoryPeople
from farm.config import DaemonSettings
from tests.unit.api.serving import GCODE, TOKEN, add_visor, client_of


@pytest.fixture
def control(tmp_path: Path) -> MemoryControl:
    control = MemoryControl(tmp_path / "farm")
    control.add_printer("prn-1", "Atelier 1")
    return control


@pytest.fixture
def people(control: MemoryControl) -> MemoryPeople:
    return MemoryPeople(control.program_file)


@pytest.fixture
def settings(tmp_path: Path) -> DaemonSettings:
    return DaemonSettings(data=tmp_path / "data")


@pytest.fixture
async def app(control: MemoryControl, people: MemoryPeople, settings: DaemonSettings) -> AsyncIterator[FastAPI]:
    app = create_app(control=control, people=people, settings=settings, token=TOKEN)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def visor(control: MemoryControl) -> str:
    """The SHA-256 of a program that prints two visor frames."""
    return await add_visor(control, GCODE)
