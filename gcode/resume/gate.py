"""Who may take a print up again, and at which layer."""

from itertools import pairwise
from typing import Final

from gcode.facts import GcodeFacts, LayerFacts
from gcode.profile import PrinterProfile
from gcode.resume.errors import LayerError, ResumeNotAllowedError, ResumeNotConfirmedError, unsuitable
from gcode.texts import Bilingual

SAME_MM: Final = 1e-4


def check_gate(profile: PrinterProfile, *, confirmed: bool, motors_held: bool) -> None:
    """Raises ResumeNotAllowedError or ResumeNotConfirmedError."""
    if not profile.resumes:
        raise ResumeNotAllowedError(
            Bilingual(
                f"The profile {profile.name} does not allow a print to be taken up again: print the part anew.",
                f"Le profil {profile.name} ne permet pas de reprendre une impression : imprimez la pièce de nouveau.",
            )
        )
    if not confirmed:
        raise ResumeNotConfirmedError(
            Bilingual(
                "Somebody at the printer must confirm that the part sticks to the bed and which layer is the last whole one.",
                "Une personne devant l'imprimante doit confirmer que la pièce tient au plateau et quelle couche est entière.",
            )
        )
    if not motors_held:
        raise ResumeNotConfirmedError(
            Bilingual(
                "Unless the motors held since the print stopped, the height of the nozzle is unknown: Z cannot be homed on a part.",
                "Sans moteurs tenus depuis l'arrêt, la hauteur de la buse est inconnue : pas de prise d'origine Z sur une pièce.",
            )
        )


def begin_row(facts: GcodeFacts, layer: int) -> LayerFacts:
    """The row of the layer to begin with; raises LayerError."""
    if not 2 <= layer <= len(facts.layer_table):
        most = len(facts.layer_table)
        if most < 2:
            raise LayerError(
                Bilingual(
                    f"No layer is left to go on with: the file has {most}. Print the whole file.",
                    f"Aucune couche ne reste à reprendre : le fichier en a {most}. Imprimez le fichier entier.",
                )
            )
        raise LayerError(
            Bilingual(
                f"Layer {layer} is no layer to go on with: choose 2 to {most}, or print the whole file.",
                f"La couche {layer} ne peut pas être la première : choisissez de 2 à {most}, ou imprimez le fichier entier.",
            )
        )
    return facts.layer_table[layer - 1]


def check_heights(facts: GcodeFacts) -> None:
    """Every layer above all before it: otherwise parts are printed one after another."""
    rows = facts.layer_table
    if facts.layers != len(rows):
        raise unsuitable("too-many-layers", "The file has too many layers.", "Le fichier a trop de couches.")
    if any(above.z_mm < below.z_mm + SAME_MM for below, above in pairwise(rows)):
        raise unsuitable(
            "one-after-another",
            "Several parts are printed one after another, or a layer goes down again: the nozzle would meet what stands.",
            "Plusieurs pièces sont imprimées l'une après l'autre, ou une couche redescend : la buse heurterait ce qui est debout.",
        )


def check_nozzle(nozzle_z_mm: float | None, standing_mm: float, profile: PrinterProfile) -> None:
    """Raises ResumeNotConfirmedError when the nozzle cannot be where somebody says."""
    if nozzle_z_mm is None or standing_mm - 0.05 <= nozzle_z_mm <= profile.volume.max_z:
        return
    raise ResumeNotConfirmedError(
        Bilingual(
            f"The nozzle cannot stand at {nozzle_z_mm:g} mm: {standing_mm:g} mm of the part are printed. Look again.",
            f"La buse ne peut pas être à {nozzle_z_mm:g} mm : {standing_mm:g} mm de la pièce sont imprimés. Regardez de nouveau.",
        )
    )
