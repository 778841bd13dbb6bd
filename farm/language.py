"""In which of our two languages a person reads at this terminal, and what an operating system says, which is English, in French."""

import errno
import os
from typing import Final

from drivers.errors import Bilingual, DriverError
from farm.errors import FarmError

# what a person meets: no room, no right, no network. Numbers of POSIX
_SYSTEM_FR: Final = {
    errno.ENOENT: "ce fichier ou dossier n'existe pas",
    errno.EACCES: "accès refusé",
    errno.EPERM: "ce n'est pas permis",
    errno.ENOSPC: "il n'y a plus de place sur le disque",
    errno.EDQUOT: "il n'y a plus de place pour cet utilisateur sur le disque",
    errno.EROFS: "le disque est en lecture seule",
    errno.EIO: "le disque ne répond pas comme il faut",
    errno.ENOTDIR: "ce n'est pas un dossier",
    errno.EISDIR: "c'est un dossier",
    errno.EEXIST: "cela existe déjà",
    errno.ECONNREFUSED: "connexion refusée",
    errno.ECONNRESET: "connexion coupée",
    errno.EHOSTUNREACH: "machine injoignable",
    errno.ENETUNREACH: "réseau injoignable",
    errno.ENETDOWN: "le réseau ne fonctionne pas",
    errno.ETIMEDOUT: "pas de réponse à temps",
    errno.EADDRINUSE: "un autre programme a déjà ce port",
    errno.EADDRNOTAVAIL: "cette adresse n'est pas à cette machine",
}


def speaks_french() -> bool:
    """Whether the locale of the messages is French; as in POSIX the first of these variables that is not empty decides."""
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((value for value in named if value), "").lower().startswith("fr")


def spoken(text: Bilingual) -> str:
    """The text in the person's language."""
    return text.fr if speaks_french() else text.en


def system_words(error: Exception) -> Bilingual:
    """Why the operating system refuses (an OSError), without a full stop; what has no French here stands as it was said."""
    import socket  # noqa: PLC0415 - eight modules, which most commands need for no error of theirs

    names_fr = {  # of hosts: numbers of getaddrinfo (RFC 3493)
        socket.EAI_NONAME: "ce nom est inconnu",
        socket.EAI_AGAIN: "ce nom ne peut pas être cherché en ce moment",
    }
    english = getattr(error, "strerror", None) or str(error) or type(error).__name__
    french = names_fr if isinstance(error, socket.gaierror) else _SYSTEM_FR
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else getattr(error, "errno", None) or 0
    if hasattr(error, "library"):  # an ssl.SSLError, whose numbers are not those of the system
        number = 0
    return Bilingual(english, french.get(number, english))


def told(error: Exception) -> str:
    """What is wrong and what to do next, in the person's language where the error has it."""
    return spoken(error.bilingual) if isinstance(error, DriverError | FarmError) else str(error)
