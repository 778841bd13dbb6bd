"""Decides: who may make how much of what. Pure: a function of (state, event, now), no I/O, no clock, no random."""
