"""`farm node page, status, collect, go-on` against the page of an agent with a scripted printer."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farm.commands.node import node_app
from farm.config import PageSection
from farm.errors import ConflictError, FarmError
from farm.node.page.local_page import LocalPage
from tests.unit.farm.node.fake_farm import Workshop, printing, until


class Beside:
    """An agent that prints, with its page open, on a loop in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready, self.over = threading.Event(), threading.Event()
        self.shop: Workshop | None = None
        self.job = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._work()))

    async def _work(self) -> None:
        async with printing(self.folder) as (shop, _, driver):
            self.shop, self.job = shop, driver.status.job or ""
            page = LocalPage(shop.agent, shop.settings.model_copy(update={"page": PageSection(port=0)}))
            serving = asyncio.create_task(page.serve())
            await until(lambda: page.open)
            self.ready.set()
            await asyncio.to_thread(self.over.wait)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def __enter__(self) -> "Beside":
        self._thread.start()
        assert self.ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join(20)
        self._loop.close()

    def finish(self) -> None:
        async def end() -> None:
            assert self.shop is not None
            self.shop.drivers["left"].finishes()
            await self.shop.agent.settle()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    with Beside(tmp_path) as made:
        yield made


def run(folder: Path, *words: str) -> str:
    result = CliRunner().invoke(node_app, [*words, "--data", str(folder)])
    if isinstance(result.exception, FarmError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_status_shows_printers_jobs_and_contact(beside: Beside) -> None:
    said = run(beside.folder, "status")
    assert "left bench: last contact " in said
    assert "2 jobs may still start" in said
    assert f"left: printing 0%, bed occupied, {beside.job} (2 parts)" in said
    beside.finish()
    assert f"{beside.job} (2 parts, printed: collect it)" in run(beside.folder, "status")


def test_page_shows_the_address(beside: Beside) -> None:
    noted: dict[str, Any] = json.loads((beside.folder / "page.json").read_text())
    assert run(beside.folder, "page").endswith(f"http://127.0.0.1:{noted['port']}/\n")


def test_collect_takes_what_is_on_the_bed_and_names_it(beside: Beside) -> None:
    with pytest.raises(ConflictError, match="has not ended"):
        run(beside.folder, "collect", "left", "--good", "2")
    beside.finish()
    with pytest.raises(ConflictError, match="No such job"):
        run(beside.folder, "collect", "left", "--good", "2", "--job", "job-of-before")
    said = run(beside.folder, "collect", "left", "--good", "1", "--job", beside.job)
    assert said.endswith(f"Collected {beside.job}: 1 good, 1 scrap.\n")  # the agent of this test logs beside it
    with pytest.raises(ConflictError):
        run(beside.folder, "collect", "left", "--good", "1", "--job", beside.job)


def test_go_on_asks_first(beside: Beside) -> None:
    refused = CliRunner().invoke(node_app, ["go-on", "--data", str(beside.folder)], input="n\n")
    assert refused.exit_code == 1
    assert "parts too many" in refused.output
    assert beside.shop is not None
    assert beside.shop.agent.state.gone_on_s is None
    said = run(beside.folder, "go-on", "--yes")
    assert "The printers go on for 36" in said or "The printers go on for 35" in said
    assert beside.shop.agent.state.gone_on_s is not None
