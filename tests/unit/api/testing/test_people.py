"""The people's node in memory."""

import pytest

from api.deps import People
from api.testing import MemoryPeople
from farm.errors import ConflictError, InvalidError, NotFoundError
from farm.request_bodies import MakerRequest, ManualReport


async def test_it_keeps_makers_apart() -> None:
    memory = MemoryPeople()
    people: People = memory  # mypy checks the contract
    one, two = [await people.add_maker(MakerRequest(name=name, profile="generic-210")) for name in "ab"]
    assert people.authenticate(one.token or "") == one.printer
    assert people.authenticate("other") is None
    offer = memory.offer(one.printer, "0" * 64)
    assert people.jobs(two.printer) == []
    with pytest.raises(NotFoundError):
        await people.accept(two.printer, offer.job)
    await people.accept(one.printer, offer.job)
    with pytest.raises(InvalidError):
        await people.report(one.printer, offer.job, ManualReport(good=3))
    assert (await people.report(one.printer, offer.job, ManualReport(good=2))).state == "reported"
    with pytest.raises(ConflictError):
        await people.accept(one.printer, offer.job)
