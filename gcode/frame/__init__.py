"""Makes visor frames for any bed, without a slicer: programs for a printer profile, or solids as STL.

`make_frame` is all that most callers need; `design_from` and `plate_from` make its arguments from names and figures.
"""

from gcode.frame.bodies import frame_stl
from gcode.frame.design import FrameDesign, default_design
from gcode.frame.errors import FrameError
from gcode.frame.holes import HOLE_STANDARDS, HoleStandard
from gcode.frame.options import FrameOption, design_from, frame_options, plate_from
from gcode.frame.plate import Adhesion, Plate
from gcode.frame.program import fitted, frame_gcode, frame_lines, frame_program, make_frame

__all__ = [
    "HOLE_STANDARDS",
    "Adhesion",
    "FrameDesign",
    "FrameError",
    "FrameOption",
    "HoleStandard",
    "Plate",
    "default_design",
    "design_from",
    "fitted",
    "frame_gcode",
    "frame_lines",
    "frame_options",
    "frame_program",
    "frame_stl",
    "make_frame",
    "plate_from",
]
