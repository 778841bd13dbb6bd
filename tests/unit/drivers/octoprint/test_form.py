import hashlib
import io
import threading

import pytest

from drivers.errors import TransferError
from drivers.octoprint.form import UploadForm


def form_of(content: bytes, size_bytes: int | None = None, stop: threading.Event | None = None) -> UploadForm:
    size = len(content) if size_bytes is None else size_bytes
    return UploadForm(io.BytesIO(content), size, folder="farm", name="job-1.gcode", job="job-1", stop=stop or threading.Event())


def test_it_is_a_form_of_the_length_it_says() -> None:
    content = bytes(range(256)) * 1000
    form = form_of(content)
    body = b"".join(form)
    assert len(body) == len(form)
    boundary = form.content_type.partition("boundary=")[2].encode()
    assert body.endswith(b"\r\n--" + boundary + b"--\r\n")
    parts = body.split(b"--" + boundary)
    assert len(parts) == 7  # before, four fields, the file, the end
    assert b'name="print"\r\n\r\nfalse' in body
    assert b'name="path"\r\n\r\nfarm' in body
    assert b'name="userdata"\r\n\r\n{"job": "job-1"}' in body
    assert parts[5].partition(b"\r\n\r\n")[2] == content + b"\r\n"
    assert form.sha1 == hashlib.sha1(content).hexdigest()


def test_a_file_that_grows_is_sent_as_it_was() -> None:
    form = form_of(b"G28\nG29\n", size_bytes=4)
    assert b"G29" not in b"".join(form)
    assert form.sha1 == hashlib.sha1(b"G28\n").hexdigest()


def test_a_file_that_shrinks_is_an_error() -> None:
    with pytest.raises(TransferError, match="shorter"):
        b"".join(form_of(b"G28\n", size_bytes=10))


def test_it_can_be_stopped() -> None:
    stop = threading.Event()
    form = form_of(b"x" * 200_000, stop=stop)
    assert form.read(16_384)
    stop.set()
    with pytest.raises(TransferError, match="given up"):
        form.read(16_384)


def test_it_never_reads_more_than_asked() -> None:
    form = form_of(b"x" * 200_000)
    form.read(16_384)
    assert len(form.read(16_384)) == 16_384
    assert len(form.read(-1)) == 65_536


def test_commands_are_counted_and_comments_are_not() -> None:
    form = form_of(b"G28\n; a comment\nG1 X1\n;another\nG1 X2\n")
    while form.read():
        pass
    assert form.commands == 3


def test_an_upload_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.octoprint.form._LONGEST_S", -1.0)
    with pytest.raises(TransferError, match="given up") as caught:
        form_of(b"G28\n").read()
    assert caught.value.detail_fr != caught.value.detail
