import pytest

from drivers.virtual.faults import Noise


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
