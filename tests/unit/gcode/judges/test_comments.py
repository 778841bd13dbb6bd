"""Judges of comments."""

import pytest

from gcode.judges import comments


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("printhost_apikey = 0123456789ABCDEF", "printhost_apikey"),
        ("printhost_password = hunter2", "printhost_password"),
        ("printhost_user = anna", "printhost_user"),
        ("OCTOPRINT_API_KEY: abc", "OCTOPRINT_API_KEY"),
        ("settings; access_token=eyJ0", "access_token"),
        ("client secret = x", "secret"),
    ],
)
def test_a_secret_is_found_and_only_its_name_told(comment: str, name: str) -> None:
    wrong = comments.secret(comment)
    assert wrong is not None
    assert wrong.text == name
    assert comment.rpartition("=")[2].strip() not in wrong.text


@pytest.mark.parametrize(
    "comment",
    [
        "printhost_apikey = ",
        'printhost_apikey = ""',
        "printhost_password = none",
        "printhost_authorization_type = key",
        "host_type = octoprint",
        "LAYER:5",
        "TYPE:External perimeter",
        "the key is under the mat",
    ],
)
def test_what_holds_no_secret(comment: str) -> None:
    assert comments.secret(comment) is None


@pytest.mark.parametrize(
    ("comment", "found"), [("@pause", True), ("//action:cancel", True), ("OCTO1", True), ("at 5 @ home", False)]
)
def test_words_for_a_host(comment: str, found: bool) -> None:
    assert (comments.host_words(comment) is not None) == found
