"""Uploads beside checks of old programs, and on a machine that cannot go on."""

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from farm.daemon import programs
from farm.daemon.inspection import Found
from farm.daemon.programs import Programs
from farm.errors import FarmError
from gcode.profile import PrinterProfile
from tests.unit.farm.daemon.checked import checked
from tests.unit.farm.daemon.test_programs import REQUEST, Reader, nothing_left, opened, program, upload


@pytest.fixture
def taken_in(tmp_path: Path) -> Programs:
    return opened(tmp_path)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = Reader(checked())
    monkeypatch.setattr(programs, "inspect_apart", made)
    return made


async def test_an_upload_does_not_wait_for_an_old_program_that_is_looked_at_again(
    taken_in: Programs, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await taken_in.take(upload(taken_in, b"old"), REQUEST)
    began, killed = asyncio.Event(), 0

    async def slow_once(source: Path, plain: Path, profiles: Sequence[PrinterProfile], **told: Any) -> Found:
        nonlocal killed
        if source.parent == taken_in.library.incoming or killed:
            return await reader(source, plain, profiles, **told)
        plain.write_bytes(b"half of it")
        began.set()
        try:
            await asyncio.Event().wait()  # minutes
            raise AssertionError("nobody sets it")
        except asyncio.CancelledError:
            killed += 1
            raise

    monkeypatch.setattr(programs, "inspect_apart", slow_once)
    again = asyncio.create_task(taken_in.look_again(program(sha256=old.sha256), niceness=19))
    await began.wait()
    new = await taken_in.take(upload(taken_in, b"new"), REQUEST)
    assert new.sha256 != old.sha256
    assert (await again).sha256 == old.sha256, "it was begun anew"
    assert (killed, reader.most) == (1, 1)
    assert nothing_left(taken_in)


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EIO, "upload-failed"), (errno.EAGAIN, "upload-failed"), (errno.ENOSPC, "store-full")]
)
async def test_a_machine_that_cannot_go_on_is_told_to_who_sent_the_file(
    taken_in: Programs, reader: Reader, number: int, code: str
) -> None:
    """No process more, a disk that fails: a 500 without words, and an upload that vanishes from the list, help nobody."""
    reader.answer = OSError(number, os.strerror(number))
    with pytest.raises(FarmError) as failed:
        await taken_in.take(upload(taken_in, b"x"), REQUEST)
    assert failed.value.code == code
    assert failed.value.next_step
    assert failed.value.detail_fr != failed.value.detail
    assert nothing_left(taken_in)
    reader.answer = checked()
    assert (await taken_in.take(upload(taken_in, b"x"), REQUEST)).checked is not None, "the next one finds its turn free"
