"""The page's requests against a real agent with a scripted printer."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import Bilingual, PrinterBusyError
from farm.node.page.gate import Gate
from farm.node.page.server import Answer, Request
from farm.node.page.service import Service, language
from tests.unit.farm.node.fake_farm import Workshop, printing, until
from tests.unit.farm.node.test_agent_disk import FullDisk

HOST = {"host": "localhost:8081"}


class Beside:
    """Somebody beside a printer that prints a job, with the page open."""

    def __init__(self, shop: Workshop, printer: str) -> None:
        self.shop, self.printer = shop, printer
        self.driver = shop.drivers["left"]
        self.job = self.driver.status.job or ""
        self.service = Service(shop.agent, Gate("127.0.0.1", [], None))

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.service.answer(Request("GET", path, {**HOST, **headers}))

    async def post(self, action: str, **body: Any) -> tuple[int, dict[str, Any]]:
        return await self.send(f"/api/{action}", json.dumps(body).encode())

    async def send(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        answer = await self.service.answer(Request("POST", path, {**HOST, "content-type": "application/json"}, body))
        return answer.status, json.loads(answer.content)

    async def finish(self) -> None:
        self.driver.finishes()
        await self.shop.agent.settle()


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    async with printing(tmp_path) as (shop, printer, _):
        await shop.agent.settle()
        yield Beside(shop, printer)


async def test_how_things_stand(beside: Beside) -> None:
    state = json.loads((await beside.get("/api/state")).content)
    (printer,) = state["printers"]
    assert (state["name"], state["farm"]["online"]) == ("left bench", True)
    assert (printer["name"], printer["state"], printer["occupation"]["job"]["job"]) == ("left", "printing", beside.job)
    beside.shop.farm.cut()
    assert json.loads((await beside.get("/api/state")).content)["farm"]["online"] is False


async def test_a_hand_collects_and_a_second_click_is_harmless(beside: Beside) -> None:
    await beside.finish()
    body = {"printer": beside.printer, "job": beside.job, "good": 1, "scrap": 1}
    status, state = await beside.post("collect", **body)
    assert status == 200
    assert state["printers"][0]["occupation"] is None or state["printers"][0]["occupation"]["id"] != beside.job
    status, problem = await beside.post("collect", **body)
    assert (status, problem["code"]) == (409, "not-on-this-bed")
    assert (problem["detail"], problem["detail_fr"]) == ("That is not on this bed.", "Ce n'est plus sur ce plateau.")
    await until(lambda: beside.shop.farm.kinds().count("job-collected") == 1)
    fact = next(fact for fact in beside.shop.farm.facts.values() if fact.kind == "job-collected")
    assert (fact.good, fact.scrap, fact.by) == (1, 1, "the node's page")


async def test_pause_and_stop_reach_the_machine(beside: Beside) -> None:
    assert (await beside.post("act", kind="pause", printer=beside.printer, job=beside.job))[0] == 200
    assert beside.driver.calls[-1][0] == "pause"
    assert (await beside.post("act", kind="cancel", printer=beside.printer, job="job-other"))[0] == 409
    assert (await beside.post("stop", printer=beside.printer))[0] == 200
    assert beside.driver.calls[-1][0] == "emergency-stop"
    assert (await beside.post("stop", printer="printer-other"))[0] == 404


async def test_a_question_is_answered_without_the_farm(beside: Beside) -> None:
    beside.shop.farm.cut()
    prompt = beside.driver.asks("<b>Filament?</b>", "Continue", "Cancel")
    await beside.shop.agent.settle()
    (printer,) = json.loads((await beside.get("/api/state")).content)["printers"]
    machines: dict[str, object] = {"text_fr": None, "choices_fr": []}
    assert printer["prompt"] == {"id": prompt.id, "text": "<b>Filament?</b>", "choices": ["Continue", "Cancel"], **machines}
    status, problem = await beside.post("answer", printer=beside.printer, prompt="prompt-of-before", choice=0)
    assert (status, problem["code"]) == (409, "prompt-gone")
    assert problem["detail_fr"] == "L'imprimante ne pose plus cette question."
    assert (await beside.post("answer", printer=beside.printer, prompt=prompt.id, choice=2))[1]["code"] == "no-such-choice"
    assert (await beside.post("answer", printer=beside.printer, prompt=prompt.id, choice="x"))[0] == 422
    assert (await beside.post("answer", printer="printer-of-nobody", prompt=prompt.id))[0] == 404
    assert "answer" not in [call[0] for call in beside.driver.calls]
    assert (await beside.post("answer", printer=beside.printer, prompt=prompt.id, choice=1))[0] == 200
    assert beside.driver.calls[-1] == ("answer", prompt.id, 1)
    await beside.shop.agent.settle()
    (printer,) = json.loads((await beside.get("/api/state")).content)["printers"]
    assert (printer["prompt"], printer["state"]) == (None, "printing")
    assert (await beside.post("answer", printer=beside.printer, prompt=prompt.id, choice=1))[0] == 409, "a second click"


async def test_what_a_driver_says_to_a_hand_comes_in_both_languages(beside: Beside) -> None:
    said = Bilingual("It is hot.", "Elle est chaude.")
    beside.driver.script.act_error = PrinterBusyError(said, next_step=Bilingual("Wait.", "Attendez."))
    status, problem = await beside.post("stop", printer=beside.printer)
    assert (status, problem["code"], problem["detail"], problem["detail_fr"]) == (
        409, "printer-busy", "It is hot. Wait.", "Elle est chaude. Attendez.",
    )  # fmt: skip


async def test_a_bed_is_cleared_by_the_occupation_that_was_seen(beside: Beside) -> None:
    await beside.finish()
    assert (await beside.post("clear", printer=beside.printer, occupation="bed-of-before"))[0] == 409
    assert (await beside.post("clear", printer=beside.printer, occupation=beside.job))[0] == 200
    assert beside.job not in {one.id for one in beside.shop.agent.state.occupations.values()}


async def test_go_on_needs_a_person_who_is_sure(beside: Beside) -> None:
    for body in ({}, {"sure": False}, {"sure": "maybe"}):
        assert (await beside.post("go-on", **body))[0] == 422
    assert beside.shop.agent.state.gone_on_s is None
    status, state = await beside.post("go-on", sure=True, by="Anna")
    assert (status, state["farm"]["waiting"]) == (200, 2)
    assert beside.shop.agent.state.gone_on_s is not None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b'{"printer": 1}', b'{"printer": "p", "job": "j", "good": -1, "scrap": 0}']
)
async def test_what_cannot_be_understood_is_refused(beside: Beside, body: bytes) -> None:
    for action in ("collect", "clear", "act", "stop", "go-on"):
        status, problem = await beside.send(f"/api/{action}", body)
        if action == "stop" and b'"p"' in body:
            assert (status, problem["detail_fr"]) == (404, "Il n'y a pas d'imprimante p sur ce nœud.")
            continue
        assert (status, problem["code"]) == (422, "invalid")
        assert problem["detail_fr"] not in {"", problem["detail"]}
    assert beside.driver.calls[-1][0] == "start"


async def test_a_full_disk_is_told_as_such(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    await beside.finish()
    (beside.shop.folder / "ballast").unlink()
    disk = FullDisk(beside.shop.agent, monkeypatch)
    status, problem = await beside.post("collect", printer=beside.printer, job=beside.job, good=2, scrap=0)
    assert (status, problem["code"]) == (507, "ledger-unwritable")
    assert (problem["detail_fr"], problem["next_step_fr"]) == ("Le disque est plein.", "Libérez de la place.")
    disk.full = False


async def test_what_is_not_there_or_not_so_is_refused(beside: Beside) -> None:
    assert (await beside.get("/etc/passwd")).status == 404
    assert (await beside.get("/static/../server.py")).status == 404
    assert (await beside.get("/api/collect")).status == 405
    assert (await beside.send("/api/state", b"{}"))[0] == 404
    foreign = Request("POST", "/api/stop", {**HOST, "content-type": "application/json", "origin": "http://evil"}, b"{}")
    refused = await beside.service.answer(foreign)
    assert refused.status == 403
    assert "autre site" in json.loads(refused.content)["detail_fr"]


async def test_its_files_are_served_in_the_readers_language(beside: Beside) -> None:
    for path, kind, word in [
        ("/page.js", "text/javascript", b"import"),
        ("/words.js", "text/javascript", b"Plateau"),
        ("/page.css", "text/css", b":root"),
        ("/icon.svg", "image/svg+xml", b"<svg"),
        ("/", "text/html", b'<html lang="en">'),
    ]:
        answer = await beside.get(path)
        assert (answer.status, answer.kind.partition(";")[0]) == (200, kind)
        assert word in answer.content
    french = await beside.get("/", **{"accept-language": "fr-FR,fr;q=0.9,en;q=0.8"})
    assert b'<html lang="fr">' in french.content


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", "en"), ("fr", "fr"), ("en-GB,fr;q=0.9", "en"), ("de,fr;q=0.5,en;q=0.4", "fr"), ("de", "en"), ("fr;q=0", "en"),
        ("fr;q=x", "en"), ("en;q=0.1, FR-ca;q=0.2", "fr"),
    ],
)  # fmt: skip
def test_the_language_that_a_browser_asks_for(accepted: str, chosen: str) -> None:
    assert language(accepted) == chosen


async def test_a_name_that_is_not_ours_is_answered_with_a_sentence_and_the_way_out(beside: Beside) -> None:
    async def asks(path: str, **headers: str) -> Answer:
        return await beside.service.answer(Request("GET", path, {"host": "farm.example", **headers}))

    page = await asks("/")
    assert (page.status, page.kind) == (421, "text/plain; charset=utf-8")
    assert "[page] names" in page.content.decode()
    assert (await asks("/", **{"accept-language": "fr"})).content.startswith(b"Ce nom")
    refused = await asks("/api/state")
    told = json.loads(refused.content)
    assert (refused.status, told["code"]) == (421, "wrong-host")
    assert "[page] names" in told["detail"]
    assert "[page] names" in told["detail_fr"]
