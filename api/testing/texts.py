"""What the small farm in memory says in its own words; the rest is the daemon's (`farm.control_errors`)."""

from farm.errors import StoreFullError
from gcode.texts import Bilingual


def disk_full() -> StoreFullError:
    """As if the disk were full; the real one names its folder."""
    return StoreFullError(
        Bilingual("The disk of the farm is full: nothing was written.", "Le disque de la ferme est plein : rien n'a été écrit."),
        next_step=Bilingual(
            "Make room on it. The farm goes on by itself then; nodes keep their facts until it does.",
            "Libérez-y de la place. La ferme repart alors toute seule ; d'ici là, les nœuds gardent leurs faits.",
        ),
    )
