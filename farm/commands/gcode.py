"""`farm gcode`: what a file will do, what is wrong with it, how it looks; and programs made here. Needs no daemon."""

from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from farm.commands.gcode_read import check, facts, preview, profiles, thumbnail

_ORDER: Final = ("facts", "check", "preview", "thumbnail", "profiles", "frame", "resume", "clean", "slice")


def _makers() -> dict[str, Any]:
    """The commands that make programs."""
    from farm.commands.gcode_make import clean, frame_command, resume, slice_  # noqa: PLC0415 - twice as much as reading loads

    making = typer.Typer(rich_markup_mode=None)
    for command in (frame_command(), resume, clean):
        making.command()(command)
    making.command("slice")(slice_)
    return dict(get_group(making).commands)


class _Commands(TyperGroup):
    """Those that read are there at once, those that make only when one of them is asked for, or all."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            made = _makers()
            for command in made.values():
                command.context_class = self.context_class  # in the language of the others
            self.commands.update(made)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        self.get_command(ctx, _ORDER[-1])
        return list(_ORDER)


gcode = typer.Typer(cls=_Commands, help="G-code: read it, judge it, show it, make it.", no_args_is_help=True)
for reader in (facts, check, preview, thumbnail, profiles):
    gcode.command()(reader)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(gcode, name="gcode")
