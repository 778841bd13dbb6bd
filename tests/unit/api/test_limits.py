"""What bounds and marks every request."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.limits import MAX_BODY_BYTES, SECURITY_HEADERS
from tests.unit.api.serving import client_of
from tests.unit.api.test_problems import check


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/v1/farm", "/api/v1/nothing", "/healthz"])
async def test_every_answer_tells_browsers_to_trust_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert answer.headers["cache-control"] == ("no-store" if path.startswith("/api") or answer.is_error else "no-cache")


async def test_refusals_of_the_gate_are_marked_too(app: FastAPI) -> None:
    async with client_of(app, base_url="http://evil.example") as client:
        answer = await client.get("/")
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]


def test_the_policy_allows_no_inline_code_and_no_frames() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_small_body_is_all_that_other_routes_take(client: httpx.AsyncClient) -> None:
    body = b'{"design": "' + b"x" * MAX_BODY_BYTES + b'"}'
    headers = {"Content-Type": "application/json"}
    problem = check(await client.post("/api/v1/orders", content=body, headers=headers), 413, "too-large")
    assert problem["detail"] == "The body is larger than 64 KiB."
    assert "max_upload_bytes" not in str(problem["next_step"])


async def test_a_file_that_is_too_large_is_told_the_limit_of_files(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(1024**3), "Expect": "100-continue"}
    problem = check(await client.post("/api/v1/programs", content=b"", headers=headers), 413, "too-large")
    assert problem["detail"] == "The file is larger than 64 MiB."
    assert "max_upload_bytes" in str(problem["next_step"])


async def test_a_body_of_unknown_length_is_counted(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1_000 + 2):
            yield b" " * 1_000

    answer = await client.post("/api/v1/orders", content=pieces(), headers={"Content-Type": "application/json"})
    check(answer, 413, "too-large")


async def test_a_body_just_below_the_limit_is_read(client: httpx.AsyncClient) -> None:
    body = b'{"quantity": 1, "design": "nothing"' + b" " * (MAX_BODY_BYTES - 36) + b"}"
    assert len(body) == MAX_BODY_BYTES
    check(await client.post("/api/v1/orders", content=body, headers={"Content-Type": "application/json"}), 404, "not-found")
