import pytest

from drivers.virtual.faults import Faults, Noise
from drivers.virtual.flavours import FLAVOURS
from drivers.virtual.voice import LARGEST_OUTPUT_BYTES, Voice


def voice(faults: Faults | None = None, flavour: str = "marlin-2.1") -> Voice:
    found = Voice(FLAVOURS[flavour], Noise(7))
    found.faults = faults or Faults()
    return found


def oks(spoken: Voice, count: int = 3) -> list[bytes]:
    for _ in range(count):
        spoken.ok("", 1.0, numbered=True)
    return spoken.take().splitlines()


def test_takes_everything_once() -> None:
    spoken = voice()
    spoken.say("start")
    assert spoken.take() == b"start\n"
    assert spoken.take() == b""


def test_lines_end_as_the_firmware_ends_them() -> None:
    spoken = voice(flavour="repetier")
    spoken.say("wait")
    assert spoken.take() == b"wait\r\n"


def test_says_no_more_than_a_megabyte_to_nobody() -> None:
    spoken = voice()
    for _ in range(100):
        spoken.say("x" * 100_000)
    assert len(spoken.take()) < LARGEST_OUTPUT_BYTES + 200_000


def test_lost_and_doubled_oks() -> None:
    assert oks(voice(Faults(lose_oks=2))) == [b"ok"]
    assert oks(voice(Faults(double_oks=1)), 2) == [b"ok", b"ok", b"ok"]


def test_a_silent_line_has_a_number() -> None:
    spoken = voice(Faults(silent_lines=1))
    spoken.ok("", 0.0, numbered=False)
    assert spoken.take() == b"ok\n"
    spoken.ok("", 0.0, numbered=True)
    assert spoken.take() == b""
    assert oks(spoken, 1) == [b"ok"]


def test_a_corrupt_ok_is_none_and_is_one_line() -> None:
    for seed in range(50):
        spoken = Voice(FLAVOURS["marlin-2.1"], Noise(seed))
        spoken.faults = Faults(corrupt_oks=1)
        first, second = oks(spoken, 2)
        assert len(first) == 2
        assert first != b"ok"
        assert second == b"ok"


def test_a_late_ok_comes_later_and_behind_what_was_said_meanwhile() -> None:
    spoken = voice(Faults(late_oks=1, late_ok_s=5.0))
    spoken.ok("", 1.0, numbered=True)
    assert spoken.late_s == 6.0
    spoken.say("meanwhile")
    spoken.advance(5.9)
    assert spoken.take() == b"meanwhile\n"
    spoken.advance(6.0)
    assert spoken.take() == b"ok\n"
    assert spoken.late_s == float("inf")


def test_a_reset_forgets_late_oks() -> None:
    spoken = voice(Faults(late_oks=1))
    spoken.ok("", 1.0, numbered=True)
    spoken.forget()
    spoken.advance(100.0)
    assert spoken.take() == b""


def test_resend_and_its_faults() -> None:
    spoken = voice()
    spoken.resend(7)
    assert spoken.take() == b"Resend: 7\nok\n"
    spoken.faults = Faults(misnumber_resends=1, misnumber_by=100)
    spoken.resend(7)
    spoken.resend(7)
    assert spoken.take() == b"Resend: 107\nok\nResend: 7\nok\n"
    spoken.faults = Faults(corrupt_resends=1)
    spoken.resend(7)
    word, ok = spoken.take().split(b"\n")[:2]
    assert word.endswith(b": 7")
    assert not word.startswith(b"Resend")
    assert ok == b"ok"


@pytest.mark.parametrize("kind", ["flip", "drop"])
def test_noise_on_the_way_out(kind: str) -> None:
    spoken = voice(Faults(noise_out=0.2, noise_kind=kind))
    spoken.say("echo: " + "x" * 500)
    said = spoken.take()
    assert (len(said) == 507) is (kind == "flip")
    assert said != b"echo: " + b"x" * 500 + b"\n"
