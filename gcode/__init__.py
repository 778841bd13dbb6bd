"""Understands files: reads G-code, knows what it will do, checks it against a printer profile, and makes visor frames."""
