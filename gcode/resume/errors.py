"""Why a print is not taken up again.

ResumeError
├── ResumeNotAllowedError     the profile does not say that this printer may do it
├── ResumeNotConfirmedError   nobody has confirmed what only a person at the machine can know
├── LayerError                the file has no such layer, or it is the first
├── UnsuitableError           this file cannot be cut there; `reason` says why
└── SelfCheckError            what came out is not the rest of the file: a mistake of ours, nothing is given out
"""

from gcode.texts import Bilingual, BilingualError


class ResumeError(BilingualError):
    """The print is not taken up again."""

    code = "resume"


class ResumeNotAllowedError(ResumeError):
    """The profile does not say that this printer may do it."""

    code = "resume-not-allowed"


class ResumeNotConfirmedError(ResumeError):
    """What only a person at the machine can know is not confirmed."""

    code = "resume-not-confirmed"


class LayerError(ResumeError):
    """There is no such layer to begin with."""

    code = "resume-layer"


class UnsuitableError(ResumeError):
    """The file cannot be cut there; `reason` is stable, for example "vase" or "several-tools"."""

    code = "resume-unsuitable"

    def __init__(self, reason: str, bilingual: Bilingual) -> None:
        super().__init__(bilingual)
        self.reason = reason


class SelfCheckError(ResumeError):
    """What came out is not the rest of the file."""

    code = "resume-self-check"


def unsuitable(reason: str, english: str, french: str) -> UnsuitableError:
    """An error with its stable reason and its text in both languages."""
    return UnsuitableError(reason, Bilingual(english, french))
