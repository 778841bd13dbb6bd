"""The driver behind a real nginx: path prefix, TLS with an authority of its own, with and without websockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import PrintEnd, PrinterState
from drivers.errors import NotAPrinterError, UnreachableError
from drivers.registry import open_driver
from farm.certificates import ensure_certificates
from tests.integration.nginxes import Proxy, nginx_before
from tests.integration.octoprint_bench import SHORT, Listener, connected, until
from tests.integration.octoprint_server import OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]


@pytest.fixture(scope="module")
def proxy(octoprint_server: OctoPrintServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with nginx_before(octoprint_server.port, tmp_path_factory.mktemp("nginx")) as made:
        yield made


def url(proxy: Proxy, server: OctoPrintServer, path: str, *, ca_file: Path | None) -> str:
    trusted = f"&ca_file={ca_file}" if ca_file else ""
    return f"octoprint+https://127.0.0.1:{proxy.port}/{path}?key_file={server.key_file}{trusted}"


async def test_proxy_with_prefix_and_tls_prints_with_its_live_socket(
    proxy: Proxy, octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    where = url(proxy, octoprint_server, "octoprint", ca_file=proxy.ca_file)
    async with connected(octoprint_server, tmp_path, url=where) as bench:
        assert bench.driver.status.state is PrinterState.IDLE
        await until(lambda: bench.has_push)
        job = await bench.start()
        await bench.driver.pause(job)
        await bench.state(PrinterState.PAUSED)
        await bench.driver.cancel(job)
        await bench.ended(job, PrintEnd.CANCELLED)
        bench.listener.events.clear()
        await bench.state(PrinterState.IDLE)
        done = await bench.start(SHORT)
        ended = await bench.ended(done, PrintEnd.DONE)
        assert ended.detail == "OctoPrint has sent every line."  # an event told it
        assert bench.has_push


async def test_proxy_that_passes_no_websockets_costs_the_live_socket_only(
    proxy: Proxy, octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    where = url(proxy, octoprint_server, "without-websockets", ca_file=proxy.ca_file)
    async with connected(octoprint_server, tmp_path, url=where) as bench:
        job = await bench.start(SHORT)
        await bench.ended(job, PrintEnd.DONE)
        assert not bench.has_push
        await until(lambda: bench.driver.status.nozzle is not None)  # asked for, as no socket tells it


async def test_proxy_with_a_certificate_that_we_do_not_trust(
    proxy: Proxy, octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    stranger = ensure_certificates(tmp_path / "stranger", ["127.0.0.1"]).authority
    for ca_file in (None, stranger):
        driver = open_driver(url(proxy, octoprint_server, "octoprint", ca_file=ca_file), Listener())
        with pytest.raises(UnreachableError, match="certificate"):
            await driver.connect()
        await driver.close()


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("nobody-there", UnreachableError, "proxy"),
        ("moved", NotAPrinterError, "elsewhere"),
        ("page", NotAPrinterError, "not OctoPrint"),
        ("", NotAPrinterError, "not OctoPrint"),
    ],
)
async def test_proxy_without_octoprint_behind_it(
    proxy: Proxy, octoprint_server: OctoPrintServer, path: str, kind: type[Exception], text: str
) -> None:
    driver = open_driver(url(proxy, octoprint_server, path, ca_file=proxy.ca_file), Listener())
    with pytest.raises(kind, match=text):
        await driver.connect()
    await driver.close()
