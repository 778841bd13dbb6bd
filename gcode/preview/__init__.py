"""Pictures of what a program prints: one layer or the whole part, coloured by kind of line.

NumPy and Pillow are loaded by the functions, not by the import: who only names them, such as the command line, stays small.
Layers count from 1 here, as slicers' previews show them: `layer=1` is row 0 of `GcodeFacts.layer_table`.
"""

from typing import BinaryIO

from gcode.profile import PrinterProfile


def preview_svg(
    stream: BinaryIO,
    *,
    layer: int | None = None,
    profile: PrinterProfile | None = None,
    width_px: int = 960,
    language: str = "en",
    travels: bool = False,
) -> bytes:
    """A drawing from above as SVG: lines in their true width, legend, scale; safe in <img>, without scripts and links.

    Args:
        stream: plain G-code from where it stands.
        layer: from 1; None draws the whole part, what is higher over what is lower.
        profile: gives the bed, its keep-out areas and the diameter of the filament.
        width_px: its height follows.
        language: of the legend, "en" or "fr".
        travels: also moves that lay nothing, dashed (one layer only).

    Raises:
        PreviewError: no such layer, or a size beyond the limits.

    """
    from gcode.preview.reading import read_drawing  # noqa: PLC0415 - see above
    from gcode.preview.scenery import checked_layer, checked_size  # noqa: PLC0415
    from gcode.preview.svg import document  # noqa: PLC0415

    checked_size(width_px, width_px)
    drawing = read_drawing(stream, profile, layer=None if layer is None else layer - 1, travels=travels and layer is not None)
    checked_layer(layer, drawing)
    return document(drawing, profile, layer=layer, width_px=width_px, language=language)


def preview_png(  # noqa: PLR0913 - every one is a choice of its own with a default
    stream: BinaryIO,
    *,
    layer: int | None = None,
    view: str = "top",
    profile: PrinterProfile | None = None,
    width_px: int = 960,
    height_px: int = 720,
    dark: bool = False,
    language: str = "en",
) -> bytes:
    """A picture as PNG, plastic with light and shadow.

    Args:
        stream: plain G-code from where it stands.
        layer: from 1; from above only that layer is drawn, obliquely all up to it. None: the whole part.
        view: "top" or "isometric".
        profile: gives the bed, its keep-out areas and the diameter of the filament.
        width_px: at least 32, at most 2400.
        height_px: the same; at most 4 million pixels in all. Small pictures have no words.
        dark: for dark pages.
        language: of the legend, "en" or "fr".

    Raises:
        PreviewError: no such layer or view, or a size beyond the limits.

    """
    from gcode.preview.png import Scene, picture_of  # noqa: PLC0415 - see above
    from gcode.preview.reading import read_drawing  # noqa: PLC0415
    from gcode.preview.scenery import DARK, LIGHT, checked_layer, checked_size, checked_view  # noqa: PLC0415
    from gcode.preview.strokes import up_to_layer  # noqa: PLC0415

    checked_size(width_px, height_px)
    checked_view(view)
    only = layer - 1 if layer is not None and view == "top" else None
    drawing = read_drawing(stream, profile, layer=only)
    checked_layer(layer, drawing)
    if layer is not None and only is None:
        drawing = up_to_layer(drawing, layer)
    return picture_of(Scene(drawing, profile, view, width_px, height_px, layer, language, DARK if dark else LIGHT))
