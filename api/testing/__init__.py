"""A small farm in memory, for tests of everything that stands on `farm.control.Control`: routes, live updates, command line, page.

control = MemoryControl(folder)
control.add_printer("prn-1", "Atelier 1")
app = create_app(control=control)
"""

from api.testing.control import MemoryControl
from api.testing.people import MemoryPeople

__all__ = ["MemoryControl", "MemoryPeople"]
