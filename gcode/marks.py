"""What slicers mark in comments besides their claims: layers, kinds of lines, pictures, and where one of several parts begins."""

import re
from typing import Final, NamedTuple

_FEATURE_LENGTH: Final = 40
_NUMBERED_LAYER: Final = re.compile(r"layer \d{1,7}(?:,.*)?", re.ASCII | re.DOTALL)  # Simplify3D: `layer 1, Z = 0.200`
_CURA_LAYER: Final = re.compile(r"LAYER: ?-?\d{1,7}", re.ASCII)
_OBJECT: Final = re.compile(r"printing object (.{1,200} id:\d{1,7} copy \d{1,7})", re.ASCII)
_PICTURE: Final = re.compile(r"thumbnail(?:_(PNG|JPG|QOI))? begin (\d{1,5})[x ](\d{1,5}) (\d{1,8})", re.ASCII)


class LayerMark(NamedTuple):
    """A kind of mark. Several kinds may stand in one file; the highest rank counts, of equals the first."""

    kind: str
    rank: int


_LAYER_CHANGE: Final = LayerMark("LAYER_CHANGE", 3)
_WHOLE: Final = {
    "LAYER_CHANGE": _LAYER_CHANGE,  # PrusaSlicer from 2.3, SuperSlicer, Orca
    "CHANGE_LAYER": LayerMark("CHANGE_LAYER", 3),  # Bambu Studio
    "AFTER_LAYER_CHANGE": LayerMark("AFTER_LAYER_CHANGE", 2),  # custom code of PrusaSlicer's printers
}
_CURA: Final = LayerMark("LAYER", 3)  # also ideaMaker
_KISSLICER: Final = LayerMark("BEGIN_LAYER", 3)
_NUMBERED: Final = LayerMark("layer", 1)


def layer_mark(comment: str) -> LayerMark | None:
    """The kind of layer mark that a comment is, or None."""
    whole = _WHOLE.get(comment)
    if whole is not None:
        return whole
    if comment.startswith("LAYER:"):
        return _CURA if _CURA_LAYER.fullmatch(comment) else None
    if comment.startswith("BEGIN_LAYER_"):
        return _KISSLICER
    return _NUMBERED if comment.startswith("layer ") and _NUMBERED_LAYER.fullmatch(comment) else None


def feature_name(comment: str) -> str | None:
    """The kind of line that follows, as the slicer names it (untrusted), or None when the comment says nothing of that."""
    for prefix in ("TYPE:", "FEATURE:", "feature "):  # PrusaSlicer, Cura and ideaMaker; Bambu Studio; Simplify3D
        if comment.startswith(prefix):
            return _clean(comment[len(prefix) :])
    if comment.startswith("'"):  # KISSlicer: 'Perimeter Path', 0.6 [feed mm/s], 18.2 [head mm/s]
        name, quote, _ = comment[1:].partition("',")
        return _clean(name) if quote else None
    return None


def object_mark(comment: str) -> str | None:
    """Which part is printed from here on, as PrusaSlicer and its relatives label them for OctoPrint's plugins (untrusted)."""
    if not comment.startswith("printing object "):  # most comments: the expression costs more
        return None
    match = _OBJECT.fullmatch(comment)
    return match and match[1]


def _clean(text: str) -> str | None:
    name = "".join(character for character in text.strip()[:_FEATURE_LENGTH] if character.isprintable())
    return name or None


class PictureMark(NamedTuple):
    """What the first line of a picture says: the length is that of its base64 text."""

    format: str
    width_px: int
    height_px: int
    text_length: int


def picture_mark(comment: str) -> PictureMark | None:
    """`thumbnail begin 220x124 12345` of PrusaSlicer and its relatives, with _JPG or _QOI for other formats."""
    match = _PICTURE.fullmatch(comment)
    if match is None:
        return None
    return PictureMark((match[1] or "png").lower(), int(match[2]), int(match[3]), int(match[4]))
