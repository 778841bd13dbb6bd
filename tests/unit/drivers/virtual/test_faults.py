import pytest

from drivers.virtual.faults import Faults, LineFaults, Noise
from drivers.virtual.receiver import checksum


def differing(before: bytes, after: bytes) -> int:
    return sum(one != other for one, other in zip(before, after, strict=False))


def test_no_noise_changes_nothing() -> None:
    assert Noise(1).spoil(b"N1 G90*17\n", 0.0) == b"N1 G90*17\n"
    assert Noise(1).spoil(b"", 0.5) == b""


@pytest.mark.parametrize("ratio", [0.001, 0.02, 0.3])
def test_about_the_asked_share_of_bytes_is_spoilt(ratio: float) -> None:
    noise = Noise(7)
    rounds, size = 400, 500
    clean = b"\xaa" * size
    flipped = lost = 0
    for _ in range(rounds):
        spoilt = noise.spoil(clean, ratio)
        lost += size - len(spoilt)
        flipped += len(spoilt) - spoilt.count(0xAA)
    total = rounds * size
    assert (flipped + lost) / total == pytest.approx(ratio, rel=0.25)
    assert flipped / (flipped + lost) == pytest.approx(0.75, abs=0.12)


def test_everything_is_spoilt_at_one() -> None:
    spoilt = Noise(3).spoil(b"\xaa" * 1000, 1.0)
    assert 0xAA not in spoilt
    assert 600 < len(spoilt) < 900


def test_same_seed_same_noise() -> None:
    text = b"G1 X1 Y2 E3\n" * 50
    assert Noise(5).spoil(text, 0.05) == Noise(5).spoil(text, 0.05)
    assert Noise(5).spoil(text, 0.05) != Noise(6).spoil(text, 0.05)
    assert differing(text, Noise(5).spoil(text, 0.05)) > 0


def test_noise_of_one_kind() -> None:
    clean = b"\xaa" * 5000
    assert len(Noise(3).spoil(clean, 0.1, "flip")) == 5000
    dropped = Noise(3).spoil(clean, 0.1, "drop")
    assert len(dropped) < 4800
    assert set(dropped) == {0xAA}


LINES = b"N1 G1 X1*96\nM105\nN2 G1 X2*96\n"


def spoilt(faults: LineFaults, data: bytes = LINES) -> bytes:
    return Noise(5).spoil_lines(data, faults)


def test_merged_lines() -> None:
    faults = LineFaults(merge=1)
    assert spoilt(faults) == b"N1 G1 X1*96M105\nN2 G1 X2*96\n"
    assert not faults.any


def test_cut_numbers() -> None:
    faults = LineFaults(cut=2)
    assert spoilt(faults) == b"G1 X1*96\nM105\nG1 X2*96\n"
    assert not faults.any


def test_doubled_lines() -> None:
    assert spoilt(LineFaults(double=1)) == b"N1 G1 X1*96\nN1 G1 X1*96\nM105\nN2 G1 X2*96\n"


def test_a_flipped_bit_never_ends_a_line_and_always_breaks_its_checksum() -> None:
    clean = b"N1 G1 X1.234 Y5.678 E0.12345"
    framed = clean + b"*%d\n" % checksum(clean)
    for seed in range(200):
        found = Noise(seed).spoil_lines(framed, LineFaults(flip=1))
        assert found != framed
        assert len(found) == len(framed)
        assert found.count(b"\n") == 1


def test_half_a_line_is_left_alone() -> None:
    faults = LineFaults(flip=1, merge=1, cut=1, double=1)
    assert spoilt(faults, b"N1 G1 X") == b"N1 G1 X"
    assert faults == LineFaults(1, 1, 1, 1)


def test_garbage_has_the_length_and_nothing_else_of_the_text() -> None:
    text = b"FIRMWARE_NAME:Marlin\n"
    garbage = Noise(1).garble(text)
    assert len(garbage) == len(text)
    assert min(garbage) >= 128


def test_a_copy_shares_nothing() -> None:
    faults = Faults(lose_oks=3, lines=LineFaults(merge=2))
    other = faults.copy()
    assert other == faults
    other.lines.merge = 0
    assert faults.lines.merge == 2
