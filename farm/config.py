"""`farm.toml` and `node.toml`: every key, its default and its meaning.

The commented examples are `configs/farm.toml` and `configs/node.toml`; a test keeps them and these classes in step.

Environment variables override the files: `FARM_HTTP__PORT=9000`, `NODE_LOG__LEVEL=debug`.
"""

import json
import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from farm.clock import Clock
from farm.errors import ConfigurationError
from farm.language import system_words
from farm.wrong_values import said_of
from gcode.texts import NOTHING, Bilingual, BilingualError, printable

_Settings = TypeVar("_Settings", bound="FileSettings")

# in the data folder of the daemon; farm.certificates and api.auth make them
OPERATOR_FILE: Final = "operator.token"
AUTHORITY_FILE: Final = "keys/ca.pem"


class Section(BaseModel):
    """A table of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LogSection(Section):
    """How much is logged, and for whom."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json_lines: bool = False


class ClockSection(Section):
    """Farm time; anything but 1.0 is for the demo and for tests. Processes of one scaled farm share `origin_wall_s`."""

    factor: float = Field(default=1.0, gt=0, le=100_000)
    origin_wall_s: float | None = None

    def clock(self) -> Clock:
        """The clock that this section asks for."""
        return Clock(self.factor) if self.origin_wall_s is None else Clock(self.factor, self.origin_wall_s)


class HttpSection(Section):
    """Where the API and the pages listen. Beyond loopback, TLS with the farm's own certificate authority is switched on."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65_535)
    names: list[str] = []  # host names and addresses by which nodes reach this daemon, for its certificate
    max_upload_bytes: int = Field(default=64 * 1024 * 1024, ge=1_024, le=2 * 1024**3)
    upload_reserve_bytes: int = Field(default=64 * 1024 * 1024, ge=0, le=1024**4)  # uploads leave that much for the database


class BrokerSection(Section):
    """The MQTT broker: a child process of the daemon, or any broker by URL."""

    kind: Literal["auto", "mosquitto", "embedded", "external"] = "auto"
    # loopback, for the daemon and for nodes on this machine; not 1883: Debian starts a mosquitto of its own there
    port: int = Field(default=18_830, ge=1, le=65_535)
    tls_port: int = Field(default=8883, ge=1, le=65_535)  # for joined nodes; only when [http] host is beyond loopback
    # kind = "external": mqtt://host:1883 or mqtts://host:8883; 8 at most, the daemon connects to each of them
    urls: Annotated[list[str], Field(max_length=8)] = []
    username: str = "daemon"  # kind = "external"
    password_file: Path | None = None  # kind = "external": a file that holds only the password
    users_file: Path | None = None  # kind = "external": where the farm writes the users for the brokers (mosquitto's format)


class FarmSettings(Section):
    """The rules of the contract; change them only with docs/protocol.md beside you."""

    name: str = Field(default="Essaim", min_length=1, max_length=80)
    report_every_s: float = Field(default=30.0, ge=1, le=600)
    telemetry_every_s: float = Field(default=5.0, ge=0.2, le=600)
    autonomy_s: float = Field(default=12 * 3600, ge=60, le=30 * 86_400)  # how long a node goes on without us
    manual_autonomy_s: float = Field(default=3 * 86_400, ge=3600, le=90 * 86_400)
    clearing_s: float = Field(default=1800, ge=0, le=7 * 86_400)  # the usual time until a hand clears a bed


class BackupSection(Section):
    """Copies of the database, made while the daemon runs."""

    every_s: float = Field(default=3600, ge=60, le=30 * 86_400)  # only if something changed
    keep: int = Field(default=48, ge=1, le=10_000)
    folder: Path | None = None  # None: `backups` in the data folder; better: another disk


class FileSettings(Section):
    """Settings that `load` reads from one TOML file and the environment."""

    env_prefix: ClassVar[str] = ""


class DaemonSettings(FileSettings):
    """`farm.toml`."""

    env_prefix: ClassVar[str] = "FARM_"

    data: Path = Path("farm-data")  # database, G-code, broker files and keys
    profiles_folder: Path | None = None  # profiles of printers beside the bundled ones, one .toml each
    farm: FarmSettings = FarmSettings()
    http: HttpSection = HttpSection()
    broker: BrokerSection = BrokerSection()
    backup: BackupSection = BackupSection()
    log: LogSection = LogSection()
    clock: ClockSection = ClockSection()


class PrinterSection(Section):
    """One printer of a node. `url` says how to reach it: marlin://, octoprint+http://, virtual://."""

    name: str = Field(min_length=1, max_length=80)
    url: str = Field(min_length=1, max_length=500)
    profile: str = Field(min_length=1, max_length=64)
    material: str = Field(default="PLA", max_length=40)
    nozzle_mm: float = Field(default=0.4, gt=0, le=5)
    autonomy_s: float | None = Field(default=None, ge=60, le=90 * 86_400)
    quiet_hours: Annotated[list[str], Field(max_length=24)] = []  # "22:00-07:00", local time: nothing starts that would be heard

    @field_validator("quiet_hours")
    @classmethod
    def _each_is_a_time(cls, texts: list[str]) -> list[str]:
        for text in texts:
            _quiet_time(text)
        return texts

    @property
    def quiet(self) -> tuple[tuple[float, float], ...]:
        """The quiet hours as (begin, end) in seconds since midnight; an end before its begin is on the next day."""
        return tuple(_quiet_time(text) for text in self.quiet_hours)


