"""Encryption of the connection to OctoPrint: whom to trust, and what a refused certificate means in words."""

import ssl
from pathlib import Path
from typing import Any, Final

from drivers.errors import AddressError, Bilingual, UnreachableError
from drivers.octoprint.reach import hurry
from drivers.system_words import system_words

_CA_STEP: Final = Bilingual(
    "Name the file of its certificate authority with ca_file=, or use octoprint+http:// in a network you trust.",
    "Donnez le fichier de son autorité de certification avec ca_file=, ou utilisez octoprint+http:// sur un réseau de confiance.",
)
_RENEW_STEP: Final = Bilingual(
    "Renew the certificate on OctoPrint's machine, and check both machines' clocks.",
    "Renouvelez le certificat sur la machine d'OctoPrint et vérifiez l'horloge des deux machines.",
)
_NAME_STEP: Final = Bilingual(
    "Write the name that is in the certificate into the printer's URL, or make a certificate for this name.",
    "Écrivez dans l'URL de l'imprimante le nom qui est dans le certificat, ou faites un certificat pour ce nom.",
)
_PLAIN_STEP: Final = Bilingual(
    "Check the port, or begin the printer's URL with octoprint+http://.",
    "Vérifiez le port, ou commencez l'URL de l'imprimante par octoprint+http://.",
)
_NO_CERTIFICATE: Final = Bilingual("no certificate in it", "il ne contient pas de certificat")
_EXPIRED: Final = Bilingual("OctoPrint's certificate has expired.", "Le certificat d'OctoPrint a expiré.")
_TOO_NEW: Final = Bilingual("OctoPrint's certificate is not valid yet.", "Le certificat d'OctoPrint n'est pas encore valable.")
_SELF: Final = Bilingual(
    "OctoPrint's certificate is signed by nobody but itself.", "Le certificat d'OctoPrint n'est signé que par lui-même."
)
_NAME: Final = Bilingual("OctoPrint's certificate is for another name.", "Le certificat d'OctoPrint est pour un autre nom.")
_PLACE: Final = Bilingual(
    "OctoPrint's certificate is for another address.", "Le certificat d'OctoPrint est pour une autre adresse."
)
_UNKNOWN: Final = Bilingual(
    "OctoPrint's certificate is signed by an authority that we do not trust.",
    "Le certificat d'OctoPrint est signé par une autorité inconnue.",
)
_PLAIN: Final = Bilingual(
    "The encrypted connection to OctoPrint failed: what answers speaks no TLS.",
    "La connexion chiffrée à OctoPrint a échoué : ce qui répond ne parle pas TLS.",
)
# X509_V_ERR_* of OpenSSL's x509_vfy.h
_TROUBLES: Final[dict[int, tuple[Bilingual, Bilingual]]] = {
    9: (_TOO_NEW, _RENEW_STEP),
    10: (_EXPIRED, _RENEW_STEP),
    18: (_SELF, _CA_STEP),
    62: (_NAME, _NAME_STEP),
    64: (_PLACE, _NAME_STEP),
}


class LimitedTlsSocket(ssl.SSLSocket):
    """What `reach.LimitedSocket` is, over TLS."""

    deadline_s: float = float("inf")
    left_bytes: float = float("inf")

    def recv_into(self, buffer, nbytes: int | None = None, flags: int = 0) -> int:  # type: ignore[no-untyped-def]  # as in reach.py
        """Receive, or raise TimeoutError when time or bytes are used up."""
        hurry(self, self.deadline_s, self.left_bytes)
        count = super().recv_into(buffer, nbytes, flags)
        self.left_bytes -= count
        return count

    def getpeername(self) -> Any:
        """Its address, None when it has gone away: then the handshake fails, which closes us. ssl asks before, and would not."""
        try:
            return super().getpeername()
        except OSError:
            return None


def context_for(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the authorities in `ca_file` and no others; None: those of this system. Blocks (reads the files).

    Raises:
        AddressError: `ca_file` cannot be read or holds no certificate.

    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        why = _NO_CERTIFICATE if isinstance(error, ssl.SSLError) else system_words(error)
        detail = Bilingual(
            f"The certificate authority's file {ca_file} cannot be used: {why.en}.",
            f"Le fichier d'autorité de certification {ca_file} est inutilisable : {why.fr}.",
        )
        step = Bilingual(
            "Write the authority's certificate into it, in PEM format.", "Mettez-y le certificat de l'autorité, au format PEM."
        )
        raise AddressError(detail, next_step=step) from error
    context.sslsocket_class = LimitedTlsSocket
    return context


def trouble(error: BaseException) -> UnreachableError:
    """What an `ssl.SSLError` means for the printer's owner."""
    detail, next_step = _PLAIN, _PLAIN_STEP
    if isinstance(error, ssl.SSLCertVerificationError):
        detail, next_step = _TROUBLES.get(error.verify_code, (_UNKNOWN, _CA_STEP))
    return UnreachableError(detail, next_step=next_step)
