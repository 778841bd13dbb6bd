"""Printers over HTTP, and the hands that they need."""

import httpx

from api.testing import MemoryControl
from drivers.base import PrinterState
from farm.bus.messages import PromptNote
from farm.request_bodies import OrderRequest
from farm.views import OccupationView
from scheduler.model import BedState, OccupationKind
from tests.unit.api.test_problems import check


async def test_printers_are_listed_and_read(client: httpx.AsyncClient, control: MemoryControl) -> None:
    control.add_printer("prn-0", "<script>alert(1)</script>")
    listed = (await client.get("/api/v1/printers")).json()
    assert [row["name"] for row in listed] == ["<script>alert(1)</script>", "Atelier 1"]
    assert (await client.get("/api/v1/printers/prn-1")).json() == listed[1]
    check(await client.get("/api/v1/printers/prn-9"), 404, "not-found")


async def test_parts_are_collected_once_and_by_their_job(client: httpx.AsyncClient, control: MemoryControl, visor: str) -> None:
    order = await control.place_order(OrderRequest(design="visor-frame", quantity=2))
    job = control.printer("prn-1").occupation
    assert job is not None
    path, body = "/api/v1/printers/prn-1/collect", {"job": job.id, "good": 1, "scrap": 1, "by": "Karim"}
    check(await client.post(path, json=body), 409, "job-runs")  # it still prints
    control.finish("prn-1")
    check(await client.post(path, json={**body, "job": "job-other"}), 409, "not-on-this-bed")
    check(await client.post(path, json={**body, "good": 2}), 422, "invalid")
    check(await client.post(path, json={**body, "good": -1}), 422, "invalid")
    answer = await client.post(path, json=body)
    assert (answer.status_code, list(answer.json())) == (202, ["command"])
    assert (control.order(order.id).good, control.order(order.id).scrap) == (1, 1)
    check(await client.post(path, json=body), 409, "not-on-this-bed")  # a second click: the next print is there
    collected = (await client.get(f"/api/v1/jobs/{job.id}")).json()
    assert (collected["state"], collected["collected_by"]) == ("collected", "Karim")


async def test_a_bed_is_cleared_by_name_of_what_was_on_it(client: httpx.AsyncClient, control: MemoryControl) -> None:
    occupation = OccupationView(id="occ-1", kind=OccupationKind.FOREIGN)
    control.change_printer("prn-1", bed=BedState.OCCUPIED, ready=False, occupation=occupation)
    path = "/api/v1/printers/prn-1/clear-bed"
    check(await client.post(path, json={"occupation": "occ-2"}), 409, "not-on-this-bed")
    assert (await client.post(path, json={"occupation": "occ-1"})).status_code == 202
    assert control.printer("prn-1").bed is BedState.CLEAR


async def test_emergency_stop(client: httpx.AsyncClient, control: MemoryControl) -> None:
    assert (await client.post("/api/v1/printers/prn-1/emergency-stop")).status_code == 202
    assert control.printer("prn-1").state == "fault"
    check(await client.post("/api/v1/printers/prn-9/emergency-stop"), 404, "not-found")


async def test_a_question_is_answered_once_and_by_its_id(client: httpx.AsyncClient, control: MemoryControl) -> None:
    path = "/api/v1/printers/prn-1/answer"
    french = ["Continuer", "Annuler"]
    prompt = PromptNote(
        id="prompt-1", text="<b>Filament?</b>", choices=["Continue", "Cancel"], text_fr="<b>Filament ?</b>", choices_fr=french
    )
    control.change_printer("prn-1", state=PrinterState.ATTENTION, prompt=prompt)
    assert (await client.get("/api/v1/printers/prn-1")).json()["prompt"] == prompt.model_dump()
    check(await client.post(path, json={"prompt": "prompt-0", "choice": 0}), 409, "prompt-gone")
    check(await client.post("/api/v1/printers/prn-9/answer", json={"prompt": "prompt-1"}), 404, "not-found")
    for choice in (2, -1, 10, "1", True, 0.5):
        check(await client.post(path, json={"prompt": "prompt-1", "choice": choice}), 422, "invalid")
    check(await client.post(path, json={"prompt": "prompt-1", "answer": 1}), 422, "invalid")
    answer = await client.post(path, json={"prompt": "prompt-1", "choice": 1})
    assert (answer.status_code, list(answer.json())) == (202, ["command"])
    assert control.answers == [("prn-1", "prompt-1", 1)]
    check(await client.post(path, json={"prompt": "prompt-1", "choice": 1}), 409, "prompt-gone")  # a second click


async def test_a_printer_that_is_gone_is_forgotten_and_one_that_is_there_is_not(
    client: httpx.AsyncClient, control: MemoryControl
) -> None:
    refused = await client.delete("/api/v1/printers/prn-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "printer-in-use")
    control.change_printer("prn-1", online=False)
    assert (await client.delete("/api/v1/printers/prn-1")).status_code == 204
    assert (await client.delete("/api/v1/printers/prn-1")).status_code == 404


async def test_a_bed_with_nothing_on_it_needs_no_hand(client: httpx.AsyncClient) -> None:
    body = check(await client.post("/api/v1/printers/prn-1/clear-bed", json={"occupation": "occ-1"}), 409, "bed-is-clear")
    assert body["detail_fr"] == "Le plateau de Atelier 1 est libre."
    assert str(body["next_step_fr"]).startswith("Regardez de nouveau")
