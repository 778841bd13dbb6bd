"""Makers without an always-on computer: a node of their own, hosted by the daemon's process."""
