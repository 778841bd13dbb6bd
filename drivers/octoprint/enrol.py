"""How a farm gets its key to an OctoPrint: OctoPrint's own application key workflow, with one click of its owner.

`GET /plugin/appkeys/probe` 204, `POST .../request` 201 with a token, then `GET .../request/<token>` every second: 202 while nobody
has answered, 200 with the key (once), 404 when it was refused, or not asked for in 5 s, or is over ten minutes old. Every request
counts against three a minute (429). All measured with 1.11.8, also that the key is the clicking user's when the request names no
user, and that a request which names one is shown to that user only.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from drivers.errors import AddressError, AuthenticationError, Bilingual, DriverError, NotAPrinterError, UnreachableError
from drivers.octoprint.address import KEY, OctoPrintAddress, parse_address, with_key_file
from drivers.octoprint.client import AnswerError, Client, refusal
from drivers.octoprint.permissions import PERMISSIONS, missing, too_many
from drivers.octoprint.reading import table_of, text_of
from drivers.octoprint.transport import Answer
from drivers.system_words import system_words

APP: Final = "Essaim"  # what OctoPrint shows its owner, and lists under Application Keys
POLL_S: Final = 1.0
_NOT_IT: Final = Bilingual("What answers there is not OctoPrint.", "Ce qui répond n'est pas OctoPrint.")
EXPIRED_AFTER_S: Final = 5.0  # OctoPrint drops a request that nobody asked for so long
_USER: Final = re.compile(r"^[^\x00-\x1f/\\]{1,64}$")

Tell = Callable[[Bilingual], None]


class EnrolmentError(DriverError):
    """OctoPrint gave us no key; nothing was changed."""

    code = "octoprint-enrolment"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A key was given, and is in `key_file`; `url` is the printer's URL for node.toml. The key itself is shown nowhere.

    `missing`: permissions without which the printer cannot be driven. `too_many`: those that a printing key had better not have.
    """

    url: str
    key_file: Path
    user: str
    version: str
    missing: tuple[str, ...] = ()
    too_many: tuple[str, ...] = ()

    @property
    def remarks(self) -> list[Bilingual]:
        """What a person should mend, if anything."""
        remarks = []
        if self.missing:
            names = ", ".join(self.missing)
            remarks.append(
                Bilingual(
                    f"The user {self.user} still needs: {names} (OctoPrint: Settings > Access Control).",
                    f"Il manque à l'utilisateur {self.user} : {names} (OctoPrint : Settings > Access Control).",
                )
            )
        if self.too_many:
            names = ", ".join(self.too_many)
            remarks.append(
                Bilingual(
                    f"The user {self.user} may do more than printing needs ({names}): make a user of its own for the farm.",
                    f"L'utilisateur {self.user} a plus de droits qu'il n'en faut ({names}) : créez un utilisateur pour la ferme.",
                )
            )
        return remarks


def enrol(
    url: str, key_file: Path, *, user: str | None = None, wait_s: float = 300.0, tell: Tell = lambda _text: None
) -> Enrolment:
    """Ask OctoPrint for a key and wait until somebody there has allowed it. Blocks for up to `wait_s`.

    `url` is the printer's URL, with or without `key_file=`. `user`: only this OctoPrint user may allow it, and the key is then his;
    without it the key belongs to whoever clicks. `tell` hears what to do now; it is called from this thread and may raise
    (KeyboardInterrupt too) to give up. A key file that is there already is replaced only by a new key.

    Raises:
        EnrolmentError: refused, not answered in time, too many requests, or OctoPrint has no application keys.
        AddressError: the URL cannot be used, or the key file cannot be written.
        UnreachableError, NotAPrinterError: see `drivers.errors`.

    """
    client, path = _client_for(url, key_file)
    try:
        client.read_key_offer()
        token = _request(client, user)
        tell(_what_to_do(client.address, user))
        return _finished(client, url, path, _wait(client, token, wait_s))
    finally:
        client.close()


def check_offer(url: str) -> None:
    """Find out, without a key, whether an OctoPrint is there that gives keys to applications. Nothing is asked of its owner.

    Raises:
        EnrolmentError: OctoPrint is there, but has no application keys, or is not set up yet.
        AddressError, UnreachableError, NotAPrinterError: see `drivers.errors`.

    """
    client = _Enroller(_address(with_key_file(url, Path("key"))))  # no file is opened
    try:
        client.read_key_offer()
    finally:
        client.close()


