"""Secrets: passwords of nodes, invitation codes, and the pin by which a node knows the farm's certificate authority.

Standard library only, because nodes use it too; what needs `cryptography` is in `farm.certificates`.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.errors import InvalidError
from gcode.texts import Bilingual

_SECRET_BYTES: Final = 32
_HASH_ITERATIONS: Final = 101  # mosquitto's own default; a 256-bit random secret needs no slow hash, a person's password would
_SALT_BYTES: Final = 12
_CODE_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words, nothing to misread; 8 of 20 letters are 34.6 bits
_CODE_LETTERS: Final = 8
_PIN_BYTES: Final = 16
_PIN_PATTERN: Final = re.compile(r"[A-Z2-7]{26}")


# --- secrets -----------------------------------------------------------------------------------------------------------------


def new_secret() -> str:
    """256 random bits, as 43 characters that need no quoting in a URL, a file or a shell."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def hash_token(token: str) -> str:
    """What is stored of a random token that is looked up by its hash. Never for what a person chose."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def hash_password(password: str) -> str:
    """What is stored of a node's password: a line of mosquitto's password file can be made from it (`$7$`, PBKDF2-SHA512).

    About 0.1 ms. Only for passwords of `new_secret`: a person's would need a slow hash.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    return _hash_with(password, salt, _HASH_ITERATIONS)


def is_password_hash(text: str) -> bool:
    """Tell whether `text` came from `hash_password`."""
    return text.startswith("$7$") and text.count("$") == 4


def verify_password(password: str, stored: str) -> bool:
    """Tell whether `stored` is the hash of `password`, in constant time; False for anything that is no hash."""
    try:
        _, kind, iterations, salt, _digest = stored.split("$")
        expected = _hash_with(password, base64.b64decode(salt, validate=True), int(iterations))
    except ValueError:
        return False
    return kind == "7" and same(expected, stored)


def _hash_with(password: str, salt: bytes, iterations: int) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


# --- invitation codes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JoinCode:
    """What a maker types: the invitation itself, and the pin of the farm's authority when it has one of its own."""

    code: str
    pin: str | None = None

    def __str__(self) -> str:
        return f"{self.code}.{self.pin}" if self.pin else self.code


def new_code() -> str:
    """A fresh invitation code such as `BCDF-GHJK`."""
    letters = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LETTERS))
    return f"{letters[:4]}-{letters[4:]}"


def read_code(text: str) -> JoinCode:
    """Read what a maker typed: case, blanks and the hyphen do not matter.

    Raises:
        InvalidError: it cannot be a code; nothing needs to be asked.

    """
    typed, _, pin = re.sub(r"\s", "", text).upper().partition(".")
    letters = typed.replace("-", "")
    if len(letters) != _CODE_LETTERS or set(letters) - set(_CODE_ALPHABET) or (pin and not _PIN_PATTERN.fullmatch(pin)):
        raise InvalidError(
            Bilingual("This is not an invitation code.", "Ce n'est pas un code d'invitation."),
            next_step=Bilingual(
                "A code looks like BCDF-GHJK or BCDF-GHJK.<26 characters>: copy all of it.",
                "Un code ressemble à BCDF-GHJK ou à BCDF-GHJK.<26 caractères> : copiez-le en entier.",
            ),
        )
    return JoinCode(f"{letters[:4]}-{letters[4:]}", pin or None)


def certificate_pin(pem: str) -> str:
    """128 bits of the SHA-256 of a whole certificate, in base 32: what a join code carries so that the first contact is safe.

    The whole certificate and not its public key only: then a node needs nothing but the standard library, and the farm's authority
    is made once and never renewed under the same key.

    Raises:
        ValueError: no certificate.

    """
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip())).digest()
    return base64.b32encode(digest[:_PIN_BYTES]).decode().rstrip("=")


# --- files -------------------------------------------------------------------------------------------------------------------


def write_private(path: Path, text: str) -> None:
    """Write `path` whole or not at all, readable by its owner only, and on the disk when this returns.

    Nothing is written when it is there already: a full disk must not keep a program from starting with the files that it has.
    """
    if _is_there(path, text):
        return
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_there(path: Path, text: str) -> bool:
    try:
        return path.lstat().st_mode == stat.S_IFREG | 0o600 and path.read_bytes() == text.encode()
    except OSError:
        return False
