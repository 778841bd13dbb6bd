"""OctoPrint's REST interface: octorest in a subclass. Every call blocks; the driver runs it in a thread.

octorest 0.4 as it comes has no time limits, reads answers of any length, follows redirections, takes proxies from the environment,
drops the URL's path and the fields of an upload, and raises RuntimeError for everything. Here each request goes through
`transport.py` and each failure is a `DriverError`; its commands (`select`, `pause`, `job_info`...) are used as they are.
"""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from octorest import OctoRest

from drivers.base import Temperature
from drivers.errors import AuthenticationError, Bilingual, DriverError, NotAPrinterError, TransferError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.form import UploadForm
from drivers.octoprint.permissions import PERMISSIONS, lacking
from drivers.octoprint.reading import (
    FOLDER,
    PrintRecord,
    Question,
    Reading,
    job_path,
    log_lines_of,
    number_of,
    question_of,
    reading_of_job,
    record_of,
    table_of,
    temperatures_of,
    text_of,
)
from drivers.octoprint.transport import TIMEOUT_S, URL_STEP, Transport
from drivers.system_words import system_words

__all__ = ["PERMISSIONS", "AnswerError", "Client", "Login", "refusal"]

UPLOAD_TIMEOUT_S: Final = (10.0, 120.0)  # a Raspberry Pi copies and hashes 64 MB on its SD card before it answers
POWER_TIMEOUT_S: Final = (3.05, 60.0)  # PSU Control answers after its own post-on delay
_UNPRINTED_S: Final = 20.0
_HASH_ASKED: Final = 4
_HASH_WAIT_S: Final = 0.5
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "essaim"}

_KEY_STEP: Final = Bilingual(
    "Make a new application key in OctoPrint (Settings > Application Keys) and write it into the key file.",
    "Créez une nouvelle clé d'application dans OctoPrint (Settings > Application Keys) et mettez-la dans le fichier de clé.",
)
_LOG_STEP: Final = Bilingual("Look at OctoPrint's own page and log.", "Regardez la page et le journal d'OctoPrint.")
_NOT_IT: Final = Bilingual("What answers there is not OctoPrint.", "Ce qui répond n'est pas OctoPrint.")
_FILE_STEP: Final = Bilingual("Fetch or check the file, then start again.", "Récupérez ou vérifiez le fichier, puis recommencez.")
_SLICE_STEP: Final = Bilingual("Slice it again, coarser if it is large.", "Tranchez-le de nouveau, plus grossièrement si besoin.")
_STATUS_STEPS: Final = {
    400: Bilingual("Raise server.uploads.maxSize in OctoPrint's configuration.", "Augmentez son server.uploads.maxSize."),
    409: Bilingual("Wait until OctoPrint has finished with it.", "Attendez qu'OctoPrint en ait fini."),
    415: Bilingual("Enable G-code uploads in OctoPrint.", "Autorisez l'envoi de G-code dans OctoPrint."),
    500: Bilingual("Check the free disk space of OctoPrint.", "Vérifiez la place libre sur le disque d'OctoPrint."),
}


