"""A real but small program: a hollow square of a few layers, printed in a minute of a real printer's time."""

from gcode.profile import bundled_profiles

_LINE_WIDTH_MM = 0.45
_LAYER_MM = 0.3
_FILAMENT_MM2 = 2.405  # cross-section of 1.75 mm


def small_program(profile: str = "generic-210", *, side_mm: float = 30.0, layers: int = 4, first_line: str = "") -> bytes:
    """G-code of a hollow square in the middle of the bed, with the profile's own start and end."""
    chosen = bundled_profiles()[profile]
    middle = (chosen.volume.max_x + chosen.volume.min_x) / 2
    low, high = middle - side_mm / 2, middle + side_mm / 2
    feed = side_mm * _LINE_WIDTH_MM * _LAYER_MM / _FILAMENT_MM2
    header = ";FLAVOR:Griffin" if chosen.flavour == "griffin" else ""  # its firmware wants one
    lines = [line for line in (header, first_line) if line]
    lines += chosen.start_gcode.format(nozzle_c=chosen.nozzle_c, bed_c=chosen.bed_c).strip().splitlines()
    for layer in range(1, layers + 1):
        lines += [";LAYER_CHANGE", f"G1 Z{layer * _LAYER_MM:.2f} F600", f"G1 X{low} Y{low} F7200"]
        lines += [f"G1 X{x} Y{y} E{feed:.5f} F3000" for x, y in ((high, low), (high, high), (low, high), (low, low))]
    lines += chosen.end_gcode.strip().splitlines()
    return ("\n".join(lines) + "\n").encode()
