"""What the owner of a printer allows, whatever a farm says: `limits.toml` beside node.toml, and a profile as narrowed by it.

Limits only ever narrow: no value here lets a file do what the profile forbids. `configs/limits.toml` shows every key.
"""

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from gcode.texts import Bilingual, BilingualError

if TYPE_CHECKING:  # a node reads its limits in a process that never loads what judges files
    from gcode.facts import GcodeFacts
    from gcode.profile import Box, PrinterProfile

MAX_FILE_BYTES: Final = 256 * 1024
_REVISION_DIGITS: Final = 12
_CODE: Final = re.compile(r"[GMT]\d{1,5}(?:\.\d{1,2})?|[A-Z_][A-Z_][A-Z0-9_]{0,60}")
_PLAIN_MOVES: Final = frozenset({"G0", "G1"})
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_MOST: Final = {"max_nozzle_c": 1000.0, "max_bed_c": 500.0, "max_chamber_c": 500.0, "max_print_h": 24.0 * 365}
_MAX_CODES: Final = 200
_NAMED_AT_MOST: Final = 5  # names of printers in one message: the message must fit a report
_NAME_SHOWN: Final = 32

QuietHours = tuple[tuple[float, float], ...]  # (begin, end) in seconds since local midnight


class LimitsError(BilingualError):
    """`limits.toml` cannot be used; nothing is printed until it can."""

    code = "limits-unreadable"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one printer's owner allows. None: as the profile and the farm say. Millimetres, degrees C, bytes, hours."""

    max_nozzle_c: float | None = None
    max_bed_c: float | None = None
    max_chamber_c: float | None = None
    volume_min: tuple[float, float, float] | None = None
    volume_max: tuple[float, float, float] | None = None
    max_print_h: float | None = None
    max_file_bytes: int | None = None
    forbidden_codes: frozenset[str] = frozenset()
    accept_trusted: bool = False  # files that need trust, once a named person of the farm has released them
    quiet_hours: QuietHours = ()

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with what may be printed; at which hours is another matter."""
        said = asdict(replace(self, quiet_hours=()))
        said["forbidden_codes"] = sorted(self.forbidden_codes)
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_REVISION_DIGITS]


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """A whole `limits.toml`: what holds for every printer, and for some by the names that node.toml gives them."""

    common: Limits = Limits()
    by_printer: Mapping[str, Limits] = field(default_factory=dict)

    def of(self, printer: str) -> Limits:
        """What holds for a printer of this name."""
        return self.by_printer.get(printer, self.common)


def _wrong(where: str, en: str, fr: str) -> LimitsError:
    return LimitsError(Bilingual(f"limits.toml: {where}: {en}", f"limits.toml : {where} : {fr}"))


def _number(where: str, value: Any, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _wrong(where, f"a number from 0 to {most:g} is needed.", f"il faut un nombre de 0 à {most:g}.")
    return float(value)


def _corner(where: str, value: Any) -> tuple[float, float, float]:
    if (
        not isinstance(value, list)
        or len(value) != 3
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in value)
    ):
        raise _wrong(where, "three numbers are needed: X, Y, Z.", "il faut trois nombres : X, Y, Z.")
    x, y, z = (float(one) for one in value)
    return x, y, z


def _codes(where: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > _MAX_CODES or not all(isinstance(code, str) for code in value):
        raise _wrong(where, 'a list such as ["M600", "M302"] is needed.', 'il faut une liste telle que ["M600", "M302"].')
    found = frozenset(code.strip().upper() for code in value)
    for code in sorted(found):
        if not _CODE.fullmatch(code) or code in _PLAIN_MOVES:
            raise _wrong(where, f"{code[:40]!r} cannot be forbidden.", f"{code[:40]!r} ne peut pas être interdit.")
    return found


def _quiet(where: str, value: Any) -> QuietHours:
    texts = value if isinstance(value, list) and len(value) <= 24 else [None]
    times = []
    for text in texts:
        found = _TIME.fullmatch(text) if isinstance(text, str) else None
        hours = [int(number) for number in found.groups()] if found else [0, 0, 0, 0]
        begin_s, end_s = hours[0] * 3600.0 + hours[1] * 60.0, hours[2] * 3600.0 + hours[3] * 60.0
        if begin_s == end_s:
            raise _wrong(where, 'times such as ["22:00-07:00"] are needed.', 'il faut des heures telles que ["22:00-07:00"].')
        times.append((begin_s, end_s))
    return tuple(times)


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false is needed.", "il faut true ou false.")
    return value


def _value(where: str, key: str, value: Any) -> dict[str, Any]:
    if key in _MOST:
        return {key: _number(where, value, _MOST[key])}
    if key == "max_file_bytes":
        return {key: int(_number(where, value, 2.0**40))}
    if key == "forbidden_codes":
        return {key: _codes(where, value)}
    if key == "accept_trusted":
        return {key: _flag(where, value)}
    if key == "quiet_hours":
        return {key: _quiet(where, value)}
    if key == "volume" and isinstance(value, dict) and value.keys() <= {"min", "max"}:
        return {f"volume_{end}": _corner(f"{where}.{end}", corner) for end, corner in value.items()}
    raise _wrong(where, "there is no such key.", "cette clé n'existe pas.")


def _limits(table: Mapping[str, Any], prefix: str, base: Limits) -> Limits:
    values: dict[str, Any] = {}
    for key, value in table.items():
        values.update(_value(f"{prefix}{key}", key, value))
    return replace(base, **values)


def parse_limits(content: bytes) -> OwnerLimits:
    """Read a `limits.toml`. What is said of one printer replaces, key by key, what is said of all.

    Raises:
        LimitsError: it is too large, not TOML, or a key or value is wrong; the message names it.

    """
    if len(content) > MAX_FILE_BYTES:
        raise _wrong("256 KiB", "the file is too large.", "le fichier est trop grand.")
    try:
        table = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, an integer of 5,000 digits; nested too deep
        raise _wrong("TOML", f"it cannot be read: {error}.", f"lecture impossible : {error}.") from error
    printers = table.pop("printers", {})
    common = _limits(table, "", Limits())
    if not isinstance(printers, dict) or not all(isinstance(one, dict) for one in printers.values()):
        raise _wrong(
            "printers", 'tables such as [printers."Ender"] are needed.', 'il faut des tables telles que [printers."Ender"].'
        )
    return OwnerLimits(common, {name: _limits(one, f"printers.{name}.", common) for name, one in printers.items()})


def _listed(names: Collection[str]) -> str:
    shown = [repr(name[:_NAME_SHOWN]) for name in list(names)[:_NAMED_AT_MOST]]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def limits_of_nobody(owner: OwnerLimits, printers: Collection[str]) -> LimitsError | None:
    """What is wrong when a table is for a printer that is none of `printers`, or None: such a limit protects nobody.

    The message names the first such table, the printer that is nearest to it, and the others.
    """
    strangers = [name for name in owner.by_printer if name not in printers]
    if not strangers:
        return None
    first = strangers[0]
    near = get_close_matches(first.casefold(), sorted({name.casefold() for name in printers}), n=1, cutoff=0.5)
    meant = [name for name in printers if near and name.casefold() == near[0]][:1]
    others = _listed(sorted(set(printers) - set(meant)))
    where = f'printers."{first[:_NAME_SHOWN]}"'
    if not printers:
        return _wrong(
            where, "this node has no printer of that name; it has none.", "ce nœud n'a pas d'imprimante de ce nom, ni aucune."
        )
    hint = (f" Did you mean {meant[0]!r}?", f" Vouliez-vous dire {meant[0]!r} ?") if meant else ("", "")
    rest = (f" Its printers: {others}.", f" Ses imprimantes : {others}.") if others else ("", "")
    if meant and others:
        rest = (f" Its other printers: {others}.", f" Ses autres imprimantes : {others}.")
    return _wrong(
        where,
        f"this node has no printer of that name, so this limits nothing.{hint[0]}{rest[0]}",
        f"ce nœud n'a pas d'imprimante de ce nom, cela ne limite donc rien.{hint[1]}{rest[1]}",
    )


def as_record(limits: Limits) -> dict[str, Any]:
    """For a process that judges files: plain values for JSON."""
    record = asdict(limits)
    return {**record, "forbidden_codes": sorted(limits.forbidden_codes)}


def from_record(record: Mapping[str, Any]) -> Limits:
    """What `as_record` wrote."""
    values = {one.name: record[one.name] for one in fields(Limits)}
    for corner in ("volume_min", "volume_max"):
        values[corner] = None if values[corner] is None else tuple(values[corner])
    values["quiet_hours"] = tuple(tuple(one) for one in values["quiet_hours"])
    return Limits(**{**values, "forbidden_codes": frozenset(values["forbidden_codes"])})


def _within(box: "Box", limits: Limits) -> "Box":
    low = limits.volume_min or (box.min_x, box.min_y, box.min_z)
    high = limits.volume_max or (box.max_x, box.max_y, box.max_z)
    return replace(
        box,
        min_x=max(box.min_x, low[0]),
        min_y=max(box.min_y, low[1]),
        min_z=max(box.min_z, low[2]),
        max_x=min(box.max_x, high[0]),
        max_y=min(box.max_y, high[1]),
        max_z=min(box.max_z, high[2]),
    )


def _least(known: float, allowed: float | None) -> float:
    return known if allowed is None else min(known, allowed)


def narrowed(profile: "PrinterProfile", limits: Limits) -> "PrinterProfile":
    """The profile as the owner allows it: each limit the tighter one of both."""
    return replace(
        profile,
        max_nozzle_c=_least(profile.max_nozzle_c, limits.max_nozzle_c),
        max_bed_c=_least(profile.max_bed_c, limits.max_bed_c),
        max_chamber_c=_least(profile.max_chamber_c, limits.max_chamber_c),
        volume=_within(profile.volume, limits),
        purge=_within(profile.purge, limits),
        forbidden_codes=profile.forbidden_codes | limits.forbidden_codes,
    )


def size_refused(size_bytes: int, limits: Limits) -> Bilingual | None:
    """Why a file of this size is not even read, or None."""
    most = limits.max_file_bytes
    if most is None or size_bytes <= most:
        return None
    return Bilingual(
        f"The file has {size_bytes} bytes; the owner of this printer takes at most {most} (max_file_bytes in limits.toml).",
        f"Le fichier fait {size_bytes} octets ; le propriétaire de l'imprimante en accepte au plus {most}"
        " (max_file_bytes dans limits.toml).",
    )


def length_refused(facts: "GcodeFacts", limits: Limits) -> Bilingual | None:
    """Why a print of this length is not started, or None.

    `facts` are those of an inspection that was `capped`: by itself a file may look shorter than it is (`; machine_max_feedrate_x`).
    """
    most_h, takes_h = limits.max_print_h, (facts.time_s + facts.heating_s + facts.homing_s) / 3600
    if most_h is None or takes_h <= most_h:
        return None
    return Bilingual(
        f"It prints for {takes_h:.1f} h; the owner of this printer allows {most_h:g} h (max_print_h in limits.toml).",
        f"L'impression dure {takes_h:.1f} h ; le propriétaire de l'imprimante en permet {most_h:g} (max_print_h dans limits.toml).",
    )
