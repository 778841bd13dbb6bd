"""Which language a person reads."""

import errno
import os
import socket
import ssl
import subprocess
import sys

import pytest

from drivers.errors import Bilingual, UnreachableError
from farm.errors import InvalidError
from farm.language import speaks_french, spoken, system_words, told
from gcode.texts import told as words

TEXT = Bilingual("Good.", "Bien.")


@pytest.mark.parametrize(
    ("variables", "french"),
    [
        ({}, False),
        ({"LANG": "fr_CH.UTF-8"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, True),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "FR"}, True),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": ""}, True),
    ],
)
def test_the_first_variable_that_says_something_decides(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], french: bool
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert speaks_french() is french
    assert spoken(TEXT) == (TEXT.fr if french else TEXT.en)


def test_an_error_is_told_in_this_persons_language_where_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = UnreachableError(Bilingual("Nobody.", "Personne."), next_step=Bilingual("Look.", "Regardez."))
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert told(silent) == "Personne. Regardez."
    assert told(InvalidError(words("Too long."), next_step=words("Cut it."))) == "Too long. Cut it."
    ours = InvalidError(Bilingual("Too long.", "Trop long."), next_step=Bilingual("Cut it.", "Coupez."))
    assert told(ours) == "Trop long. Coupez."
    assert told(ValueError("no")) == "no"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert told(ours) == "Too long. Cut it."
    assert told(silent) == "Nobody. Look."


@pytest.mark.parametrize(
    ("error", "english", "french"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device", "il n'y a plus de place sur le disque"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Connection refused", "connexion refusée"),
        (TimeoutError("timed out"), "timed out", "pas de réponse à temps"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known", "ce nom est inconnu"),
        (OSError(errno.EXDEV, "Invalid cross-device link"), "Invalid cross-device link", "Invalid cross-device link"),
        (OSError(), "OSError", "OSError"),
        (OSError("no number"), "no number", "no number"),
    ],
)
def test_what_the_system_says_is_told_in_french_where_people_meet_it(error: OSError, english: str, french: str) -> None:
    assert system_words(error) == Bilingual(english, french)


def test_the_numbers_of_names_and_of_files_are_not_mixed_up() -> None:
    assert system_words(socket.gaierror(errno.ENOENT, "A name.")).fr == "A name."


def test_the_numbers_of_tls_are_not_those_of_the_system() -> None:
    end = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    with pytest.raises(ssl.SSLWantReadError) as caught:
        end.do_handshake()
    assert caught.value.errno == errno.ENOENT
    assert system_words(caught.value).fr == caught.value.strerror


def test_what_only_an_error_needs_is_not_loaded() -> None:
    code = "import sys, farm.cli; sys.exit(bool({'socket', 'select', 'typer', 'pydantic'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
