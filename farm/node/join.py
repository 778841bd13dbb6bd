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
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farm.addresses import is_loopback
from farm.bus.messages import Id
from farm.bus.transport import certificate_words
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError, UnreachableError
from farm.keys import JoinCode, certificate_pin, read_code, write_private
from farm.language import system_words
from gcode.texts import NOTHING, Bilingual

if TYPE_CHECKING:
    from farm.views import EnrolmentGrant

IDENTITY: Final = "identity.json"
AUTHORITY: Final = "ca.pem"
_TIMEOUT_S: Final = 15.0
_MAX_ANSWER_BYTES: Final = 65_536
_API: Final = "/api/v1/enrolments"
_MAX_TEXT: Final = 500
_DAMAGED: Final = Bilingual("it is damaged", "il est abîmé")
_COPY_ADDRESS: Final = Bilingual(
    "Copy it from the invitation: https://HOST:PORT.", "Copiez-la de l'invitation : https://HÔTE:PORT."
)
_ASK_OPERATOR: Final = Bilingual("Ask the farm's operator.", "Demandez à l'opérateur de la ferme.")
_NOT_YET_VALID: Final = 9  # X509_V_ERR_* of OpenSSL's x509_vfy.h, as the others
_CERTIFICATE_STEPS: Final = {
    _NOT_YET_VALID: Bilingual(
        "The clock of this machine is behind: set it, then try again.",
        "L'horloge de cette machine retarde : mettez-la à l'heure, puis recommencez.",
    ),
    10: Bilingual(
        "Check the clock of this machine; if it is right, restart the farm's daemon, which renews its certificate.",
        "Vérifiez l'horloge de cette machine ; si elle est à l'heure, faites redémarrer le démon de la ferme : "
        "il renouvelle son certificat.",
    ),
    62: Bilingual(
        "Use the name of the invitation, or have this one added to names in [http] of the farm's farm.toml.",
        "Prenez le nom de l'invitation, ou faites ajouter celui-ci à names dans [http] du farm.toml de la ferme.",
    ),
    64: Bilingual(
        "Use the address of the invitation, or have this one added to names in [http] of the farm's farm.toml.",
        "Prenez l'adresse de l'invitation, ou faites ajouter celle-ci à names dans [http] du farm.toml de la ferme.",
    ),
}
_WHOLE_CODE: Final = Bilingual(
    "Copy the whole code, with what follows its dot: it says which farm to trust.",
    "Copiez tout le code, avec ce qui suit son point : c'est ce qui dit à quelle ferme se fier.",
)


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
            Bilingual(
                f"{data_folder} belongs to a node that has joined a farm.",
                f"{data_folder} est à un nœud qui a déjà rejoint une ferme.",
            ),
            next_step=Bilingual(
                "Give another folder with --data, or --again to replace that node's identity (it cannot be brought back).",
                "Donnez un autre dossier avec --data, ou --again pour remplacer l'identité de ce nœud (elle sera perdue).",
            ),
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
            Bilingual(
                f"This node has not joined a farm: there is no {path}.",
                f"Ce nœud n'a rejoint aucune ferme : {path} n'existe pas.",
            ),
            next_step=Bilingual(
                "Ask the farm for an invitation (farm invite), then: farm node join URL CODE --data FOLDER.",
                "Demandez une invitation à la ferme (farm invite), puis : farm node join URL CODE --data DOSSIER.",
            ),
            code="not-joined",
        ) from error
    except (OSError, ValidationError) as error:
        why = system_words(error) if isinstance(error, OSError) else _DAMAGED
        raise ConfigurationError(
            Bilingual(f"{path} cannot be used: {why.en}.", f"{path} est inutilisable : {why.fr}."),
            next_step=Bilingual(
                "Restore it from a backup, or join again with a new code and --again.",
                "Reprenez-le d'une sauvegarde, ou rejoignez de nouveau la ferme avec un nouveau code et --again.",
            ),
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
        raise _no_address(url) from error
    if not farm.host or parts.username is not None:
        raise _no_address(url)
    if not farm.tls and not is_loopback(farm.host):
        raise InvalidError(
            Bilingual(
                f"{url!r} is not encrypted, so the node's password could be read on the way.",
                f"{url!r} n'est pas chiffrée : le mot de passe du nœud pourrait être lu en chemin.",
            ),
            next_step=Bilingual(
                "Use the https:// address of the invitation; http:// is for a farm on this machine only.",
                "Prenez l'adresse en https:// de l'invitation ; http:// ne vaut que pour une ferme sur cette machine.",
            ),
            code="not-encrypted",
        )
    return farm


def _no_address(url: str) -> InvalidError:
    says = Bilingual(f"{url!r} is not the address of a farm.", f"{url!r} n'est pas l'adresse d'une ferme.")
    return InvalidError(says, next_step=_COPY_ADDRESS)


def _try_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / ".try", "")
        (folder / ".try").unlink()
    except OSError as error:
        raise ConfigurationError(
            Bilingual(
                f"The folder {folder} cannot be written: {os.strerror(error.errno or 0)}.",
                f"Impossible d'écrire dans le dossier {folder} : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Give another one with --data, or the right to write there. The code was not used.",
                "Donnez-en un autre avec --data, ou le droit d'y écrire. Le code n'a pas été utilisé.",
            ),
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
            Bilingual(
                f"{farm} is not the farm that made this code: its authority is another.",
                f"{farm} n'est pas la ferme qui a fait ce code : son autorité est une autre.",
            ),
            next_step=Bilingual(
                "Check the address and copy the whole code again. If both are right, somebody stands in between.",
                "Vérifiez l'adresse et recopiez tout le code. Si les deux sont justes, quelqu'un s'est mis entre vous et la ferme.",
            ),
            code="wrong-pin",
        )
    return ssl.create_default_context(cadata=pem), pem


