"""The OpenAPI document tells what really happens."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.openapi import ALWAYS_POSSIBLE
from tests.unit.api.serving import FIELDS


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


async def test_it_is_served(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    assert (await client.get("/api/v1/openapi.json")).json() == document


def test_every_operation_documents_its_problems_and_its_credential(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert "security" in operation
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            assert {str(status) for status in ALWAYS_POSSIBLE} <= set(operation["responses"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_form_of_an_upload_is_documented(document: dict[str, Any]) -> None:
    form = document["paths"]["/api/v1/programs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(FIELDS) | {"file", "sha256", "material", "name", "draft", "by"} == set(form["properties"])
    assert set(form["required"]) == {"design", "revision", "profile", "file"}


def test_credentials_of_the_special_routes(document: dict[str, Any]) -> None:
    def security(method: str, path: str) -> set[str]:
        return {name for choice in document["paths"][path][method]["security"] for name in choice}

    assert security("get", "/api/v1/farm") == {"operator", "session"}
    assert security("get", "/api/v1/programs/{sha256}/file") == {"operator", "session", "node"}
    assert security("get", "/api/v1/me/jobs") == {"maker"}
    assert security("post", "/api/v1/enrolments/claim") == set()


async def test_statuses_that_come_are_documented(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for body in ({}, {"quantity": 1}, {"job": "a", "good": 0}, {"action": "pause"}, {"name": "a", "code": "abcd"}):
                answer = await client.request(method.upper(), re.sub(r"\{\w+\}", "a" * 64, path), json=body)
                assert str(answer.status_code) in operation["responses"], (method, path, answer.text)


def test_the_documentation_names_every_route(document: dict[str, Any]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    documented = set(re.findall(r"`(?:GET|POST|PATCH|DELETE) ([^`?]+)", text)) | {"/healthz", "/readyz"}
    named = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, each in document["paths"].items() for method in each}
    assert {row.partition(" ")[2] for row in named} <= {row.strip() for row in documented}
    missing = {row for row in named if row not in text and not row.endswith(("/healthz", "/readyz"))}
    assert missing == set()
