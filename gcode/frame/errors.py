"""What is wrong with the dimensions of a frame, in both languages."""

from gcode.texts import Bilingual, BilingualError


class FrameError(BilingualError):
    """A frame cannot be made with these dimensions, or not on this bed.

    `parameter` is the name of the dimension to change, as in `FrameDesign`, `Plate` and `frame_options` (empty: none alone is to
    blame); `value` is what was asked for.
    """

    code = "frame"

    def __init__(self, bilingual: Bilingual, *, parameter: str = "", value: object = None) -> None:
        super().__init__(bilingual)
        self.parameter = parameter
        self.value = value


def shown(value: object) -> str:
    """A value as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def not_allowed(parameter: str, value: object, meaning: Bilingual, allowed: Bilingual) -> FrameError:
    """The parameter, what it is and what it may be."""
    return FrameError(
        Bilingual(
            f"{parameter} is {shown(value)}. It is {meaning.en} and may be {allowed.en}.",
            f"{parameter} vaut {shown(value)}. C'est {meaning.fr} ; valeurs possibles : {allowed.fr}.",
        ),
        parameter=parameter,
        value=value,
    )


def between(low: float, high: float, unit: str = "mm") -> Bilingual:
    """A range in words."""
    return Bilingual(f"from {low:g} to {high:g} {unit}".strip(), f"de {low:g} à {high:g} {unit}".strip())
