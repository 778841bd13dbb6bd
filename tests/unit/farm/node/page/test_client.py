import asyncio
from pathlib import Path

import pytest

from farm.config import NodeSettings, PageSection
from farm.errors import ConfigurationError, UnreachableError
from farm.node.page.client import PageClient
from tests.unit.farm.node.fake_farm import until
from tests.unit.farm.node.page.test_local_page import opened


def settings(folder: Path, **section: object) -> NodeSettings:
    return NodeSettings(data=folder, page=PageSection.model_validate(section))


def test_the_address_is_the_configured_one_until_a_page_was_open(tmp_path: Path) -> None:
    assert PageClient(settings(tmp_path)).urls() == ["http://127.0.0.1:8081/"]
    (tmp_path / "page.json").write_text('{"host": "127.0.0.1", "port": 9000}')
    assert PageClient(settings(tmp_path, port=0)).urls() == ["http://127.0.0.1:9000/"]


def test_beyond_loopback_the_token_is_in_the_fragment(tmp_path: Path) -> None:
    (tmp_path / "page.token").write_text("t" * 43 + "\n")
    for url in PageClient(settings(tmp_path, host="0.0.0.0")).urls():
        assert url.endswith(f":8081/#token={'t' * 43}")
        assert "0.0.0.0" not in url, "no browser finds that"
    assert PageClient(settings(tmp_path, host="192.0.2.7")).urls() == [f"http://192.0.2.7:8081/#token={'t' * 43}"]


def test_without_a_page_and_without_an_agent_it_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\[page\] enabled = true"):
        PageClient(settings(tmp_path, enabled=False))
    with pytest.raises(UnreachableError, match="Start it with"):
        PageClient(settings(tmp_path, port=1)).state()


async def test_it_asks_the_page_of_a_running_agent_also_with_its_token(tmp_path: Path) -> None:
    for section in ({}, {"host": "0.0.0.0"}):
        async with opened(tmp_path, **section) as page:
            await until(lambda page=page: page.open)  # type: ignore[misc]  # bound
            client = PageClient(settings(tmp_path, **section))
            state = await asyncio.to_thread(client.state)
            assert [printer["name"] for printer in state["printers"]] == ["left"]
