"""Brings a database of any earlier version up to date: expand first, contract one release later (docs/decisions/0003).

Alembic is loaded only when there is something to do, so that an ordinary start does not pay for it.
"""

from typing import Final

from sqlalchemy import Connection, inspect, text

from farm.errors import ConfigurationError
from gcode.texts import Bilingual

HEAD: Final = "0004"  # the newest script in versions/; a test compares


def current(connection: Connection) -> str | None:
    """The version of the database; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if version is None else str(version)


def upgrade(connection: Connection) -> None:
    """Run the scripts that are missing, inside the caller's transaction.

    Raises:
        ConfigurationError: the database was written by a newer Essaim.

    """
    version = current(connection)
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise ConfigurationError(
            Bilingual(
                f"The database has version {version}; this Essaim knows versions up to {HEAD}.",
                f"La base de données est en version {version} ; cet Essaim connaît les versions jusqu'à {HEAD}.",
            ),
            next_step=Bilingual(
                "Start the newer Essaim again, or restore a backup of this version.",
                "Relancez l'Essaim plus récent, ou restaurez une sauvegarde de cette version.",
            ),
        )
    from alembic import command  # noqa: PLC0415 - see the module docstring
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "farm.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
