"""The library in memory behaves like one."""

from pathlib import Path

import pytest

from api.testing import MemoryControl
from api.testing.library import findings_of
from farm.errors import ConflictError, NotFoundError, RejectedError
from farm.library_views import ApprovalRequest, ReleaseRequest, RequesterRequest, SignedRequest
from farm.request_bodies import OrderRequest, ProgramRequest
from scheduler.model import Verdict
from tests.unit.api.serving import FIELDS, GCODE, add_visor

EVE = ReleaseRequest(by="Eve Martin", reason="known")
REQUEST = ProgramRequest.model_validate(FIELDS)


@pytest.fixture
def control(tmp_path: Path) -> MemoryControl:
    made = MemoryControl(tmp_path)
    made.add_printer("prn-1", "one")
    return made


def test_findings_name_the_line() -> None:
    assert [(found.rule, found.hits[0].line) for found in findings_of(b"G28\nG1 X1\nM907 X1\n")] == [("motor-current", 3)]
    assert findings_of(GCODE) == []


async def test_nothing_is_started_of_what_nobody_answers_for(control: MemoryControl) -> None:
    sha256 = await add_visor(control, GCODE + b"M907 X1\n")
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    assert control.order(order.id).expected == 0
    assert (await control.release_program(sha256, EVE)).verdict is Verdict.TRUSTED_ONLY
    assert control.order(order.id).expected == 2
    assert not (await control.withdraw_program(sha256, SignedRequest())).usable


async def test_a_rejected_file_is_not_kept(control: MemoryControl) -> None:
    with pytest.raises(RejectedError):
        await add_visor(control, GCODE + b"M502\n")
    assert control.programs() == []


async def test_the_background_ends_at_once(control: MemoryControl) -> None:
    path = control.incoming_folder / "upload"
    path.write_bytes(GCODE)
    view = await control.begin_program(path, REQUEST)
    assert control.upload(view.id) == view
    assert (view.state, view.new) == ("ready", True)


async def test_a_draft_waits_and_a_requester_chooses(control: MemoryControl) -> None:
    await add_visor(control, GCODE, draft=True)
    with pytest.raises(ConflictError):
        await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    await control.release_revision("visor-frame-r1", SignedRequest(by="Eve"))
    await control.add_requester(RequesterRequest(name="Hospitals", approves=True))
    wanted = OrderRequest(design="visor-frame", quantity=2, requester="Hospitals")
    with pytest.raises(ConflictError):
        await control.place_order(wanted)
    await control.approve("Hospitals", ApprovalRequest(revision="visor-frame-r1", by="Dr. House"))
    order = await control.place_order(wanted)
    assert order.requester_name == "Hospitals"
    with pytest.raises(NotFoundError):
        control.program_picture("0" * 64, "preview")