def _claim(farm: _Farm, context: ssl.SSLContext | None, code: JoinCode, name: str) -> "EnrolmentGrant":
    from farm.request_bodies import EnrolmentClaim  # noqa: PLC0415 - 1 MB that an agent which has joined needs no more, with the next
    from farm.views import EnrolmentGrant  # noqa: PLC0415

    try:
        claim = EnrolmentClaim(code=code.code, name=name)
    except ValidationError as error:
        says = Bilingual("A node's name has 1 to 80 characters.", "Le nom d'un nœud a de 1 à 80 caractères.")
        step = Bilingual("Give another one with --name.", "Donnez-en un autre avec --name.")
        raise InvalidError(says, next_step=step) from error
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
        code, detail = str(problem.get("code", "")), _text_of(problem, "detail")
    except (ValueError, AttributeError):
        return _not_a_farm(farm)
    if not code or not detail.en:
        return _not_a_farm(farm)
    if status == http.HTTPStatus.NOT_FOUND:
        return NotFoundError(
            Bilingual(
                "The farm does not know this code: it is mistyped, was used already, or is too old.",
                "La ferme ne connaît pas ce code : il est mal recopié, a déjà servi, ou est trop vieux.",
            ),
            next_step=Bilingual("Ask the farm for a new invitation.", "Demandez une nouvelle invitation à la ferme."),
            code="unknown-code",
        )
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return UnreachableError(
            Bilingual("The farm has had too many attempts.", "La ferme a reçu trop d'essais."),
            next_step=Bilingual("Wait a few minutes, then try again.", "Attendez quelques minutes, puis recommencez."),
            code="too-many",
        )
    says = Bilingual(f"The farm refuses: {detail.en}", f"La ferme refuse : {detail.fr}")
    return FarmError(says, next_step=_text_of(problem, "next_step", _ASK_OPERATOR), code=code)


def _text_of(problem: dict[str, Any], key: str, instead: Bilingual = NOTHING) -> Bilingual:
    """A text of the farm's; an older farm says it in English only."""
    if not problem.get(key):
        return instead
    english = str(problem[key])[:_MAX_TEXT]
    return Bilingual(english, str(problem.get(f"{key}_fr") or english)[:_MAX_TEXT])


def _not_a_farm(farm: _Farm) -> ConfigurationError:
    return ConfigurationError(
        Bilingual(
            f"What answers at {farm} is not an Essaim daemon.", f"Ce qui répond à l'adresse {farm} n'est pas une ferme Essaim."
        ),
        next_step=Bilingual(
            "Check host and port with the invitation.", "Comparez l'adresse, avec son numéro de port, à celle de l'invitation."
        ),
        code="not-a-farm",
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
        why = system_words(error)
        raise UnreachableError(
            Bilingual(f"No farm answers at {farm}: {why.en}.", f"Aucune ferme ne répond à l'adresse {farm} : {why.fr}."),
            next_step=Bilingual(
                "Check that the farm runs, the address, and the network.",
                "Vérifiez que la ferme fonctionne, l'adresse, et le réseau.",
            ),
        ) from error
    finally:
        connection.close()


def _untrusted(farm: _Farm, error: ssl.SSLCertVerificationError) -> UnreachableError:
    why = certificate_words(error)
    return UnreachableError(
        Bilingual(
            f"The certificate of {farm} is not accepted: {why.en}.", f"Le certificat de {farm} n'est pas accepté : {why.fr}."
        ),
        next_step=_CERTIFICATE_STEPS.get(error.verify_code, _WHOLE_CODE),
        code="clock-wrong" if error.verify_code == _NOT_YET_VALID else "certificate",
    )


def _keep(identity: Identity, authority: str | None, folder: Path) -> None:
    try:
        if authority:
            write_private(folder / AUTHORITY, authority)
        write_private(folder / IDENTITY, identity.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(
            Bilingual(
                f"The identity cannot be written to {folder}: {os.strerror(error.errno or 0)}.",
                f"L'identité du nœud n'a pas pu être écrite dans {folder} : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Free some space there, then join again with a new code: this one is used.",
                "Libérez-y de la place, puis recommencez avec un nouveau code : celui-ci a servi.",
            ),
        ) from error
