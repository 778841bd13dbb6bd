import pytest

from drivers.base import Capability
from drivers.errors import AuthenticationError
from drivers.octoprint.permissions import PERMISSIONS, capabilities_by, lacking, missing, too_many


def test_the_smallest_set_lacks_nothing_and_is_not_too_much() -> None:
    assert missing(PERMISSIONS, PERMISSIONS) == []
    assert too_many(PERMISSIONS) == []
    assert capabilities_by(PERMISSIONS) == frozenset()


def test_what_is_missing_is_named_in_both_languages() -> None:
    with pytest.raises(AuthenticationError, match="FILES_UPLOAD, PRINT") as caught:
        lacking(PERMISSIONS, PERMISSIONS - {"PRINT", "FILES_UPLOAD"})
    assert "FILES_UPLOAD, PRINT" in caught.value.detail_fr
    assert caught.value.detail_fr != caught.value.detail
    lacking(PERMISSIONS, PERMISSIONS | {"SLICE"})


def test_an_administrator_lacks_nothing_but_has_too_much() -> None:
    admin = frozenset({"ADMIN"})
    assert missing(PERMISSIONS, admin) == []
    assert too_many(admin | {"SYSTEM"}) == ["ADMIN", "SYSTEM"]
    assert Capability.CONSOLE in capabilities_by(admin)


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("WEBCAM", Capability.SNAPSHOT),
        ("MONITOR_TERMINAL", Capability.CONSOLE),
        ("PLUGIN_PSUCONTROL_CONTROL", Capability.POWER),
        ("PLUGIN_ACTION_COMMAND_PROMPT_INTERACT", Capability.PROMPTS),
    ],
)
def test_each_further_permission_adds_what_it_is_for(name: str, capability: Capability) -> None:
    assert capabilities_by(PERMISSIONS | {name}) == {capability}
