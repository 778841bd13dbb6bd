"""The command line: puts the commands of `farm.commands` together and turns every error of ours into one line and an exit code.

A command imports what it needs when it runs: `farm node` on a Pi Zero never loads what only `farm serve` needs.
"""

import sys
from importlib import import_module
from typing import Final

import typer

from drivers.errors import DriverError
from farm.errors import FarmError, as_typed, command_name

_MODULES: Final = ("demo", "serve", "node", "orders", "try_", "printers")

app = typer.Typer(
    name="farm",
    help="Essaim: one queue for a whole network of 3D printers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in _MODULES:
    import_module(f"farm.commands.{_module}").register(app)


def main() -> None:
    """Run `farm`; exits with 0 when done, 1 or 2 after an error that is told on standard error, 130 after Ctrl-C."""
    try:
        app(prog_name=command_name())
    except (FarmError, DriverError) as error:
        sys.stderr.write(f"farm: {as_typed(str(error))}\n")
        sys.exit(getattr(error, "exit_code", 1))
