"""The HTTP client of the command line: finds the daemon, shows its problems as errors of ours with their next step."""

import errno
import os
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from http import HTTPStatus
from inspect import Parameter, Signature, signature
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Concatenate, Final
from urllib.parse import quote, urlsplit

import requests
import typer

from farm.addresses import is_loopback
from farm.config import AUTHORITY_FILE, OPERATOR_FILE, DaemonSettings, load
from farm.errors import ConfigurationError, FarmError, UnreachableError
from farm.language import system_words
from gcode.texts import Bilingual

TIMEOUT_S: Final = (5.0, 30.0)  # to connect, and between two bytes of an answer
GLANCE_TIMEOUT_S: Final = (1.0, 3.0)  # for what is nice to know: nobody waits for it
UPLOAD_TIMEOUT_S: Final = (5.0, 300.0)  # a Raspberry Pi checks a long program line by line before it answers
_DEFAULT_URL: Final = "http://127.0.0.1:8080"
_PIECE_BYTES: Final = 256 * 1024
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


_COPY_AUTHORITY: Final = Bilingual(
    f"Copy {AUTHORITY_FILE} from the data folder of the daemon, and name it with --ca-file or FARM_CA.",
    f"Copiez {AUTHORITY_FILE} depuis le dossier de données du démon, et nommez-le avec --ca-file ou FARM_CA.",
)
_COPY_TOKEN: Final = Bilingual(
    f"Copy {OPERATOR_FILE} from the data folder of the daemon.", f"Copiez {OPERATOR_FILE} depuis le dossier de données du démon."
)
_NO_TEXT: Final = Bilingual("it is no text", "ce n'est pas du texte")
_NO_CERTIFICATE: Final = Bilingual("there is no certificate in it", "il ne contient pas de certificat")
_OWN_TOKEN: Final = Bilingual(  # the daemon says how a program does it
    "The operator's is in operator.token in the daemon's data folder: give that file with --token-file, or its text in FARM_TOKEN.",
    "Celui de l'opérateur est dans operator.token, dans le dossier de données du démon : donnez ce fichier avec --token-file, "
    "ou son texte dans FARM_TOKEN.",
)
_OWN_VALUE: Final = Bilingual("Correct that, and give the command again.", "Corrigez cela, et relancez la commande.")


class ProblemError(FarmError):
    """The daemon refused: its problem details."""

    code = "refused"

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        detail = _in_both(
            problem, "detail", f"The daemon answered with HTTP status {status}.", f"Le démon a répondu : statut HTTP {status}."
        )
        next_step = _in_both(problem, "next_step", "Look at the log of the daemon.", "Regardez le journal du démon.")
        if status == HTTPStatus.UNAUTHORIZED:
            next_step = _OWN_TOKEN
        elif problem.get("errors"):
            detail, next_step = Bilingual(*(text.removeprefix("#/") for text in detail)), _OWN_VALUE
        super().__init__(
            detail,
            next_step=next_step,
            code=str(problem.get("code") or "refused"),
        )
        self.status = status
        self.problem = dict(problem)


def _in_both(problem: Mapping[str, Any], name: str, otherwise: str, otherwise_fr: str) -> Bilingual:
    """A text of a problem; French as well where the daemon has it."""
    english = problem.get(name)
    if not english:
        return Bilingual(otherwise, otherwise_fr)
    return Bilingual(str(english), str(problem.get(f"{name}_fr") or english))


@dataclass(frozen=True)
class Target:
    """Where the daemon is and who we are to it. `authority` is a file with the farm's own certificate authority."""

    url: str
    token: str | None = None
    authority: Path | None = None


