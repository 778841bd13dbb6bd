"""`farm gcode`: what a file will do, what is wrong with it, how it looks; and programs made here. Needs no daemon."""

import typer

from farm.commands.gcode_make import clean, frame_command, resume, slice_
from farm.commands.gcode_read import check, facts, preview, profiles, thumbnail

gcode = typer.Typer(help="G-code: read it, judge it, show it, make it.", no_args_is_help=True)
for command in (facts, check, preview, thumbnail, profiles, frame_command(), resume, clean):
    gcode.command()(command)
gcode.command("slice")(slice_)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(gcode, name="gcode")
