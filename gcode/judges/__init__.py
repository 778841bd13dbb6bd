"""One small function a rule: what is wrong with a line, a move or a file on a class of printers. `gcode.rules` has the table."""
