"""Makes visor frames for any bed, without a slicer: programs for a printer profile, or solids as STL."""

from gcode.frame.headband import FrameDesign, FrameError, default_design
from gcode.frame.program import frame_gcode, frame_lines, frame_program, frame_stl

__all__ = ["FrameDesign", "FrameError", "default_design", "frame_gcode", "frame_lines", "frame_program", "frame_stl"]
