"""Sessions: the rest of their rules is in test_auth."""

import httpx

from api.session import SignIn
from tests.unit.api.test_problems import check


async def test_on_this_machine_no_sign_in_is_needed(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/session")).json() == {"operator": True}


async def test_a_token_is_limited_in_length_and_never_said_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/session", json={"token": "secret" * 100})
    check(answer, 422, "invalid")
    assert "secret" not in answer.text


def test_a_token_does_not_reach_a_log_by_its_body() -> None:
    assert "secret" not in repr(SignIn(token="secret"))


async def test_signing_out_without_a_session_is_no_error(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/api/v1/session")).status_code == 204
