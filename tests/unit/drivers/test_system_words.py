"""What an operating system says, in French."""

import errno
import os
import socket
import ssl

import pytest

from drivers.errors import Bilingual
from drivers.system_words import system_words


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