def find_daemon(url: str | None = None, token_file: Path | None = None, authority: Path | None = None) -> Target:
    """Put together where the daemon is, from the options, the environment and the configuration of this machine.

    The token comes from the file of `--token-file`, from FARM_TOKEN, or, for a daemon on this machine, from `operator.token` in its
    data folder when that can be read. It never goes over a network unencrypted.

    Raises:
        ConfigurationError: the URL is none, the named token file cannot be read, or the token would go unencrypted.

    """
    chosen = (url or os.environ.get("FARM_URL") or _configured_url()).rstrip("/")
    scheme, host = _parts(chosen)
    local = is_loopback(host)
    token = _named_token(token_file) or (_own_token() if local else None)
    if token and scheme == "http" and not local:
        raise ConfigurationError(
            Bilingual(
                "The operator token must not go over a network unencrypted.",
                "Le jeton d'opérateur ne doit pas passer en clair sur un réseau.",
            ),
            next_step=Bilingual(
                f"Give --url https://{host} and the daemon's port.", f"Donnez --url https://{host} et le port du démon."
            ),
        )
    return Target(chosen, token, _authority(authority))


def _parts(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc:
            return parts.scheme, parts.hostname
    except ValueError:
        pass  # a bad port or a broken IPv6 address: told below
    if "@" in url:  # not said back: what stands before it may be a password
        raise ConfigurationError(
            Bilingual(
                "The address of the daemon must name a host and port only.",
                "L'adresse du démon ne doit nommer qu'une machine et un port.",
            ),
            next_step=Bilingual(
                "Take out what stands before the @; the token belongs into a file: --token-file, or FARM_TOKEN.",
                "Retirez ce qui précède le @ ; le jeton va dans un fichier : --token-file, ou FARM_TOKEN.",
            ),
        )
    raise ConfigurationError(
        Bilingual(f"{url} is no address of a daemon.", f"{url} n'est pas l'adresse d'un démon."),
        next_step=Bilingual(f"Give --url such as {_DEFAULT_URL}.", f"Donnez --url, par exemple {_DEFAULT_URL}."),
    )


def _settings() -> DaemonSettings:
    path = os.environ.get("FARM_CONFIG")
    return load(DaemonSettings, Path(path) if path else None)


def _configured_url() -> str:
    http = _settings().http
    if http.host in {"127.0.0.1", "::1", "localhost"}:
        return f"http://{f'[{http.host}]' if ':' in http.host else http.host}:{http.port}"
    return f"https://localhost:{http.port}"


def _named_token(token_file: Path | None) -> str | None:
    if token_file is None:
        return os.environ.get("FARM_TOKEN", "").strip() or None
    try:
        return token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = system_words(error) if isinstance(error, OSError) else _NO_TEXT
        raise ConfigurationError(
            Bilingual(
                f"The token file {token_file} cannot be read: {why.en}.",
                f"Impossible de lire le fichier du jeton {token_file} : {why.fr}.",
            ),
            next_step=_COPY_TOKEN,
        ) from error


def _own_token() -> str | None:
    try:
        return (_settings().data / OPERATOR_FILE).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None  # on loopback none is needed; elsewhere the daemon says so


def _authority(named: Path | None) -> Path | None:
    """The file that was named, by FARM_CA too, or that of a daemon on this machine if we may read it."""
    if named is None and (known := os.environ.get("FARM_CA")):
        named = Path(known)
    path = named or _settings().data / AUTHORITY_FILE
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:  # no such file, none for us, or no certificate in it
        if named is None:
            return None
        why = _NO_CERTIFICATE if isinstance(error, ssl.SSLError) else system_words(error)
        raise ConfigurationError(
            Bilingual(f"The file {path} cannot be used: {why.en}.", f"Impossible d'utiliser le fichier {path} : {why.fr}."),
            next_step=_COPY_AUTHORITY,
        ) from error
    return path


class _Form:
    """A multipart form (RFC 7578) that is read piece by piece: requests' own keeps a file of 64 MiB in memory twice."""

    def __init__(self, fields: Mapping[str, str], name: str, file: BinaryIO) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        opening = f"--{boundary}\r\nContent-Disposition: form-data; name="
        head = "".join(f'{opening}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items())
        head += f'{opening}"file"; filename="{quote(name)}"\r\nContent-Type: text/x-gcode\r\n\r\n'
        tail = f"\r\n--{boundary}--\r\n"
        self._pieces: list[BinaryIO] = [BytesIO(head.encode()), file, BytesIO(tail.encode())]
        self._length = len(head.encode()) + os.fstat(file.fileno()).st_size + len(tail.encode())

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` of them; empty at the end."""
        while self._pieces:
            if piece := self._pieces[0].read(size):
                return piece
            self._pieces.pop(0)
        return b""


class FarmClient:
    """A daemon's HTTP API. Use as a context manager.

    Every method raises `UnreachableError` when nothing answers, and `ProblemError` when the daemon refuses.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, and no ~/.netrc that would replace our token
        self._session.verify = str(target.authority) if target.authority else True
        if target.token:
            self._session.headers["Authorization"] = f"Bearer {target.token}"

    def __enter__(self) -> "FarmClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def answers(self, path: str) -> bool:
        """Tell whether a GET of `path`, outside the API, is answered with 200; False when nothing answers."""
        try:
            return self._session.get(self._target.url + path, timeout=TIMEOUT_S, allow_redirects=False).ok
        except requests.RequestException:
            return False

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at `path`."""
        return self._ask("GET", path, params=query)

    def glance(self, path: str) -> Any:
        """The JSON at `path`, if it comes at once (GLANCE_TIMEOUT_S)."""
        return self._ask("GET", path, timeout=GLANCE_TIMEOUT_S)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send JSON to `path` and return the answer's."""
        return self._ask("POST", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change what is at `path`."""
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str, **query: str | int) -> None:
        """Remove what is at `path`."""
        self._ask("DELETE", path, params=query)

    def download(self, path: str, target: Path) -> None:
        """Write the file at `path` to `target`, which must not exist: whole or not at all, readable by its owner alone.

        Raises:
            ConfigurationError: it exists, or cannot be written.

        """
        part = target.with_name(target.name + ".part")
        try:
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                self._receive(path, file)
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"{target} cannot be written: {error.strerror}.", f"Impossible d'écrire {target} : {system_words(error).fr}."
                ),
                next_step=Bilingual("Name another file.", "Nommez un autre fichier."),
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def _receive(self, path: str, file: BinaryIO) -> None:
        url = f"{self._target.url}/api/v1{path}"
        with _reached(self._target), self._session.get(url, allow_redirects=False, timeout=TIMEOUT_S, stream=True) as answer:
            if not answer.ok or answer.is_redirect:
                raise ProblemError(_problem_of(answer), answer.status_code)
            file.writelines(answer.iter_content(_PIECE_BYTES))

    def upload(self, path: str, fields: Mapping[str, str], name: str, file: BinaryIO, *, background: bool = False) -> Any:
        """Send a form with one file, read from the disk as it goes; `background`: the answer may come before the work is done."""
        form = _Form(fields, name, file)
        headers = {"Content-Type": form.content_type, **({"Prefer": "respond-async"} if background else {})}
        return self._ask("POST", path, data=form, headers=headers, timeout=UPLOAD_TIMEOUT_S)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        more.setdefault("timeout", TIMEOUT_S)
        url = f"{self._target.url}/api/v1{path}"
        with _reached(self._target), self._session.request(method, url, allow_redirects=False, **more) as answer:
            if not answer.ok or answer.is_redirect:
                raise ProblemError(_problem_of(answer), answer.status_code)
            try:
                return answer.json() if answer.content else None
            except requests.JSONDecodeError as error:
                raise _not_a_daemon(self._target.url) from error


def _not_a_daemon(url: str) -> UnreachableError:
    return UnreachableError(
        Bilingual(f"What answers at {url} is no daemon of Essaim.", f"Ce qui répond à {url} n'est pas un démon d'Essaim."),
        next_step=Bilingual("Check --url, and the port in farm.toml.", "Vérifiez --url, et le port dans farm.toml."),
    )


def _problem_of(answer: requests.Response) -> Mapping[str, Any]:
    if answer.headers.get("Content-Type", "").partition(";")[0] != "application/problem+json":
        raise _not_a_daemon(answer.url)
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _not_encrypted(url: str, cause: str) -> UnreachableError:
    """Why there is no TLS connection: requests packs the cause of OpenSSL into a text."""
    if "CERTIFICATE_VERIFY_FAILED" not in cause:
        plain_url = url.replace("https:", "http:", 1)
        return UnreachableError(
            Bilingual(f"What answers at {url} does not speak TLS.", f"Ce qui répond à {url} ne parle pas TLS."),
            next_step=Bilingual(f"Try {plain_url}, or check the port.", f"Essayez {plain_url}, ou vérifiez le port."),
        )
    if "Hostname mismatch" in cause or "IP address mismatch" in cause:
        return UnreachableError(
            Bilingual(f"The certificate of {url} is for other names.", f"Le certificat de {url} est pour d'autres noms."),
            next_step=Bilingual(
                "Add this one to [http] names in farm.toml of the daemon.",
                "Ajoutez celui-ci à [http] names dans le farm.toml du démon.",
            ),
        )
    return UnreachableError(
        Bilingual(f"The certificate of {url} is not trusted.", f"Le certificat de {url} n'est pas digne de confiance."),
        next_step=_COPY_AUTHORITY,
    )


@contextmanager
def _reached(target: Target) -> Iterator[None]:
    """Translate what requests raises.

    Raises:
        UnreachableError: nothing answers, not in time, or not with a certificate that we trust.

    """
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise _not_encrypted(target.url, str(error)) from error
    except requests.Timeout as error:
        raise UnreachableError(
            Bilingual(f"The daemon at {target.url} does not answer in time.", f"Le démon à {target.url} ne répond pas à temps."),
            next_step=Bilingual("Look whether it is overloaded: its log, top.", "Regardez s'il est surchargé : son journal, top."),
        ) from error
    except requests.RequestException as error:
        raise UnreachableError(
            Bilingual(f"No daemon answers at {target.url}.", f"Aucun démon ne répond à {target.url}."),
            next_step=Bilingual(
                "Start it with `farm serve`, or give its address with --url or FARM_URL.",
                "Lancez-le avec `farm serve`, ou donnez son adresse avec --url ou FARM_URL.",
            ),
        ) from error


Url = Annotated[str | None, typer.Option("--url", help="Address of the daemon; also FARM_URL.", show_default=_DEFAULT_URL)]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="A file with the operator token; also FARM_TOKEN for the token itself.")
]
AuthorityFile = Annotated[Path | None, typer.Option("--ca-file", help="The farm's certificate authority (ca.pem); also FARM_CA.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def farm_client(url: str | None, token_file: Path | None, ca_file: Path | None) -> FarmClient:
    """A client of the daemon that the options of a command mean; use it as a context manager. ConfigurationError: `find_daemon`."""
    return FarmClient(find_daemon(url, token_file, ca_file))


def on_daemon(command: Callable[Concatenate[FarmClient, ...], None]) -> Callable[..., None]:
    """Turn a function that takes a client first into a command, which has the options that say which daemon is meant instead."""

    def connected(*, url: Url = None, token_file: TokenFile = None, ca_file: AuthorityFile = None, **own: Any) -> None:
        with farm_client(url, token_file, ca_file) as client:
            command(client, **own)

    *which, _rest = signature(connected).parameters.values()
    _client, *own = signature(command).parameters.values()
    parameters = [*(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own), *which]
    update_wrapper(connected, command)
    connected.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # what typer reads
    connected.__annotations__ = {one.name: one.annotation for one in parameters}
    return connected
