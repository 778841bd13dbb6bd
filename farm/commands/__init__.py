"""The subcommands of `farm`, one module a noun; `farm.cli` puts them together."""
