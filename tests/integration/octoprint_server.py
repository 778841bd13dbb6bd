"""A real OctoPrint 1.11.8 with its virtual printer: on a free loopback port, in a folder of its own.

Configuration keys and the commands that break the virtual printer are those of OctoPrint's bundled `virtual_printer` plugin.
Temperatures are reached at once (ambient 215 degrees C), so that files may begin with M109 and M190.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from farm.addresses import free_port
from tests.integration.real import require
from tests.patience import PATIENCE_S

ROOT: Final = Path(__file__).parent.parent.parent
OCTOPRINT: Final = ROOT / ".venv-octoprint" / "bin" / "octoprint"

FARM_KEY: Final = "FARMKEYFARMKEYFARMKEYFARMKEY1234"
MAKER_KEY: Final = "MAKERKEYMAKERKEYMAKERKEYMAKER123"
WATCHER_KEY: Final = "WATCHERKEYWATCHERKEYWATCHERKEY12"
# The smallest set of permissions with which the driver works: the tests run with it, so that the documentation is true.
FARM_PERMISSIONS: Final = (
    "STATUS",
    "CONNECTION",
    "FILES_LIST",
    "FILES_UPLOAD",
    "FILES_SELECT",
    "FILES_DELETE",
    "PRINT",
    "CONTROL",
)
START_TIMEOUT_S: Final = 120.0  # 52 s were seen with eight instances on a machine under load
_ANSWER_S: Final = 60.0
DISABLED_PLUGINS: Final = (
    "softwareupdate, announcements, tracking, discovery, pluginmanager, errortracking, backup, gcodeviewer, corewizard, "
    "health_check, achievements, pi_support, firmware_check, file_check"
)

Changes = Mapping[str, Any]

_CONFIG: Final[Changes] = {
    "server": {
        "host": "127.0.0.1",
        "firstRun": False,
        "onlineCheck": {"enabled": False},
        "pluginBlacklist": {"enabled": False},
        "pythonEolCheck": {"enabled": False},
        "ignoreIncompleteStartup": True,
    },
    "gcodeAnalysis": {"runAt": "never"},
    "plugins": {
        "_disabled": DISABLED_PLUGINS.split(", "),
        "virtual_printer": {
            "enabled": True,
            "simulated_errors": [],
            "ambientTemperature": 215.0,
            "capabilities": {"PROMPT_SUPPORT": True},
        },
    },
    "serial": {
        "port": "VIRTUAL",
        "baudrate": 115200,
        "autoconnect": True,
        "timeout": {"communication": 1.0, "communicationBusy": 1.0, "connection": 3.0},
    },
}
_USER: Final = (
    "{name}: {{active: true, apikey: {key}, groups: [{groups}], password: '', permissions: [{permissions}], "
    "roles: [user], settings: {{}}}}\n"
)


def merged(base: Changes, changes: Changes) -> dict[str, Any]:
    """`base` with `changes` laid over it, table by table; a None takes the key away: OctoPrint's default."""
    result = {**base}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key) or {}, value) if isinstance(value, Mapping) else value
    return result


