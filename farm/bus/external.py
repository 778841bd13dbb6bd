"""Brokers of somebody else, by URL. Their operator makes the users, by hand or from the file that the farm keeps for that."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from farm.bus import users
from farm.bus.client import Login
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError
from farm.keys import hash_password, verify_password
from farm.language import system_words
from gcode.texts import Bilingual, Told

__all__ = ["ExternalBroker", "external_broker"]

_OPERATORS: Final = Bilingual("its operator makes the users", "son exploitant crée les utilisateurs")


class ExternalBroker:
    """Somebody else's brokers (configs/mosquitto/README.md).

    Args:
        urls: where the daemon and the nodes reach them.
        login: the daemon's own.
        users_file: where all users are written, as mosquitto's password file, whenever one comes or goes; the brokers' operator has
            the brokers read it again. None: the operator makes the users, and nobody can join by code.

    """

    def __init__(self, urls: list[str], login: Login, users_file: Path | None = None) -> None:
        self.urls = urls
        self.login = login
        self._file = users_file
        self._users: dict[str, str] = {}
        self._changing = asyncio.Lock()

    @property
    def serves_joined_nodes(self) -> bool:
        """Whether a node that joins becomes a user there."""
        return self._file is not None

    def describe(self) -> Told:
        """Which brokers they are and why."""
        whose = _OPERATORS
        if self._file:
            whose = Bilingual(f"their users are those of {self._file}", f"leurs utilisateurs sont ceux de {self._file}")
        where = ", ".join(self.urls)
        return Told(
            "broker",
            f"external {where} ([broker] kind in farm.toml); {whose.en}",
            f"externe {where} ([broker] kind dans farm.toml) ; {whose.fr}",
        )

    async def set_credentials(self, credentials: Mapping[str, str]) -> None:
        """Write exactly these users beside the daemon; nothing without a file.

        Raises:
            InvalidError: a user name that could mean more than itself.
            ConfigurationError: the file cannot be written.

        """
        await self._change(dict(credentials), keep=False)

    async def add(self, username: str, password: str) -> None:
        """Write one more user. It works as soon as the brokers have read the file again; nodes try until then.

        Raises:
            ConflictError: there is no file.
            InvalidError: a bad user name.
            ConfigurationError: the file cannot be written.

        """
        if self._file is None:
            raise ConflictError(
                Bilingual(
                    "The farm cannot make users on an external broker.",
                    "La ferme ne peut pas créer d'utilisateurs sur un courtier externe.",
                ),
                next_step=Bilingual(
                    "Set users_file in [broker] of farm.toml and have the broker read that file "
                    '(configs/mosquitto/README.md), or set kind = "mosquitto".',
                    "Indiquez users_file dans [broker] de farm.toml et faites lire ce fichier au courtier "
                    '(configs/mosquitto/README.md), ou mettez `kind = "mosquitto"`.',
                ),
                code="external-broker",
            )
        await self._change({username: password}, keep=True)

    async def remove(self, username: str) -> None:
        """Take one user out of the file."""
        async with self._changing:
            self._users.pop(username, None)
            await self._write()

    async def close(self) -> None:
        """Nothing: they are not ours."""

    async def _change(self, credentials: dict[str, str], *, keep: bool) -> None:
        if self._file is None:
            return
        async with self._changing:
            daemon = self.login.username
            fresh = await asyncio.to_thread(users.hashed, credentials, daemon=daemon)
            if daemon not in self._users:
                known = (await asyncio.to_thread(users.read_users, self._file)).get(daemon, "")
                kept = verify_password(self.login.password, known)  # then the file need not be written again
                self._users[daemon] = known if kept else await asyncio.to_thread(hash_password, self.login.password)
            self._users = {**(self._users if keep else {daemon: self._users[daemon]}), **fresh}
            await self._write()

    async def _write(self) -> None:
        if self._file is None:
            return
        try:
            await asyncio.to_thread(users.write_users, self._file, self._users)
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"The users of the broker cannot be written to {self._file}: {error.strerror}.",
                    f"Impossible d'écrire les utilisateurs du courtier dans {self._file} : {system_words(error).fr}.",
                ),
                next_step=Bilingual(
                    "Check users_file in [broker] of farm.toml.", "Vérifiez users_file dans [broker] de farm.toml."
                ),
            ) from error


def external_broker(section: BrokerSection) -> ExternalBroker:
    """The brokers that `section` names.

    Raises:
        ConfigurationError: `urls` or `password_file` is missing, or that file cannot be read.

    """
    if not section.urls or section.password_file is None:
        raise ConfigurationError(
            Bilingual(
                '[broker] kind is "external", but urls or password_file is missing.',
                "[broker] kind demande un courtier externe, mais urls ou password_file manque.",
            ),
            next_step=Bilingual("Set both in farm.toml.", "Indiquez les deux dans farm.toml."),
        )
    try:
        password = section.password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Bilingual(
                f"The password file {section.password_file} cannot be read: {error}.",
                f"Impossible de lire le fichier du mot de passe {section.password_file} : {system_words(error).fr}.",
            ),
            next_step=Bilingual("Check password_file in [broker].", "Vérifiez password_file dans [broker]."),
        ) from error
    return ExternalBroker(list(section.urls), Login(section.username, password), section.users_file)
