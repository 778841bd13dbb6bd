"""What a technician does with an OctoPrint that is new in the network: find it, get a key, look at it, and have it in node.toml.

A real OctoPrint with its discovery plugin bound to the loopback interface, and the command line as real processes.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.config import NodeSettings, load
from tests.integration.octoprint_server import DISABLED_PLUGINS, OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

_DISCOVERY = {
    "appearance": {"name": "Atelier 7"},
    "plugins": {
        "_disabled": [name for name in DISABLED_PLUGINS.split(", ") if name != "discovery"],
        "discovery": {
            "addresses": ["127.0.0.1"],
            "interfaces": ["lo"],
            "httpUsername": "jeanne",
            "httpPassword": "hunter2",
        },
    },
}


@pytest.fixture(scope="module")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """An OctoPrint that announces itself, with a proxy's user name and password in clear."""
    server = OctoPrintServer(tmp_path_factory.mktemp("announced"), _DISCOVERY)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _farm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "farm", "printers", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=folder, env={"PYTHONPATH": root, "PATH": "/usr/bin"}
    )


def _scan(folder: Path, server: OctoPrintServer) -> dict[str, Any]:
    """The row of `server` in a scan of all interfaces; other things in the network are not our business."""
    for seconds in ("4", "10", "30"):  # on a crowded machine an answer takes longer
        result = _farm(folder, "scan", "--json", "--seconds", seconds)
        assert result.returncode == 0, result.stderr
        assert "hunter2" not in result.stdout + result.stderr
        assert "jeanne" not in result.stdout + result.stderr
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        found: list[dict[str, Any]] = [row for row in rows if row["kind"] == "octoprint" and row["port"] == server.port]
        if found:
            return found[0]
    raise AssertionError(result.stdout)


def test_it_is_found_enrolled_looked_at_and_then_ours(announced: OctoPrintServer, tmp_path: Path) -> None:
    found = _scan(tmp_path, announced)
    assert found["version"] == "1.11.8"
    assert found["name"] == "Atelier 7"
    assert len(found["uuid"].replace("-", "")) == 32
    assert found["guarded"] is True
    assert found["ours"] is None
    assert found["url"] == f"octoprint+http://127.0.0.1:{announced.port}"

    clicking = threading.Thread(target=announced.decide, args=("Essaim",), kwargs={"accept": True})
    clicking.start()
    added = _farm(tmp_path, "add", found["url"], "--name", "Atelier 7", "--profile", "generic-210")
    clicking.join(60)
    assert added.returncode == 0, added.stderr
    assert "allow the access" in added.stderr
    assert "Atelier 7 is in node.toml now." in added.stdout
    key = tmp_path / "atelier-7.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in added.stdout + added.stderr
    (printer,) = load(NodeSettings, tmp_path / "node.toml").printers
    assert printer.url == f"{found['url']}?key_file={key}"

    assert _scan(tmp_path, announced)["ours"] == "Atelier 7"

    looked = _farm(tmp_path, "probe", printer.url, "--json")
    assert looked.returncode == 0, looked.stderr
    told = json.loads(looked.stdout)
    assert told["kind"] == "octoprint"
    assert told["state"] == "idle"
    assert told["octoprint"]["version"] == "1.11.8"
    assert told["octoprint"]["user"] == "maker"
    assert "ADMIN" in told["octoprint"]["too_many"], "the maker who clicked is an administrator: it is said"
    assert told["warnings"]
    assert str(key) not in told["url"]


def test_the_least_permissions_are_enough_for_a_look(announced: OctoPrintServer, tmp_path: Path) -> None:
    looked = _farm(tmp_path, "probe", announced.printer_url, "--json")
    assert looked.returncode == 0, looked.stderr
    told = json.loads(looked.stdout)
    assert told["octoprint"]["user"] == "farm"
    assert told["octoprint"]["missing"] == []
    assert told["warnings"] == []
    assert told["nozzle"]["actual_c"] > 0
