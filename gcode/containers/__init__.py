"""Files that hold a program: plain G-code, gzip, zstd, binary G-code, and the archives of slicers; docs/gcode.md lists them.

with path.open("rb") as file:
    opened = open_program(file)
    facts = read_facts(opened.stream)
"""

from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.limits import Limits
from gcode.containers.opening import OpenedProgram, open_program, recognise
from gcode.containers.pictures import RawThumbnail

__all__ = ["ContainerError", "Kind", "Limits", "OpenedProgram", "RawThumbnail", "open_program", "recognise"]
