"""Tests of the maker of visor frames."""
