"""Real components shared by the integration tests of one session."""

from collections.abc import Iterator

import pytest

from tests.integration.octoprint_server import OctoPrintServer


@pytest.fixture(scope="session")
def octoprint_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """One OctoPrint for the whole session. A test that kills or reconfigures it takes a server of its own."""
    server = OctoPrintServer(tmp_path_factory.mktemp("octoprint"))
    try:
        server.start()
        yield server
    finally:
        server.remove()