_QUIET_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _quiet_time(text: str) -> tuple[float, float]:
    found = _QUIET_TIME.fullmatch(text)
    if found is None:
        raise BilingualError(
            Bilingual(f"{text!r} is not a time such as 22:00-07:00", f"{text!r} n'est pas un horaire comme 22:00-07:00")
        )
    hours = [float(number) for number in found.groups()]
    begin_s, end_s = hours[0] * 3600 + hours[1] * 60, hours[2] * 3600 + hours[3] * 60
    if begin_s == end_s:
        raise BilingualError(
            Bilingual(
                f"{text!r} begins and ends at once; take the printer out of node.toml if it should never print",
                f"{text!r} commence et finit en même temps ; retirez l'imprimante de node.toml si elle ne doit jamais imprimer",
            )
        )
    return begin_s, end_s


class CacheSection(Section):
    """G-code files kept at the node."""

    max_bytes: int = Field(default=2 * 1024**3, ge=1024**2)


class LedgerSection(Section):
    """The node's memory, and what keeps it writable on a full disk."""

    ballast_bytes: int = Field(default=16 * 1024**2, ge=0, le=1024**3)  # 0: none


class PageSection(Section):
    """The small page of the node itself. Beyond loopback it asks for a token, which the agent makes."""

    enabled: bool = True
    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=8081, ge=0, le=65_535)  # 0: one that is free; `farm node page` says which
    names: Annotated[list[str], Field(max_length=20)] = []  # by which other machines call this one, beside its host name
    token_file: Path | None = None  # None: page.token in data


class NodeSettings(FileSettings):
    """`node.toml`. Who the node is and how it reaches the farm is not here: `farm node join` writes that to `data`."""

    env_prefix: ClassVar[str] = "NODE_"

    data: Path = Path("node-data")  # ledger, cached G-code, identity
    name: str = Field(default="", max_length=80)  # empty: the host name
    limits: Path | None = None  # None: limits.toml beside this file, if there is one
    profiles_folder: Path | None = None  # profiles of printers beside the bundled ones, one .toml each
    printers: list[PrinterSection] = []
    cache: CacheSection = CacheSection()
    ledger: LedgerSection = LedgerSection()
    page: PageSection = PageSection()
    log: LogSection = LogSection()
    clock: ClockSection = ClockSection()


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """All dotted keys of a settings class."""
    keys: list[str] = []
    for name, info in model.model_fields.items():
        keys.append(prefix + name)
        inner = info.annotation
        arguments = getattr(inner, "__args__", ())
        for candidate in (inner, *arguments):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                keys += known_keys(candidate, f"{prefix}{name}.")
    return keys


