"""A node joins a farm: the code that a maker was given becomes an identity of its own in the node's data folder.

Trust comes with the code. Beyond loopback the farm has an authority of its own, and the code carries its pin (`BCDF-GHJK.<pin>`):
the authority's certificate is fetched unverified, compared with the pin, and everything after that is verified against it. A code
without a pin is only shown to a farm whose certificate the system trusts. Blocking: call it from a command line or a thread.
"""

import http.client
import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farm.addresses import is_loopback
from farm.bus.messages import Id
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError, UnreachableError
from farm.keys import JoinCode, certificate_pin, read_code, write_private

if TYPE_CHECKING:
    from farm.views import EnrolmentGrant

IDENTITY: Final = "identity.json"
AUTHORITY: Final = "ca.pem"
_TIMEOUT_S: Final = 15.0
_MAX_ANSWER_BYTES: Final = 65_536
_API: Final = "/api/v1/enrolments"


class Identity(BaseModel):
    """Who a node is and how it reaches its farm: `identity.json`, readable by the node's user only."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    node: Id
    name: str
    farm_url: str
    mqtt_urls: Annotated[list[str], Field(min_length=1, max_length=8)]
    password: str = Field(repr=False)
    ca_file: Path | None = None  # beside identity.json; None: the system's authorities, or no TLS


@dataclass(frozen=True, slots=True)
class _Farm:
    """Where the daemon answers."""

    host: str
    port: int
    path: str
    tls: bool

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.path}"


def join(url: str, code: str, data_folder: Path, name: str, *, again: bool = False) -> Identity:
    """Show `code` to the farm at `url` and keep the identity it gives in `data_folder`.

    Nothing is asked of the farm before the folder is known to be writable: a code works once.

    Raises:
        ConflictError: the folder has an identity already, and `again` is not set.
        InvalidError: the code or the URL cannot be one, or http:// beyond this machine.
        NotFoundError: the code is wrong, used or expired.
        UnreachableError: no answer, or the certificate is not accepted (wrong farm, wrong clock).
        ConfigurationError: the folder cannot be written, or what answers is not an Essaim daemon.

    """
    wanted = read_code(code)
    farm = _read_url(url)
    identity_file = data_folder / IDENTITY
    if identity_file.exists() and not again:
        raise ConflictError(
            f"{data_folder} belongs to a node that has joined a farm.",
            next_step="Give another folder with --data, or --again to replace that node's identity (it cannot be brought back).",
            code="already-joined",
        )
    _try_folder(data_folder)
    context, authority = _trust(farm, wanted)
    grant = _claim(farm, context, wanted, name)
    authority = authority or grant.ca_pem
    identity = Identity(
        node=grant.node,
        name=name,
        farm_url=grant.farm_url,
        mqtt_urls=grant.mqtt_urls,
        password=grant.password,
        ca_file=data_folder / AUTHORITY if authority else None,
    )
    _keep(identity, authority, data_folder)
    return identity


def load_identity(data_folder: Path) -> Identity:
    """Read what `join` wrote.

    Raises:
        ConfigurationError: this node has not joined, or the file is damaged.

    """
    path = data_folder / IDENTITY
    try:
        identity = Identity.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"This node has not joined a farm: there is no {path}.",
            next_step="Ask the farm for an invitation (farm invite), then: farm node join URL CODE --data FOLDER.",
            code="not-joined",
        ) from error
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} cannot be used: {error.strerror if isinstance(error, OSError) else 'it is damaged'}.",
            next_step="Restore it from a backup, or join again with a new code and --again.",
        ) from error
    return identity.model_copy(update={"ca_file": data_folder / AUTHORITY if identity.ca_file else None})


def _read_url(url: str) -> _Farm:
    try:
        parts = urlsplit(url)
        farm = _Farm(
            parts.hostname or "",
            parts.port or {"http": 80, "https": 443}[parts.scheme],
            parts.path.rstrip("/"),
            parts.scheme == "https",
        )
    except (KeyError, ValueError) as error:
        raise InvalidError(
            f"{url!r} is not the address of a farm.", next_step="Copy it from the invitation: https://HOST:PORT."
        ) from error
    if not farm.host or parts.username is not None:
        raise InvalidError(f"{url!r} is not the address of a farm.", next_step="Copy it from the invitation: https://HOST:PORT.")
    if not farm.tls and not is_loopback(farm.host):
        raise InvalidError(
            f"{url!r} is not encrypted, so the node's password could be read on the way.",
            next_step="Use the https:// address of the invitation; http:// is for a farm on this machine only.",
            code="not-encrypted",
        )
    return farm


def _try_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / ".try", "")
        (folder / ".try").unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written: {os.strerror(error.errno or 0)}.",
            next_step="Give another one with --data, or the right to write there. The code was not used.",
        ) from error


def _trust(farm: _Farm, code: JoinCode) -> tuple[ssl.SSLContext | None, str | None]:
    """The context for verified requests, and the farm's own authority when the code pins one."""
    if not farm.tls:
        return None, None
    if code.pin is None:
        return ssl.create_default_context(), None
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE  # what comes is compared with the pin before anything is said
    status, body = _ask(farm, blind, "GET", f"{_API}/ca")
    pem = body.decode("ascii", "replace").strip() + "\n"
    try:
        pin = certificate_pin(pem) if status == http.HTTPStatus.OK else ""
    except ValueError:
        pin = ""
    if not pin:
        raise _not_a_farm(farm)
    if pin != code.pin:
        raise UnreachableError(
            f"{farm} is not the farm that made this code: its authority is another.",
            next_step="Check the address and copy the whole code again. If both are right, somebody stands in between.",
            code="wrong-pin",
        )
    return ssl.create_default_context(cadata=pem), pem


