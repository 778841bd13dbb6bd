"""An OctoPrint plugin of ours that answers as PSU Control does (its public API: `getPSUState`, `turnPSUOn`, `turnPSUOff`).

PSU Control itself is not in the package index. This file is copied into a test server's plugins folder and runs there, inside a
real OctoPrint with its real permissions; what it switches is a variable.
"""

import flask
import octoprint.plugin
from octoprint.access import ADMIN_GROUP
from octoprint.access.permissions import Permissions


class PowerPlugin(octoprint.plugin.SimpleApiPlugin):  # type: ignore[misc]  # OctoPrint is not in our environment
    def __init__(self) -> None:
        self._on = True

    def get_api_commands(self) -> dict[str, list[str]]:
        return {"getPSUState": [], "turnPSUOn": [], "turnPSUOff": []}

    def is_api_protected(self) -> bool:
        return True

    def on_api_get(self, request: object) -> object:
        return flask.jsonify(isPSUOn=self._on)

    def on_api_command(self, command: str, data: object) -> object:
        if command == "getPSUState":
            return flask.jsonify(isPSUOn=self._on)
        if not Permissions.PLUGIN_PSUCONTROL_CONTROL.can():
            return flask.abort(403)
        self._on = command == "turnPSUOn"
        return None

    def get_additional_permissions(self) -> list[dict[str, object]]:
        return [{"key": "CONTROL", "name": "Control", "description": "Switch", "roles": ["admin"], "default_groups": [ADMIN_GROUP]}]


__plugin_name__ = "PSU Control"
__plugin_pythoncompat__ = ">=3.7,<4"
__plugin_implementation__ = PowerPlugin()
__plugin_hooks__ = {"octoprint.access.permissions": __plugin_implementation__.get_additional_permissions}