def enrol_with_key(url: str, key_file: Path, key: str, *, user: str | None = None) -> Enrolment:
    """Have OctoPrint make a new key with one that is known already: the user's own, or (for `user`) an administrator's.

    Raises:
        AuthenticationError: OctoPrint refuses that key, or it may not make keys for `user`.
        EnrolmentError, AddressError, UnreachableError, NotAPrinterError: as for `enrol`.

    """
    if not KEY.match(key):
        raise AddressError(
            Bilingual("This is no OctoPrint key.", "Ce n'est pas une clé OctoPrint."),
            next_step=Bilingual("Copy it from OctoPrint (User Settings).", "Copiez-la depuis OctoPrint (User Settings)."),
        )
    client, path = _client_for(url, key_file)
    try:
        client.use_key(key)
        command = {"command": "generate", "app": APP} | ({"user": user} if user and _checked(user) else {})
        return _finished(client, url, path, client.generate(command))
    finally:
        client.close()


class _Enroller(Client):
    """What else is asked of OctoPrint before there is a key. A wrong path is no secret: its answers are read without one."""

    def _knock(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Answer:
        headers = self._headers() | ({"Content-Type": "application/json"} if content else {})
        body = json.dumps(content).encode() if content else None
        return self.transport.request(method, f"{self.address.prefix}/plugin/appkeys/{path}", headers=headers, body=body)

    def read_key_offer(self) -> None:
        """Raise unless OctoPrint is there and gives keys to applications."""
        status = self._knock("GET", "probe").status
        if status == 204:
            return
        error = refusal(status, b"")
        if isinstance(error, AuthenticationError):  # its source: 403 until the setup wizard is through
            raise _failed("OctoPrint is not set up yet.", "OctoPrint n'est pas encore configuré.", _WIZARD_STEP)
        if not isinstance(error, AnswerError):
            raise error
        if status != 404 or not self._is_octoprint():
            raise NotAPrinterError(
                Bilingual("What answers there is not OctoPrint.", "Ce qui répond n'est pas OctoPrint."), next_step=_URL_STEP
            )
        raise _failed("OctoPrint gives no application keys.", "OctoPrint ne donne pas de clés d'application.", _PLUGIN_STEP)

    def _is_octoprint(self) -> bool:
        """A page of OctoPrint that needs no key, but says with 403 that it would need one."""
        return self.transport.request("GET", f"{self.address.prefix}/api/version", headers=self._headers()).status in {200, 403}

    def request_key(self, user: str | None) -> str:
        """Place a request; return its token, which is as secret as the key that it will give."""
        answer = self._knock("POST", "request", {"app": APP} | ({"user": user} if user else {}))
        if answer.status == 429:
            raise _failed("OctoPrint was asked for a key too often.", "Trop de demandes de clé à OctoPrint.", _LATER_STEP)
        if answer.status != 201:
            raise refusal(answer.status, answer.body)
        token = text_of(_table(answer.body).get("app_token")) or ""
        if not KEY.match(token):
            raise _failed("OctoPrint's answer makes no sense.", "La réponse d'OctoPrint n'a pas de sens.", _URL_STEP)
        return token

    def read_decision(self, token: str) -> tuple[int, str]:
        """(status, key): 200 with the key, 202 while nobody has answered, 404 for refused or expired."""
        answer = self._knock("GET", f"request/{token}")
        return answer.status, text_of(_table(answer.body).get("api_key")) or ""

    def generate(self, command: dict[str, str]) -> str:
        """A key made at once, with the key in use."""
        return text_of(self._ask("POST", "/api/plugin/appkeys", json=command).get("api_key")) or ""


def _client_for(url: str, key_file: Path) -> tuple[_Enroller, Path]:
    address = _address(with_key_file(url, key_file))
    _check_writable(address.key_file)
    return _Enroller(address), address.key_file


def _address(url: str) -> OctoPrintAddress:
    try:
        return parse_address(urlsplit(url))
    except ValueError as error:
        raise AddressError(Bilingual("This is no URL.", "Ce n'est pas une URL."), next_step=_URL_STEP) from error


def _request(client: _Enroller, user: str | None) -> str:
    return client.request_key(_checked(user))


def _checked(user: str | None) -> str | None:
    if user is not None and not _USER.match(user):
        step = Bilingual("Give the name as OctoPrint shows it.", "Donnez le nom tel qu'OctoPrint le montre.")
        raise _failed("This is no OctoPrint user's name.", "Ce n'est pas un nom d'utilisateur d'OctoPrint.", step)
    return user


def _wait(client: _Enroller, token: str, wait_s: float) -> str:
    began_s = asked_s = time.monotonic()
    while True:
        status, key = _decision(client, token, time.monotonic() - asked_s)
        now_s = time.monotonic()
        if status == 200:
            return key
        if status == 404:
            if now_s - asked_s > EXPIRED_AFTER_S:
                raise _failed("The request ran out on the way.", "La demande a expiré en route.", _AGAIN_STEP)
            raise _failed("The request was refused, or ran out.", "La demande a été refusée ou a expiré.", _AGAIN_STEP)
        if now_s - began_s > wait_s:
            raise _failed("Nobody answered the request in time.", "Personne n'a répondu à la demande à temps.", _AGAIN_STEP)
        asked_s = now_s if status == 202 else asked_s
        time.sleep(POLL_S)


def _decision(client: _Enroller, token: str, silent_s: float) -> tuple[int, str]:
    try:
        status, key = client.read_decision(token)
    except UnreachableError:
        if silent_s > EXPIRED_AFTER_S:  # the request is dropped by now
            raise
        return 0, ""
    if status not in {200, 202, 404}:
        raise refusal(status, b"")
    return status, key


def _finished(client: _Enroller, url: str, path: Path, key: str) -> Enrolment:
    if not KEY.match(key):
        raise _failed("OctoPrint's answer holds no key.", "La réponse d'OctoPrint ne contient pas de clé.", _AGAIN_STEP)
    _write(path, key)
    client.use_key(key)
    version = client.read_version()
    client.read_permissions()
    return Enrolment(
        with_key_file(url, path),
        path,
        client.user,
        version,
        tuple(missing(PERMISSIONS, client.permissions)),
        tuple(too_many(client.permissions)),
    )


def _check_writable(path: Path) -> None:
    """Before somebody is made to walk to a browser: the key is given only once."""
    if not os.access(path.parent, os.W_OK | os.X_OK) or path.is_dir():
        raise AddressError(
            Bilingual(f"The key file {path} cannot be written.", f"Le fichier de clé {path} ne peut pas être écrit."),
            next_step=Bilingual("Make its folder, or choose another place.", "Créez son dossier, ou choisissez un autre endroit."),
        )


def _write(path: Path, key: str) -> None:
    """Whole or not at all, readable by its owner only from its first byte on."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, f"{key}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        why = system_words(error)
        detail = Bilingual(f"The key file {path} cannot be written: {why.en}.", f"Impossible d'écrire la clé {path} : {why.fr}.")
        raise AddressError(detail, next_step=Bilingual("Choose another place.", "Choisissez un autre endroit.")) from error


def _table(body: bytes) -> Mapping[str, Any]:
    try:
        return table_of(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _what_to_do(address: OctoPrintAddress, user: str | None) -> Bilingual:
    by_en, by_fr = (f" as the user {user}", f" avec l'utilisateur {user}") if user else ("", "")
    return Bilingual(
        f'Open {address.base_url} in a browser, log in{by_en}, and allow the access that "{APP}" asks for.',
        f"Ouvrez {address.base_url} dans un navigateur, connectez-vous{by_fr}, et autorisez l'accès que demande « {APP} ».",
    )


def _failed(en: str, fr: str, step: Bilingual) -> EnrolmentError:
    return EnrolmentError(Bilingual(en, fr), next_step=step)


_URL_STEP: Final = Bilingual("Check the printer's URL.", "Vérifiez l'URL de l'imprimante.")
_AGAIN_STEP: Final = Bilingual("Ask again, and click Allow in OctoPrint.", "Redemandez, puis cliquez sur « Allow » dans OctoPrint.")
_LATER_STEP: Final = Bilingual("Wait ten minutes.", "Patientez dix minutes.")
_WIZARD_STEP: Final = Bilingual("Go through its setup wizard first.", "Terminez d'abord son assistant de configuration.")
_PLUGIN_STEP: Final = Bilingual(
    "Enable its Application Keys plugin, or make a key by hand and write it into the key file.",
    "Activez son extension Application Keys, ou créez une clé à la main et mettez-la dans le fichier de clé.",
)
