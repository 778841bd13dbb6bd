import pytest

from farm.bus.messages import AllocationOrder, ProgramReference
from farm.ids import is_id, new_id


@pytest.mark.parametrize("kind", ["job", "node", "al", "occupation"])
def test_an_id_names_its_kind_and_is_one(kind: str) -> None:
    made = new_id(kind)
    assert made.startswith(f"{kind}-")
    assert is_id(made)


def test_ids_do_not_repeat() -> None:
    assert len({new_id("job") for _ in range(10_000)}) == 10_000


def test_every_letter_is_used() -> None:
    letters = {letter for _ in range(500) for letter in new_id("x").removeprefix("x-")}
    assert letters == set("0123456789abcdefghjkmnpqrstvwxyz")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job",
        "job-",
        "job-7m2k0q9xv4d1c8t",
        "job-7m2k0q9xv4d1c8tzz",
        "job-7M2k0q9xv4d1c8tz",
        "job-7i2k0q9xv4d1c8tz",
        "7m2k0q9xv4d1c8tz",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_an_id_may_travel_in_a_message() -> None:
    program = ProgramReference(sha256="a" * 64, size_bytes=1, parts=1, estimated_s=1)
    made = new_id("allocation")
    allocation = AllocationOrder(id=made, order=new_id("order"), revision=new_id("revision"), program=program, jobs=1, autonomy_s=1)
    assert allocation.id == made
