"""The source of an OctoPrint plugin of ours that answers as PSU Control does (`getPSUState`, `turnPSUOn`, `turnPSUOff`).

PSU Control itself is not in the package index. This is written into a test server's plugins folder and runs there, inside a real
OctoPrint with its real permissions; what it switches is a variable.
"""

from typing import Final

PLUGIN: Final = """\
import flask
import octoprint.plugin
from octoprint.access import ADMIN_GROUP
from octoprint.access.permissions import Permissions


class PowerPlugin(octoprint.plugin.SimpleApiPlugin):
    def __init__(self):
        self._on = True

    def get_api_commands(self):
        return {"getPSUState": [], "turnPSUOn": [], "turnPSUOff": []}

    def is_api_protected(self):
        return True

    def on_api_get(self, request):
        return flask.jsonify(isPSUOn=self._on)

    def on_api_command(self, command, data):
        if command == "getPSUState":
            return flask.jsonify(isPSUOn=self._on)
        if not Permissions.PLUGIN_PSUCONTROL_CONTROL.can():
            return flask.abort(403)
        self._on = command == "turnPSUOn"
        return None

    def get_additional_permissions(self):
        return [{"key": "CONTROL", "name": "Control", "description": "Switch", "roles": ["admin"], "default_groups": [ADMIN_GROUP]}]


__plugin_name__ = "PSU Control"
__plugin_pythoncompat__ = ">=3.7,<4"
__plugin_implementation__ = PowerPlugin()
__plugin_hooks__ = {"octoprint.access.permissions": __plugin_implementation__.get_additional_permissions}
"""
