"""Shared by the tests of gcode: the real files of 2020 where they are, and small programs."""

import gzip
from io import BytesIO

from gcode.profile import PrinterProfile, bundled_profiles
from tests.shared_data import shared_file

MK3S = "visor_2020_mk3s_iso838.gcode.gz"
ULTIMAKER_3 = "visor_2020_um3_888.gcode.gz"
ENDER_3 = "visor_ender3_pla.gcode.gz"

START = "M104 S200\nM140 S60\nG28\nG90\nM83\n"
END = "M104 S0\nM140 S0\n"
LINE = "G1 X10 Y10 Z0.2 F6000\nG1 X50 Y10 E2 F1200\n"
SMALL = START + LINE + END


def profile(name: str = "generic-210") -> PrinterProfile:
    return bundled_profiles()[name]


def program(text: str) -> BytesIO:
    return BytesIO(text.encode())


def real_file(name: str) -> BytesIO:
    return BytesIO(gzip.decompress(shared_file(name).read_bytes()))
