"""What the key's OctoPrint user has to be allowed, what it may be allowed besides, and what it had better not be.

The names are OctoPrint's (`GET /api/currentuser` lists them); a plugin's begin with PLUGIN_ and exist only where it is installed.
"""

from typing import Final

from drivers.base import Capability
from drivers.errors import AuthenticationError, Bilingual

# The smallest set with which a print works, measured with 1.11.8. FILES_DELETE is needed for overwriting too.
PERMISSIONS: Final = frozenset(
    {"STATUS", "CONNECTION", "FILES_LIST", "FILES_UPLOAD", "FILES_SELECT", "FILES_DELETE", "PRINT", "CONTROL"}
)
ALL: Final = "ADMIN"
CAMERA: Final = "WEBCAM"
TERMINAL: Final = "MONITOR_TERMINAL"
POWER: Final = "PLUGIN_PSUCONTROL_CONTROL"
QUESTIONS: Final = "PLUGIN_ACTION_COMMAND_PROMPT_INTERACT"
# What each of these adds, measured with 1.11.8 but for PSU Control, whose source says so.
OPTIONAL: Final[dict[str, Capability]] = {
    CAMERA: Capability.SNAPSHOT,
    TERMINAL: Capability.CONSOLE,
    POWER: Capability.POWER,
    QUESTIONS: Capability.PROMPTS,
}
# With one of these a stolen key gives the whole machine, not only its printer.
TOO_MUCH: Final = frozenset(
    {"ADMIN", "SETTINGS", "SYSTEM", "PLUGIN_APPKEYS_ADMIN", "PLUGIN_PLUGINMANAGER_INSTALL", "PLUGIN_PLUGINMANAGER_MANAGE"}
)


def missing(wanted: frozenset[str], allowed: frozenset[str]) -> list[str]:
    """Which of the wanted permissions are not there, sorted. An administrator has all."""
    return [] if ALL in allowed else sorted(wanted - allowed)


def lacking(wanted: frozenset[str], allowed: frozenset[str]) -> None:
    """Do nothing when all wanted permissions are there.

    Raises:
        AuthenticationError: some are not; it names them.

    """
    if names := ", ".join(missing(wanted, allowed)):
        raise AuthenticationError(
            Bilingual(
                f"The key's OctoPrint user lacks permissions: {names}.",
                f"L'utilisateur de la clé n'a pas ces droits : {names}.",
            ),
            next_step=Bilingual(
                "Give them to that user in OctoPrint (Settings > Access Control).",
                "Donnez-les à cet utilisateur dans OctoPrint (Settings > Access Control).",
            ),
        )


def capabilities_by(allowed: frozenset[str]) -> frozenset[Capability]:
    """What the permissions add to what every OctoPrint printer can do."""
    return frozenset(capability for name, capability in OPTIONAL.items() if name in allowed or ALL in allowed)


def too_many(allowed: frozenset[str]) -> list[str]:
    """Which permissions a printing key had better not have, sorted."""
    return sorted(TOO_MUCH & allowed)
