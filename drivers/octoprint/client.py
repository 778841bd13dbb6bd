"""OctoPrint's REST interface: octorest in a subclass. Every call blocks; the driver runs it in a thread of its own pool.

octorest 0.4 as it comes has no time limits, reads answers of any length, follows redirections, takes proxies from the environment,
drops the URL's path and the fields of an upload, and raises RuntimeError for everything. Here each request has limits and each
failure is a `DriverError`; its commands (`select`, `pause`, `job_info`...) are used as they are.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import requests
import urllib3
from octorest import OctoRest

from drivers.base import Temperature
from drivers.errors import AuthenticationError, DriverError, NotAPrinterError, TransferError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.form import UploadForm
from drivers.octoprint.reading import (
    FOLDER,
    PrintRecord,
    Reading,
    job_path,
    number_of,
    reading_of_job,
    record_of,
    table_of,
    temperatures_of,
    text_of,
)

TIMEOUT_S: Final = (3.05, 10.0)  # connect (just over one TCP retransmission), then each wait for bytes
UPLOAD_TIMEOUT_S: Final = (10.0, 120.0)  # a Raspberry Pi copies and hashes 64 MB on its SD card before it answers
ANSWER_DEADLINE_S: Final = 30.0  # a server that drips one byte every nine seconds does not hold a thread for hours
MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
# The smallest set with which everything works, measured with 1.11.8. FILES_DELETE is needed for overwriting too.
PERMISSIONS: Final = frozenset(
    {"STATUS", "CONNECTION", "FILES_LIST", "FILES_UPLOAD", "FILES_SELECT", "FILES_DELETE", "PRINT", "CONTROL"}
)

_KEY_STEP: Final = "Make a new application key in OctoPrint (Settings > Application Keys) and write it into the key file."
_REACH_STEP: Final = "Check that OctoPrint is switched on, and the host and port in the printer's URL."
_URL_STEP: Final = "Check the printer's URL: open it in a browser (without octoprint+), it must show OctoPrint."


class AnswerError(DriverError):
    """OctoPrint refused a request with `status`, for a reason that only the caller can judge."""

    code = "octoprint-answer"

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"OctoPrint answered {status}: {said}", next_step="Look at OctoPrint's own page and log.")
        self.status = status


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are for OctoPrint, and a session for one socket. Never log `session`."""

    name: str
    session: str


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unreachable(error: Exception, authority: str) -> DriverError:
    """What a failed connection to `authority` (host:port) means. The texts of `error` are for programmers: not repeated."""
    for cause in _causes(error):
        if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
            # while it starts, OctoPrint's stand-in server answers these bytes without a status line
            if str(cause).strip("'\"").startswith("Not found"):
                return UnreachableError(f"OctoPrint at {authority} is still starting.", next_step="Wait a minute.")
            return NotAPrinterError(f"What answers at {authority} does not speak HTTP.", next_step=_URL_STEP)
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(
            "The encrypted connection to OctoPrint failed: its certificate is not trusted or it speaks plain HTTP.",
            next_step="Name its certificate authority with ca_file=, or use octoprint+http:// in a network you trust.",
        )
    if isinstance(error, requests.Timeout):
        return UnreachableError(f"OctoPrint at {authority} did not answer in time.", next_step=_REACH_STEP)
    return UnreachableError(f"OctoPrint at {authority} cannot be reached.", next_step=_REACH_STEP)