class OctoPrintServer:
    """One OctoPrint. All methods block: call them with `asyncio.to_thread` from a test that runs a driver."""

    def __init__(self, folder: Path, changes: Changes | None = None) -> None:
        require("OctoPrint", OCTOPRINT.exists())
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key_file = folder / "farm.key"
        self._process: subprocess.Popen[bytes] | None = None
        self._changes = changes or {}
        self.configure()

    @property
    def printer_url(self) -> str:
        """The URL that the driver takes."""
        return f"octoprint+http://127.0.0.1:{self.port}?key_file={self.key_file}"

    def configure(self, changes: Changes | None = None) -> None:
        """Write its configuration anew, `changes` over those of the beginning; it is read at the next `start`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = merged(merged(merged(_CONFIG, {"server": {"port": self.port}}), self._changes), changes or {})
        (self.folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.changed = changes is not None
        users = (
            ("farm", FARM_KEY, "", ", ".join(FARM_PERMISSIONS)),
            ("maker", MAKER_KEY, "users, admins", ""),
            ("watcher", WATCHER_KEY, "", "STATUS"),
        )
        rows = [_USER.format(name=name, key=key, groups=groups, permissions=right) for name, key, groups, right in users]
        (self.folder / "users.yaml").write_text("_version: 2\n" + "".join(rows))
        self.key_file.write_text(FARM_KEY + "\n")
        self.key_file.chmod(0o600)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until its printer is operational."""
        self.launch()
        self.wait_for("Operational", START_TIMEOUT_S)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        command = [str(OCTOPRINT), "-b", str(self.folder), "serve", "--iknowwhatimdoing"]
        with (self.folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it gently, then by force."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Pull its plug (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def state(self) -> str:
        """What `GET /api/connection` calls the state; empty while nothing sensible answers."""
        try:
            return str(self.get("/api/connection")["current"]["state"])
        except (requests.RequestException, ValueError, KeyError):
            return ""

    def wait_for(self, state: str, timeout_s: float = 60.0) -> None:
        """Wait until the printer is in `state`.

        Raises:
            TimeoutError: it never was; the message has the last state and the end of OctoPrint's log.

        """
        deadline_s = time.monotonic() + timeout_s
        while (seen := self.state()) != state:
            died = self._process is not None and self._process.poll() is not None
            if died or time.monotonic() > deadline_s:
                log = (self.folder / "output.txt").read_text(errors="replace")[-3000:]
                raise TimeoutError(f"OctoPrint is {seen!r}, not {state!r}:\n{log}")
            time.sleep(0.1)

    def get(self, path: str, key: str = MAKER_KEY) -> dict[str, Any]:
        """What a person's browser would read."""
        answer = requests.get(self.url + path, headers={"X-Api-Key": key}, timeout=_ANSWER_S)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def post(self, path: str, body: dict[str, Any], key: str = MAKER_KEY) -> dict[str, Any]:
        """What a person's click in the browser would send; the answer's JSON, empty when there is none."""
        answer = requests.post(self.url + path, json=body, headers={"X-Api-Key": key}, timeout=_ANSWER_S)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content

    def put(self, path: str, body: dict[str, Any], key: str = MAKER_KEY) -> None:
        """What saving a form in the browser would send."""
        requests.put(self.url + path, json=body, headers={"X-Api-Key": key}, timeout=_ANSWER_S).raise_for_status()

    def delete(self, path: str, key: str = MAKER_KEY) -> None:
        """What a person's click on the bin would send."""
        requests.delete(self.url + path, headers={"X-Api-Key": key}, timeout=_ANSWER_S).raise_for_status()

    def upload(self, name: str, content: bytes, *, start: bool = False) -> None:
        """Upload a person's own file, and print it when `start`."""
        answer = requests.post(
            f"{self.url}/api/files/local",
            files={"file": (name, content)},
            data={"print": str(start).lower()},
            headers={"X-Api-Key": MAKER_KEY},
            timeout=_ANSWER_S,
        )
        answer.raise_for_status()

    def new_key(self, app: str) -> Path:
        """Make an application key for the user `farm` as its owner would; the file that holds it."""
        answer = self.post("/api/plugin/appkeys", {"command": "generate", "app": app, "user": "farm"})
        file = self.folder / f"{app}.key"
        file.write_text(answer["api_key"])
        return file

    def revoke_key(self, app: str) -> None:
        """Take an application key of the user `farm` back, as an administrator does."""
        self.post("/api/plugin/appkeys", {"command": "revoke", "app": app, "user": "farm"})

    def decide(self, app: str, *, accept: bool, timeout_s: float = 60.0) -> None:
        """Be the person who answers when the application `app` asks for a key; waits until it has asked."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            asked = self.get("/api/plugin/appkeys")["pending"]
            if tokens := [token for token, request in asked.items() if request["app_id"] == app]:
                break
            assert time.monotonic() < deadline_s, f"{app} did not ask for a key"
            time.sleep(0.1)
        self.post(f"/plugin/appkeys/decision/{tokens[-1]}", {"decision": accept})

    def firmware_log(self) -> str:
        """What its printer's firmware heard (`<<<`) and said (`>>>`), of the newest connection and those before."""
        logs = sorted((self.folder / "logs").glob("*virtual_printer*serial*.log*"))
        return "".join(log.read_text(errors="replace") for log in logs)

    def break_printer(self, command: str) -> None:
        """Give the virtual printer one of its `!!DEBUG:` commands."""
        self.post("/api/printer/command", {"command": f"!!DEBUG:{command}"})

    def make_ready(self) -> None:
        """End whatever runs and bring the printer back to Operational, as a person at the web page would."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (state := self.state()) != "Operational" and time.monotonic() < deadline_s:
            with contextlib.suppress(requests.HTTPError):  # it has ended, or come back, since we looked
                if state in {"Printing", "Paused", "Starting", "Resuming"}:
                    self.post("/api/job", {"command": "cancel"})
                elif state in {"Closed", "Error"} or state.startswith("Offline"):
                    self.post("/api/connection", {"command": "connect"})
            time.sleep(0.1)
        self.wait_for("Operational", 0.0)
