"""Which printers the farm knows, for commands that work without it too."""

from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import ValidationError

from farm.commands.client import FarmClient, ProblemError
from farm.errors import FarmError, UnreachableError
from farm.views import FarmView, NodeView, PrinterView
from gcode.texts import Bilingual

_ANOTHER_VERSION: Final = Bilingual("The daemon there is of another version.", "Ce démon est d'une autre version.")
_SAME_VERSION: Final = Bilingual("Bring both to the same version.", "Mettez les deux à la même version.")


@dataclass(frozen=True)
class Fleet:
    """The printers of the farm. `unknown` says why they are not known: no daemon answers at once, or it refuses."""

    printers: tuple[PrinterView, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    unknown: FarmError | None = None

    @classmethod
    def ask(cls, client: FarmClient) -> Self:
        """What the daemon says, if it says so at once."""
        try:
            farm = FarmView.model_validate(client.glance("/farm"))
        except (UnreachableError, ProblemError) as error:
            return cls(unknown=error)
        except ValidationError:
            return cls(unknown=UnreachableError(_ANOTHER_VERSION, next_step=_SAME_VERSION))
        return cls(tuple(farm.printers), tuple(farm.nodes))

    def called(self, name: str, driver: str) -> list[PrinterView]:
        """The printers with this name and kind of driver."""
        return [one for one in self.printers if one.driver == driver and one.name.casefold() == name.casefold()]

    def node_of(self, printer: PrinterView) -> str:
        """What people call the printer's node."""
        return next((node.name for node in self.nodes if node.id == printer.node), printer.node)

    def record(self, printer: PrinterView) -> dict[str, Any]:
        """The printer for programs."""
        state = printer.state.value if printer.online else "offline"
        return {"id": printer.id, "name": printer.name, "node": self.node_of(printer), "state": state}
