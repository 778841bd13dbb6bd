"""Tests of gcode.rules."""