def _explain(problem: Any, keys: list[str], source: Bilingual) -> ConfigurationError:
    """What is wrong with one value: its key, what is allowed there and, unless it may hold a secret, what was given."""
    where = ".".join(str(level) for level in problem["loc"] if not isinstance(level, int))
    if problem["type"] == "extra_forbidden":
        return ConfigurationError(
            Bilingual(f"{source.en}: there is no key {where}.", f"{source.fr} : il n'y a pas de clé {where}."),
            next_step=_nearest(where, keys),
        )
    own = (problem.get("ctx") or {}).get("error")
    said = own.bilingual if isinstance(own, BilingualError) else said_of(problem)
    given = _given(problem)
    return ConfigurationError(
        Bilingual(f"{source.en}: {where}: {said.en}{given.en}.", f"{source.fr} : {where} : {said.fr}{given.fr}."),
        next_step=Bilingual(
            f"Correct {where}; configs/ shows every key with its meaning.",
            f"Corrigez {where} ; configs/ montre chaque clé et ce qu'elle veut dire.",
        ),
    )


def _nearest(where: str, keys: list[str]) -> Bilingual:
    near = get_close_matches(where, keys, n=1, cutoff=0.4)
    if near:
        return Bilingual(f"Did you mean {near[0]}?", f"Vouliez-vous dire {near[0]} ?")
    known = ", ".join(key for key in keys if "." not in key)
    return Bilingual(f"Known keys are: {known}.", f"Les clés connues sont : {known}.")


def _given(problem: Any) -> Bilingual:
    """The value that was given, where it is one number or word and its key cannot hold a secret, as a URL may."""
    value, key = problem.get("input"), str(problem["loc"][-1])
    if not isinstance(value, str | int | float) or problem["type"] in _SAID_ALREADY or any(word in key for word in _MAY_BE_SECRET):
        return NOTHING
    if problem["type"] in _OF_PARTS or "://" in str(value):  # broker = "mqtt://name:password@farm": a URL at the wrong place
        return NOTHING
    text = repr(printable(value, _MAX_SAID, "?")) if isinstance(value, str) else json.dumps(value)
    return Bilingual(f", not {text}", f" ; la valeur donnée est {text}")


def _sections(kind: type[FileSettings]) -> list[str]:
    annotations = {name: info.annotation for name, info in kind.model_fields.items()}
    return [name for name, inner in annotations.items() if isinstance(inner, type) and issubclass(inner, Section)]


def _check_environment(kind: type[FileSettings]) -> None:
    """A variable that names no section is a typing mistake, and would be left out in silence."""
    prefix, delimiter = kind.env_prefix, _DELIMITER
    for variable in sorted(os.environ):
        first, found, key = variable.upper().removeprefix(prefix).partition(delimiter)
        if not variable.upper().startswith(prefix) or not found or first.lower() in _sections(kind):
            continue
        known = [name for name in known_keys(kind) if "." in name and name.partition(".")[0] in _sections(kind)]
        near = get_close_matches(f"{first}.{key.replace(delimiter, '.')}".lower(), known, n=1, cutoff=0.4)
        sections = ", ".join(f"{prefix}{name.upper()}{delimiter}…" for name in _sections(kind))
        meant = f"{prefix}{near[0].replace('.', delimiter).upper()}" if near else ""
        raise ConfigurationError(
            Bilingual(f"environment: {variable} names no key.", f"environnement : {variable} ne nomme aucune clé."),
            next_step=Bilingual(f"Did you mean {meant}?", f"Vouliez-vous dire {meant} ?")
            if near
            else Bilingual(f"Unset it; known are {sections}.", f"Supprimez cette variable ; on connaît {sections}."),
        )


