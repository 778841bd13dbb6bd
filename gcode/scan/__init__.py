"""Reads a G-code file in columns: the daemon's fast engine (NumPy, and a compiled kernel where there is one). Never on a node."""
