"""Files of every kind, made in memory: whole ones, and ones that lie."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

import zstandard
from heatshrink2.core import encode

from tests.unit.gcode.samples import SMALL

TEXT = SMALL.encode()
FILE, GCODE, SLICER, PRINTER, PRINT, THUMBNAIL = range(6)
PLAIN, DEFLATE, HEATSHRINK_11, HEATSHRINK_12 = range(4)
_WINDOWS = {HEATSHRINK_11: 11, HEATSHRINK_12: 12}
_PACKED = b"0123456789. \nGX"


def zstd(content: bytes, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content)


def meatpacked(text: bytes, *, no_spaces: bool = False) -> bytes:
    """As the public description of MeatPack says, two characters at a time."""
    alphabet = _PACKED.replace(b" ", b"E") if no_spaces else _PACKED
    packed = bytearray(b"\xff\xff\xfb" + (b"\xff\xff\xf7" if no_spaces else b""))
    place = 0
    while place < len(text):
        first = text[place]
        if first == 10:
            packed.append(12)
            place += 1
            continue
        second = text[place + 1] if place + 1 < len(text) else 10
        low, high = (alphabet.find(character) % 16 for character in (first, second))  # -1, not there, becomes 15
        packed.append(low | high << 4)
        packed += bytes(character for character, nibble in ((first, low), (second, high)) if nibble == 15)
        place += 2
    return bytes(packed)


def squeezed(data: bytes, compression: int) -> bytes:
    if compression == PLAIN:
        return data
    if compression == DEFLATE:
        return zlib.compress(data)
    return bytes(encode(data, window_sz2=_WINDOWS[compression], lookahead_sz2=4))


def block(
    kind: int,
    data: bytes,
    *,
    compression: int = PLAIN,
    parameters: tuple[int, ...] = (0,),
    size: int | None = None,
    checked: bool = True,
) -> bytes:
    """One block of binary G-code; `size` is what it claims to unpack to."""
    packed = squeezed(data, compression)
    head = struct.pack("<HHI", kind, compression, len(data) if size is None else size)
    if compression != PLAIN:
        head += struct.pack("<I", len(packed))
    whole = head + struct.pack(f"<{len(parameters)}H", *parameters) + packed
    return whole + struct.pack("<I", zlib.crc32(whole)) if checked else whole


def bgcode(blocks: Iterable[bytes], *, version: int = 1, checksum: int = 1) -> bytes:
    return b"GCDE" + struct.pack("<IH", version, checksum) + b"".join(blocks)


METADATA = (
    block(FILE, b"Producer=PrusaSlicer 2.9.4\n"),
    block(PRINTER, b"printer_model=MK4\nnozzle_diameter=0.4\n"),
    block(THUMBNAIL, b"a picture", parameters=(0, 16, 12)),
    block(PRINT, b"estimated printing time (normal mode)=1m 2s\n", compression=DEFLATE),
    block(SLICER, b"machine_max_acceleration_x=1000\n", compression=DEFLATE),
)


def small_bgcode(compression: int = HEATSHRINK_12, encoding: int = 2, text: bytes = TEXT) -> bytes:
    data = text if encoding == 0 else meatpacked(text)
    return bgcode((*METADATA, block(GCODE, data, compression=compression, parameters=(encoding,))))


def zipped(entries: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return whole.getvalue()


def ufp(text: bytes = TEXT) -> bytes:
    return zipped({"/3D/model.gcode": text, "/Metadata/thumbnail.png": b"a picture", "/[Content_Types].xml": b"<Types/>"})


SLICE_INFO = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<config>
  <plate>
    <metadata key="index" value="1"/><metadata key="prediction" value="3600"/><metadata key="weight" value="12.34"/>
    <filament id="1" type="PLA" color="#FFFFFF" used_m="4.13" used_g="12.34"/>
  </plate>
  <plate><metadata key="index" value="2"/><metadata key="prediction" value="7200"/><metadata key="x" value="&b;&amp;"/></plate>
</config>
"""


def plates(*numbers: int) -> bytes:
    entries = {f"Metadata/plate_{number}.gcode": TEXT + b"; plate %d\n" % number for number in numbers}
    pictures = {f"Metadata/plate_{number}.png": b"picture %d" % number for number in numbers}
    return zipped({"3D/3dmodel.model": b"<model/>", **entries, **pictures, "Metadata/slice_info.config": SLICE_INFO})


CONTAINERS = {
    "gcode": TEXT,
    "gzip": gzip.compress(TEXT, mtime=0),
    "zstd": zstd(TEXT),
    "bgcode": small_bgcode(),
    "bgcode-deflate": small_bgcode(DEFLATE, 1),
    "bgcode-plain": small_bgcode(PLAIN, 0),
    "ufp": ufp(),
    "3mf": plates(1),
    "gzip-gzip": gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0),
    "gzip-bgcode": gzip.compress(small_bgcode(), mtime=0),
}
