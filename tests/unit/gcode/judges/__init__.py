"""Tests of gcode.judges."""
