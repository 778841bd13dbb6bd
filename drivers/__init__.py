"""Talks to one printer: one package for each kind of machine, one small contract (`drivers.base`) for all."""