def _said(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    return text_of(table_of(content).get("error")) or "no reason given"


def _refusal(status: int, body: bytes) -> DriverError:
    if 300 <= status < 400:
        return NotAPrinterError("The server there sends us elsewhere; redirections are not followed.", next_step=_URL_STEP)
    if status in {401, 403}:
        return AuthenticationError("OctoPrint refuses our key, or the key's user may not do this.", next_step=_KEY_STEP)
    if status == 400 and b"CSRF" in body:  # its answer to a POST with a wrong key
        return AuthenticationError("OctoPrint refuses our key.", next_step=_KEY_STEP)
    if status in {502, 503, 504}:
        return UnreachableError("The proxy before OctoPrint answers, OctoPrint does not.", next_step="Wait, or restart OctoPrint.")
    return AnswerError(status, _said(body))


def _read_limited(response: requests.Response, deadline_s: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(16_384):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NotAPrinterError("The answer is too long to be OctoPrint's.", next_step=_URL_STEP)
        if time.monotonic() > deadline_s:
            raise UnreachableError("OctoPrint's answer did not end in time.", next_step=_REACH_STEP)
    return bytes(body)


class Client(OctoRest):  # type: ignore[misc]  # octorest has no types
    """One OctoPrint. Methods block and raise `DriverError` only; two threads may use one client at the same time."""

    def __init__(self, address: OctoPrintAddress) -> None:
        # octorest's own __init__ drops the path of the URL and asks the network when it is given a key
        self.address = address
        self.url = address.base_url
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy, no .netrc, no certificates from the environment
        self.session.verify = str(address.ca_file) if address.ca_file else True
        self.session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "essaim"})
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._stop = threading.Event()

    def close(self) -> None:
        """Give up a running upload and the idle connections."""
        self._stop.set()
        self.session.close()

    # --- how a request is made; octorest's methods come through here ---------------------------------------------------------

    def _send(self, method: str, path: str, *, timeout_s: tuple[float, float] = TIMEOUT_S, **content: Any) -> bytes:
        deadline_s = time.monotonic() + sum(timeout_s) + ANSWER_DEADLINE_S
        try:
            with self.session.request(
                method, self.url + path, timeout=timeout_s, allow_redirects=False, stream=True, **content
            ) as response:
                body, status = _read_limited(response, deadline_s), response.status_code
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(error, self.address.authority) from error
        if not 200 <= status < 300:
            raise _refusal(status, body)
        return body

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        body = self._send(method, path, **content)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotAPrinterError("What answers there is not OctoPrint: no JSON.", next_step=_URL_STEP) from error
        if not isinstance(answer, dict):
            raise NotAPrinterError("What answers there is not OctoPrint: no JSON object.", next_step=_URL_STEP)
        return answer

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", path, params=params)

    def _post(self, path: str, json: Any = None, *, ret: bool = True, **content: Any) -> dict[str, Any] | None:
        if ret:
            return self._ask("POST", path, json=json, **content)
        self._send("POST", path, json=json, **content)
        return None

    def _delete(self, path: str) -> None:
        self._send("DELETE", path)

    # --- who is there ---------------------------------------------------------------------------------------------------------

    def probe(self) -> str:
        """Read the key file, ask who answers and what we may do; return OctoPrint's version.

        Raises:
            AddressError, UnreachableError, AuthenticationError, NotAPrinterError: see `drivers.errors`.

        """
        self.session.headers["X-Api-Key"] = self.address.read_key()
        try:
            version = self.get_version()
        except AnswerError as error:
            raise NotAPrinterError("What answers there is not OctoPrint.", next_step=_URL_STEP) from error
        server, text = text_of(version.get("server")), text_of(version.get("text")) or "OctoPrint"
        if server is None or not text.startswith("OctoPrint"):
            raise NotAPrinterError("What answers there is not OctoPrint.", next_step=_URL_STEP)
        self._check_permissions()
        return server

    def _check_permissions(self) -> None:
        allowed = self._get("/api/currentuser").get("permissions")
        names = {name for name in allowed if isinstance(name, str)} if isinstance(allowed, list) else set()
        if "ADMIN" not in names and (missing := sorted(PERMISSIONS - names)):
            raise AuthenticationError(
                f"The key's OctoPrint user lacks permissions: {', '.join(missing)}.",
                next_step="Give them to that user in OctoPrint (Settings > Access Control).",
            )

    def passive_login(self) -> Login:
        """Open a session for one socket. It goes stale when it is not used, so each socket gets a fresh one."""
        answer = self._ask("POST", "/api/login", json={"passive": True})
        name, session = text_of(answer.get("name")), text_of(answer.get("session"))
        if name is None or session is None:
            raise AuthenticationError("OctoPrint does not know whose key this is.", next_step=_KEY_STEP)
        return Login(name, session)

    # --- the printer ------------------------------------------------------------------------------------------------------------

    def read_job(self) -> Reading:
        """What is selected and how far it is."""
        return reading_of_job(self.job_info())

    def read_temperatures(self) -> tuple[Temperature | None, Temperature | None]:
        """(nozzle, bed), None for what the printer does not have or while it is not connected."""
        try:
            return temperatures_of(self._get("/api/printer?exclude=sd,state").get("temperature"))
        except AnswerError as error:
            if error.status == 409:
                return None, None
            raise

    def read_error(self) -> tuple[str, str]:
        """(reason, text) of the error that ended the last connection to the printer; both empty when there was none."""
        answer = self._get("/api/printer/error")
        return text_of(answer.get("reason")) or "", text_of(answer.get("error")) or ""

    def send_gcode(self, *lines: str) -> None:
        """Give the printer G-code lines outside of a print."""
        self._post("/api/printer/command", json={"commands": list(lines)}, ret=False)

    # --- files ------------------------------------------------------------------------------------------------------------------

    def read_file(self, path: str) -> dict[str, Any] | None:
        """What OctoPrint knows of the uploaded file `path`; None: there is none."""
        try:
            answer: dict[str, Any] = self.files_info("local", path)
        except AnswerError as error:
            if error.status == 404 or (error.status == 500 and path != FOLDER and self.read_file(FOLDER) is None):
                return None  # 1.11.8 answers 500 for a file in a folder that does not exist
            raise
        return answer

    def read_record(self, path: str) -> PrintRecord | None:
        """How often the file `path` was printed; None: there is no such file."""
        file = self.read_file(path)
        return None if file is None else record_of(file)

    def remove_file(self, path: str) -> bool:
        """Delete an uploaded file; False when OctoPrint is using it, True when it is gone."""
        try:
            self.delete(f"local/{path}")
        except AnswerError as error:
            if error.status == 404:
                return True
            if error.status == 409:
                return False
            raise
        return True

    def tidy(self, keep: int) -> None:
        """Delete all but the `keep` newest files of ours, so that OctoPrint's disk does not fill."""
        children = (self.read_file(FOLDER) or {}).get("children")
        entries = [table_of(entry) for entry in children] if isinstance(children, list) else []
        entries.sort(key=lambda entry: number_of(entry.get("date")) or 0.0, reverse=True)
        for entry in entries[keep:]:
            path = text_of(entry.get("path"))
            if path and path.startswith(f"{FOLDER}/") and path.endswith(".gcode"):
                self.remove_file(path)

    def free_bytes(self) -> int | None:
        """Free space for uploads; None when it is not known: then the check of what was stored has to do."""
        try:
            # its filter= would keep the answer short, but 1.11.8 answers 500 to that as soon as there is a folder
            free = self._get("/api/files/local").get("free")
        except (AnswerError, NotAPrinterError):  # over 2 MB of files: there are thousands of them
            return None
        return free if isinstance(free, int) else None

    def start_printing(self, path: str) -> None:
        """Select the uploaded file `path` and print it. Success proves nothing: ask what is printing."""
        self.select(f"local/{path}", print=True)

    def upload_program(self, program: Path, job: str) -> None:
        """Send `program` to `job_path(job)` without printing it, and make sure that what is stored is what was sent.

        A half file is deleted again: a truncated file that stays listed can be printed by a person (seen with a full disk).

        Raises:
            TransferError: it did not arrive whole; nothing of it is left there, as far as OctoPrint still answers.

        """
        try:
            with program.open("rb") as file:
                size_bytes = os.fstat(file.fileno()).st_size
                self._check_room(size_bytes)
                form = UploadForm(file, size_bytes, folder=FOLDER, name=f"{job}.gcode", job=job, stop=self._stop)
                self._deliver(form, job, size_bytes)
        except OSError as error:
            raise TransferError(
                f"The G-code file cannot be read: {error.strerror}.", next_step="Fetch or check the file, then start again."
            ) from error

    def _check_room(self, size_bytes: int) -> None:
        if size_bytes == 0:  # OctoPrint would report an empty file as printed
            raise TransferError("The G-code file is empty.", next_step="Slice it again.")
        if size_bytes > MAX_FILE_BYTES:
            raise TransferError("The G-code file is over 64 MB.", next_step="Slice it in a coarser resolution.")
        free = self.free_bytes()
        if free is not None and free < 2 * size_bytes:  # OctoPrint receives into a temporary file, then copies
            raise TransferError(
                f"OctoPrint has only {free // 1_000_000} MB of disk left.", next_step="Delete files and timelapses in OctoPrint."
            )

    def _deliver(self, form: UploadForm, job: str, size_bytes: int) -> None:
        path = job_path(job)
        try:
            headers = {"Content-Type": form.content_type}
            answer = self._ask("POST", "/api/files/local", data=form, headers=headers, timeout_s=UPLOAD_TIMEOUT_S)
            stored = text_of(table_of(table_of(answer.get("files")).get("local")).get("path"))
            if stored != path:
                raise TransferError(
                    f"OctoPrint stored the file elsewhere: {stored!r}.", next_step="Check OctoPrint's upload plugins."
                )
            file = self.read_file(path) or {}
            if file.get("size") != size_bytes or file.get("hash") != form.sha1:
                raise TransferError("OctoPrint stored another content than was sent.", next_step="Check its disk.")
        except AuthenticationError:
            raise
        except DriverError as error:
            self._clean_up(path)
            raise _transfer_error(error) from error

    def _clean_up(self, path: str) -> None:
        try:
            self.remove_file(path)
        except DriverError:
            return  # the transfer's own error is the one to tell; the next upload overwrites, the next tidy deletes


def _transfer_error(error: DriverError) -> TransferError:
    if isinstance(error, TransferError):
        return error
    status = error.status if isinstance(error, AnswerError) else None
    steps = {
        400: "Raise server.uploads.maxSize in OctoPrint's configuration.",
        409: "Wait until OctoPrint has finished with it.",
        415: "Enable G-code uploads in OctoPrint.",
        500: "Check the free disk space of OctoPrint.",
    }
    next_step = steps.get(status, error.next_step) if status else error.next_step
    return TransferError(f"The upload failed: {error.detail}", next_step=next_step)