class AnswerError(DriverError):
    """OctoPrint refused a request with `status`, for a reason that only the caller can judge."""

    code = "octoprint-answer"

    def __init__(self, status: int, said: str) -> None:
        super().__init__(
            Bilingual(f"OctoPrint answered {status}: {said}", f"OctoPrint a répondu {status} : {said}"), next_step=_LOG_STEP
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are for OctoPrint, and a session for one socket. Never log `session`."""

    name: str
    session: str


def _said(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    return text_of(table_of(content).get("error")) or "no reason given"


def refusal(status: int, body: bytes) -> DriverError:
    """What an answer that is no success means."""
    if 300 <= status < 400:
        detail = Bilingual(
            "The server there sends us elsewhere; redirections are not followed.",
            "Le serveur nous renvoie ailleurs ; les redirections ne sont pas suivies.",
        )
        return NotAPrinterError(detail, next_step=URL_STEP)
    if status in {401, 403}:
        detail = Bilingual(
            "OctoPrint refuses our key, or the key's user may not do this.",
            "OctoPrint refuse notre clé, ou l'utilisateur de la clé n'a pas ce droit.",
        )
        return AuthenticationError(detail, next_step=_KEY_STEP)
    if status == 400 and b"CSRF" in body:  # its answer to a POST with a wrong key
        return AuthenticationError(Bilingual("OctoPrint refuses our key.", "OctoPrint refuse notre clé."), next_step=_KEY_STEP)
    if status in {502, 503, 504}:
        detail = Bilingual(
            "The proxy before OctoPrint answers, OctoPrint does not.", "Le proxy devant OctoPrint répond, OctoPrint ne répond pas."
        )
        return UnreachableError(detail, next_step=Bilingual("Wait, or restart OctoPrint.", "Patientez, ou redémarrez OctoPrint."))
    return AnswerError(status, _said(body))


class Client(OctoRest):  # type: ignore[misc]  # octorest has no types
    """One OctoPrint. Methods block and raise `DriverError` only; two threads may use one client at the same time."""

    def __init__(self, address: OctoPrintAddress) -> None:
        # octorest's own __init__ drops the path of the URL and asks the network when it is given a key
        self.address = address
        self.url = address.base_url
        self.transport = Transport(address.scheme, address.authority, ca_file=address.ca_file)
        self.permissions: frozenset[str] = frozenset()  # of the key's user, as of the last probe
        self.user = ""  # that user's name
        self._key: str | None = None
        self._stop = threading.Event()

    def close(self) -> None:
        """Give up a running upload and the idle connections."""
        self._stop.set()
        self.transport.close()

    # --- how a request is made; octorest's methods come through here ---------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
    ) -> bytes:
        full = {**self._headers(), **(headers or {})}
        content: Iterable[bytes] | bytes | None = body
        if json is not None:
            content, full["Content-Type"] = _json(json), "application/json"
        answer = self.transport.request(method, self.address.prefix + path, headers=full, body=content, timeout_s=timeout_s)
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.body)
        return answer.body

    def _headers(self) -> dict[str, str]:
        return {**_HEADERS, "X-Api-Key": self._key} if self._key else _HEADERS

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        body = self._send(method, path, **content)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotAPrinterError(_NOT_IT, next_step=URL_STEP) from error
        if not isinstance(answer, dict):
            raise NotAPrinterError(_NOT_IT, next_step=URL_STEP)
        return answer

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", f"{path}?{urlencode(params)}" if params else path)

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
        self.use_key(self.address.read_key())
        server = self.read_version()
        self.read_permissions()
        lacking(PERMISSIONS, self.permissions)
        return server

    def use_key(self, key: str | None) -> None:
        """Send this key with every request from now on; None: none."""
        self._key = key

    def read_version(self) -> str:
        """OctoPrint's version, when OctoPrint it is."""
        try:
            version = self.get_version()
        except AnswerError as error:
            raise NotAPrinterError(_NOT_IT, next_step=URL_STEP) from error
        server, text = text_of(version.get("server")), text_of(version.get("text")) or "OctoPrint"
        if server is None or not text.startswith("OctoPrint"):
            raise NotAPrinterError(_NOT_IT, next_step=URL_STEP)
        return server

    def read_permissions(self) -> None:
        """Learn `user` and `permissions`."""
        answer = self._get("/api/currentuser")
        allowed = answer.get("permissions")
        self.user = text_of(answer.get("name")) or ""
        self.permissions = (
            frozenset(name for name in allowed if isinstance(name, str)) if isinstance(allowed, list) else frozenset()
        )

    def passive_login(self) -> Login:
        """Open a session for one socket. It goes stale when it is not used, so each socket gets a fresh one."""
        answer = self._ask("POST", "/api/login", json={"passive": True})
        name, session = text_of(answer.get("name")), text_of(answer.get("session"))
        if name is None or session is None:
            detail = Bilingual("OctoPrint does not know whose key this is.", "OctoPrint ne sait pas à qui est cette clé.")
            raise AuthenticationError(detail, next_step=_KEY_STEP)
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

    def read_error(self) -> tuple[str, str, list[str]]:
        """(reason, text, last lines) of the error that ended the last connection to the printer; empty when there was none.

        The lines only with MONITOR_TERMINAL.
        """
        answer = self._get("/api/printer/error")
        return text_of(answer.get("reason")) or "", text_of(answer.get("error")) or "", log_lines_of(answer.get("logs"))

    def send_gcode(self, *lines: str) -> None:
        """Give the printer G-code lines outside of a print."""
        self._post("/api/printer/command", json={"commands": list(lines)}, ret=False)

    # --- plugins --------------------------------------------------------------------------------------------------------------

    def read_question(self) -> Question | None:
        """What the printer asks just now (OctoPrint's bundled Action Command Prompt plugin); None: nothing, or no such plugin."""
        try:
            body = self._send("GET", "/api/plugin/action_command_prompt")
        except (AnswerError, AuthenticationError):
            return None
        try:
            return question_of(json.loads(body))  # null when it asks nothing
        except (ValueError, RecursionError):
            return None

    def choose(self, choice: int) -> None:
        """Answer the printer's question. No-op when it asks nothing any more."""
        try:
            self._post("/api/plugin/action_command_prompt", json={"command": "select", "choice": choice}, ret=False)
        except AnswerError as error:
            if error.status != 409:
                raise

    def read_camera(self, most_bytes: int) -> bytes:
        """What the camera that OctoPrint knows shows now, as OctoPrint hands it on."""
        target = f"{self.address.prefix}/downloads/camera/current"
        answer = self.transport.request("GET", target, headers=self._headers(), most_bytes=most_bytes)
        if answer.status != 200:
            raise refusal(answer.status, answer.body)
        return answer.body

    def read_power(self) -> bool | None:
        """Whether the printer's mains are on, as PSU Control knows it; None: no such plugin, or it makes no sense.

        A plugin that fails must not cost us the printer.
        """
        try:
            state = self._get("/api/plugin/psucontrol").get("isPSUOn")
        except (AnswerError, AuthenticationError, NotAPrinterError):
            return None
        return state if isinstance(state, bool) else None

    def switch_power(self, on: bool) -> None:
        """Switch the mains by PSU Control."""
        command = {"command": "turnPSUOn" if on else "turnPSUOff"}
        self._post("/api/plugin/psucontrol", json=command, ret=False, timeout_s=POWER_TIMEOUT_S)

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
        """Delete all but the `keep` newest files of ours, so that OctoPrint's disk does not fill.

        A file that was never printed stays for a while: another agent may just have uploaded it. Only OctoPrint's own times count.
        """
        children = (self.read_file(FOLDER) or {}).get("children")
        entries = [table_of(entry) for entry in children] if isinstance(children, list) else []
        entries.sort(key=_date, reverse=True)
        for entry in entries[keep:]:
            path = text_of(entry.get("path"))
            waits = record_of(entry) == PrintRecord() and _date(entries[0]) - _date(entry) < _UNPRINTED_S
            if path and path.startswith(f"{FOLDER}/") and path.endswith(".gcode") and not waits:
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

    def upload_program(self, program: Path, job: str) -> int:
        """Send `program` to `job_path(job)` without printing it, and make sure that what is stored is what was sent.

        Returns how many lines it has that are no comments, roughly.

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
                return form.commands
        except OSError as error:
            why = system_words(error)
            detail = Bilingual(f"The G-code file cannot be read: {why.en}.", f"Le fichier G-code est illisible : {why.fr}.")
            raise TransferError(detail, next_step=_FILE_STEP) from error

    def _check_room(self, size_bytes: int) -> None:
        if size_bytes == 0:  # OctoPrint would report an empty file as printed
            raise TransferError(Bilingual("The G-code file is empty.", "Le fichier G-code est vide."), next_step=_SLICE_STEP)
        if size_bytes > MAX_FILE_BYTES:
            detail = Bilingual("The G-code file is over 64 MB.", "Le fichier G-code dépasse 64 Mo.")
            raise TransferError(detail, next_step=_SLICE_STEP)
        free = self.free_bytes()
        if free is not None and free < 2 * size_bytes:  # OctoPrint receives into a temporary file, then copies
            left = free // 1_000_000
            detail = Bilingual(f"OctoPrint has only {left} MB of disk left.", f"Il ne reste que {left} Mo à OctoPrint.")
            step = Bilingual("Delete files and timelapses in OctoPrint.", "Supprimez des fichiers et timelapses dans OctoPrint.")
            raise TransferError(detail, next_step=step)

    def _deliver(self, form: UploadForm, job: str, size_bytes: int) -> None:
        path = job_path(job)
        try:
            headers = {"Content-Type": form.content_type, "Content-Length": str(len(form))}
            answer = self._ask("POST", "/api/files/local", body=form, headers=headers, timeout_s=UPLOAD_TIMEOUT_S)
            self._check_stored(text_of(table_of(table_of(answer.get("files")).get("local")).get("path")), path)
            file = self._stored(path)
            if file.get("size") != size_bytes or file.get("hash") != form.sha1:
                detail = Bilingual(
                    "OctoPrint stored another content than was sent.", "OctoPrint a enregistré autre chose que ce qui a été envoyé."
                )
                raise TransferError(detail, next_step=Bilingual("Check its disk.", "Vérifiez son disque."))
        except AuthenticationError:
            raise
        except DriverError as error:
            is_there = self._clean_up(path)
            raise _transfer_error(error, hung_up=is_there and isinstance(error, UnreachableError)) from error

    def _stored(self, path: str) -> dict[str, Any]:
        """What OctoPrint says of the file just uploaded. With several uploads at once its hash can come a moment later."""
        for _ in range(_HASH_ASKED):
            file = self.read_file(path) or {}
            if file.get("hash"):
                return file
            self._stop.wait(_HASH_WAIT_S)
        return file

    @staticmethod
    def _check_stored(stored: str | None, path: str) -> None:
        if stored != path:
            detail = Bilingual(
                f"OctoPrint stored the file elsewhere: {stored!r}.", f"OctoPrint a mis le fichier ailleurs : {stored!r}."
            )
            step = Bilingual("Check OctoPrint's upload plugins.", "Vérifiez les extensions d'envoi d'OctoPrint.")
            raise TransferError(detail, next_step=step)

    def _clean_up(self, path: str) -> bool:
        """Delete what arrived; tell whether OctoPrint answers at all."""
        try:
            self.remove_file(path)
        except DriverError:
            return False  # the transfer's own error is the one to tell; the next upload overwrites, the next tidy deletes
        return True


def _date(entry: Mapping[str, Any]) -> float:
    return number_of(entry.get("date")) or 0.0


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _transfer_error(error: DriverError, *, hung_up: bool = False) -> TransferError:
    if isinstance(error, TransferError):
        return error
    if hung_up:  # its answer 400 can be lost when it closes the connection in the middle of our sending (seen with 1.11.8)
        detail = Bilingual("OctoPrint hung up in the middle of the upload.", "OctoPrint a raccroché au milieu de l'envoi.")
        return TransferError(detail, next_step=_STATUS_STEPS[400])
    status = error.status if isinstance(error, AnswerError) else 0
    next_step = _STATUS_STEPS.get(status, Bilingual(error.next_step, error.next_step_fr))
    detail = Bilingual(f"The upload failed: {error.detail}", f"L'envoi a échoué : {error.detail_fr}")
    return TransferError(detail, next_step=next_step)