def _claim(farm: _Farm, context: ssl.SSLContext | None, code: JoinCode, name: str) -> "EnrolmentGrant":
    from farm.views import EnrolmentClaim, EnrolmentGrant  # noqa: PLC0415 - 1 MB that an agent which has joined needs no more

    try:
        claim = EnrolmentClaim(code=code.code, name=name)
    except ValidationError as error:
        raise InvalidError("A node's name has 1 to 80 characters.", next_step="Give another one with --name.") from error
    status, body = _ask(farm, context, "POST", f"{_API}/claim", claim.model_dump_json().encode())
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise _refusal(farm, status, body)
    try:
        return EnrolmentGrant.model_validate_json(body)
    except ValidationError as error:
        raise _not_a_farm(farm) from error


def _refusal(farm: _Farm, status: int, body: bytes) -> FarmError:
    """The daemon's problem details (RFC 9457) as an error of ours."""
    try:
        problem = json.loads(body)
        code, detail = str(problem.get("code", "")), str(problem.get("detail", ""))[:500]
    except (ValueError, AttributeError):
        return _not_a_farm(farm)
    if not code or not detail:
        return _not_a_farm(farm)
    if status == http.HTTPStatus.NOT_FOUND:
        return NotFoundError(
            "The farm does not know this code: it is mistyped, was used already, or is too old.",
            next_step="Ask the farm for a new invitation.",
            code="unknown-code",
        )
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return UnreachableError(
            "The farm has had too many attempts.", next_step="Wait a few minutes, then try again.", code="too-many"
        )
    return FarmError(
        f"The farm refuses: {detail}", next_step=str(problem.get("next_step", "Ask the farm's operator."))[:500], code=code
    )


def _not_a_farm(farm: _Farm) -> ConfigurationError:
    return ConfigurationError(
        f"What answers at {farm} is not an Essaim daemon.", next_step="Check host and port with the invitation.", code="not-a-farm"
    )


def _ask(farm: _Farm, context: ssl.SSLContext | None, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection: http.client.HTTPConnection
    if farm.tls:
        connection = http.client.HTTPSConnection(farm.host, farm.port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(farm.host, farm.port, timeout=_TIMEOUT_S)
    headers = {"Accept": "application/json, application/x-pem-file", "Content-Type": "application/json"}
    try:
        connection.request(method, farm.path + path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(farm, error) from error
    except ssl.SSLError as error:
        raise _not_a_farm(farm) from error
    except http.client.HTTPException as error:
        raise _not_a_farm(farm) from error
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"No farm answers at {farm}: {getattr(error, 'strerror', None) or error}.",
            next_step="Check that the farm runs, the address, and the network.",
        ) from error
    finally:
        connection.close()


def _untrusted(farm: _Farm, error: ssl.SSLCertVerificationError) -> UnreachableError:
    steps = {
        9: "The clock of this machine is behind: set it, then try again.",  # X509_V_ERR_CERT_NOT_YET_VALID
        10: "Check the clock of this machine; if it is right, restart the farm's daemon, which renews its certificate.",
        62: "Use the name of the invitation, or have this one added to names in [http] of the farm's farm.toml.",
        64: "Use the address of the invitation, or have this one added to names in [http] of the farm's farm.toml.",
    }
    return UnreachableError(
        f"The certificate of {farm} is not accepted: {error.verify_message}.",
        next_step=steps.get(error.verify_code, "Copy the whole code, with what follows its dot: it says which farm to trust."),
        code="clock-wrong" if error.verify_code == 9 else "certificate",
    )


def _keep(identity: Identity, authority: str | None, folder: Path) -> None:
    try:
        if authority:
            write_private(folder / AUTHORITY, authority)
        write_private(folder / IDENTITY, identity.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(
            f"The identity cannot be written to {folder}: {os.strerror(error.errno or 0)}.",
            next_step="Free some space there, then join again with a new code: this one is used.",
        ) from error