def _from_environment(kind: type[FileSettings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` with what variables say in the place of what the file says: `FARM_HTTP__PORT=9000`; lists and sections are JSON."""
    merged = dict(values)
    for variable, text in sorted(os.environ.items()):
        first, found, key = variable.upper().removeprefix(kind.env_prefix).lower().partition(_DELIMITER)
        info = kind.model_fields.get(first)
        if info is None or not variable.upper().startswith(kind.env_prefix) or (found and first not in _sections(kind)):
            continue
        inner = getattr(info.annotation, "model_fields", {}).get(key) if found else info
        told = {key: _read(variable, text, inner)} if found else _read(variable, text, info)
        before = merged.get(first)
        merged[first] = {**before, **told} if isinstance(before, dict) and isinstance(told, dict) else told
    return merged


def _read(variable: str, text: str, info: FieldInfo | None) -> Any:
    """What `text` says: pydantic makes numbers and paths of it, and a list or a section is written as JSON."""
    if info is None or not _is_composed(info.annotation):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(
            Bilingual(f"environment: {variable} is no JSON.", f"environnement : {variable} n'est pas du JSON."),
            next_step=Bilingual(
                f"Write a list or a section as JSON: {variable}='[\"a\"]'.",
                f"Écrivez une liste ou une section en JSON : `{variable}='[\"a\"]'`.",
            ),
        ) from error


def _is_composed(annotation: Any) -> bool:
    return get_origin(annotation) is list or (isinstance(annotation, type) and issubclass(annotation, Section))


_DELIMITER: Final = "__"  # of a section and its key
_MAX_FILE_BYTES: Final = 1024**2
_MAX_SAID: Final = 60  # characters of a wrong value that are said back
_MAY_BE_SECRET: Final = ("url", "password", "token", "key")  # parts of the names of keys
_SAID_ALREADY: Final = frozenset({"value_error", "assertion_error", "missing"})
_OF_PARTS: Final = frozenset({"model_type", "model_attributes_type", "dict_type", "list_type", "tuple_type", "set_type"})
_ENVIRONMENT: Final = Bilingual("environment", "environnement")
_PLACE: Final = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")  # as tomllib tells it


def load(kind: type[_Settings], path: Path | None) -> _Settings:
    """Read the settings of a process from `path` (None: defaults) and the environment.

    Raises:
        ConfigurationError: unreadable file, bad TOML with its line, unknown key (also in the environment) with the nearest known
            one, value out of range.

    """
    values: dict[str, Any] = {}
    source = Bilingual(str(path), str(path)) if path else _ENVIRONMENT
    if path is not None:
        values = _from_file(path)
    _check_environment(kind)
    try:
        return kind(**_from_environment(kind, values))
    except ValidationError as error:
        raise _explain(error.errors()[0], known_keys(kind), source) from error


def no_toml(path: Path, error: UnicodeDecodeError | tomllib.TOMLDecodeError) -> ConfigurationError:
    """What is told of a file that is no TOML: its line, where there is one; what tomllib says has no French."""
    if isinstance(error, UnicodeDecodeError):
        return ConfigurationError(
            Bilingual(
                f"{path} is not text in UTF-8 (byte {error.start + 1}).",
                f"{path} n'est pas du texte en UTF-8 (octet {error.start + 1}).",
            ),
            next_step=Bilingual("Save it as text in UTF-8.", "Enregistrez-le comme texte en UTF-8."),
        )
    why = _PLACE.sub(lambda at: f"(ligne {at[1]}, colonne {at[2]})" if at[1] else "(à la fin du fichier)", str(error))
    return ConfigurationError(
        Bilingual(f"{path} is not valid TOML: {error}.", f"{path} n'est pas du TOML valable : {why}."),
        next_step=Bilingual("Correct that line.", "Corrigez cette ligne."),
    )


def _from_file(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigurationError(
                Bilingual(f"{path} is larger than 1 MB.", f"{path} dépasse 1 Mo."),
                next_step=Bilingual("Give the path of a configuration file.", "Donnez le chemin d'un fichier de configuration."),
            )
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        words = system_words(error)
        raise ConfigurationError(
            Bilingual(
                f"The configuration file {path} cannot be read: {words.en}.",
                f"Impossible de lire le fichier de configuration {path} : {words.fr}.",
            ),
            next_step=Bilingual(
                "Check the path, or leave the option out to use the defaults.",
                "Vérifiez le chemin, ou enlevez l'option pour prendre les valeurs par défaut.",
            ),
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise no_toml(path, error) from error
