"""What an operating system says of a file, a port or a network, which is English, in both languages."""

import errno
from typing import Final

from drivers.errors import Bilingual

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
