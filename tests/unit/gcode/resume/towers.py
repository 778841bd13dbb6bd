"""Small programs that can be cut, and a printer that takes prints up again."""

from dataclasses import replace
from io import BytesIO

from gcode.profile import PrinterProfile, bundled_profiles
from gcode.resume import Resumption, plan_resume

PRINTER = replace(bundled_profiles()["generic-210"], resumes=True)
START = "M140 S60\nM104 S200\nM190 S60\nM109 S205\nG28\nG90\nM201 X900 Y900\nM204 S800\nM900 K0.05\nM221 S95\n"


def square(e: float = 0.8, side: float = 20.0, x: float = 60.0, y: float = 60.0) -> str:
    corners = [(x + side, y), (x + side, y + side), (x, y + side), (x, y)]
    return "".join(f"G1 X{a:g} Y{b:g} E{e:g}\n" for a, b in corners)


def tower(layers: int = 8, *, marks: bool = True, start: str = START, between: str = "") -> str:
    """Squares 0.2 mm apart with relative E, drawn back between the layers."""
    lines = [start, "M83\nM107\nG1 X60 Y60 F6000\n"]
    for number in range(layers):
        lines.append(";LAYER_CHANGE\n" if marks else "")
        lines.append("M106 S128\n" if number == 1 else "")
        lines.append(f"G1 E-0.8 F2100\nG1 Z{0.2 * (number + 1):.2f} F600\nG1 X60 Y60 F6000\nG1 E0.8 F2100\nG1 F{1200 + number}\n")
        lines.append(square() + between)
    return "".join(lines) + "M104 S0\nM140 S0\nM84\n"


def absolute_tower(layers: int = 8) -> str:
    """The same with absolute E that counts on through the file, and Z in the move before each layer."""
    lines = [START, "M82\nG92 E0\nG1 X60 Y60 F1200\n"]
    e = 0.0
    for number in range(layers):
        lines.append(f";LAYER:{number}\nG0 X60 Y60 Z{0.2 * (number + 1):.2f} F6000\n")
        for a, b in ((80, 60), (80, 80), (60, 80), (60, 60)):
            e += 0.8
            lines.append(f"G1 X{a} Y{b} E{e:.5f} F1200\n")
    return "".join(lines) + "M104 S0\nM140 S0\n"


def planned(text: str, layer: int, profile: PrinterProfile = PRINTER, nozzle_z_mm: float | None = None) -> Resumption:
    return plan_resume(BytesIO(text.encode()), layer, profile, confirmed=True, motors_held=True, nozzle_z_mm=nozzle_z_mm)


def resumed(text: str, layer: int, profile: PrinterProfile = PRINTER, nozzle_z_mm: float | None = None) -> str:
    stream = BytesIO(text.encode())
    plan = plan_resume(stream, layer, profile, confirmed=True, motors_held=True, nozzle_z_mm=nozzle_z_mm)
    return b"".join(plan.pieces(stream)).decode()
