"""Invitations and claims over HTTP."""

import httpx

from api.testing import MemoryControl
from tests.unit.api.test_problems import check


async def test_a_code_works_once(client: httpx.AsyncClient, control: MemoryControl) -> None:
    answer = await client.post("/api/v1/enrolments/invites", json={"name": "Élodie"})
    assert answer.status_code == 201
    code = answer.json()["code"]
    assert code in answer.json()["command"]
    grant = (await client.post("/api/v1/enrolments/claim", json={"code": code, "name": "Pi d'Élodie"})).json()
    assert control.authenticate_node(grant["node"], grant["password"])
    check(await client.post("/api/v1/enrolments/claim", json={"code": code, "name": "again"}), 404, "unknown-code")


async def test_unknown_codes_get_the_one_answer_until_everybody_waits(client: httpx.AsyncClient) -> None:
    for _ in range(10):
        check(await client.post("/api/v1/enrolments/claim", json={"code": "AAAA-AAAA", "name": "x"}), 404, "unknown-code")
    check(await client.post("/api/v1/enrolments/claim", json={"code": "AAAA-AAAA", "name": "x"}), 429, "throttled")


async def test_a_claim_is_limited_in_length(client: httpx.AsyncClient) -> None:
    check(await client.post("/api/v1/enrolments/claim", json={"code": "A" * 81, "name": "x"}), 422, "invalid")
    check(await client.post("/api/v1/enrolments/claim", json={"code": "AAAA", "name": ""}), 422, "invalid")


async def test_the_authority_is_for_anyone_when_there_is_one(client: httpx.AsyncClient, control: MemoryControl) -> None:
    check(await client.get("/api/v1/enrolments/ca"), 404, "no-authority")
    control.authority_pem = "-----BEGIN CERTIFICATE-----\n"
    answer = await client.get("/api/v1/enrolments/ca")
    assert (answer.text, answer.headers["content-type"]) == (control.authority_pem, "application/x-pem-file")
