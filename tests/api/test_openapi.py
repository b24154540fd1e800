"""The document is exact: every route, every answer, every field."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strowger.api.app import bare_app
from strowger.api.describe import REASONS
from strowger.api.openapi import document_text
from strowger.lifecycle import CallStatus
from tests.api.conftest import Api

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
WRITTEN = "run: python -m strowger.api.openapi > docs/reference/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return bare_app().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_the_reference_is_current(document: dict[str, Any]) -> None:
    assert REFERENCE.read_text() == document_text(document), WRITTEN


def test_the_server_serves_the_document(api: Api, document: dict[str, Any]) -> None:
    served = api.client.get("/openapi.json").json()
    assert served == json.loads(document_text(document))
    assert served["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            yield from value.get("discriminator", {}).get("mapping", {}).values()
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    references = set(walk(document))
    assert references
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert named <= references, "a schema that nothing uses"


def test_every_model_and_every_field_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if schema.get("type") == "object":
            assert schema.get("description"), name
            assert schema.get("additionalProperties") is False, name
        for field, property in schema.get("properties", {}).items():
            target = schemas.get(property.get("$ref", "").rpartition("/")[2], {})
            assert property.get("description") or target.get("description"), (name, field)


def test_every_operation_is_described_and_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = []
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        ids.append(operation["operationId"])
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description") or parameter["in"] == "path", (method, path)
    assert len(ids) == len(set(ids))


def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for _, path, operation in operations(document):
        responses = operation["responses"]
        for status, response in responses.items():
            assert response["description"]
            if int(status) >= 400:
                content = response["content"]["application/problem+json"]
                assert content == {"schema": problem}, path
        wanted = {"500"}
        if path.startswith("/v1/"):
            wanted |= {"401", "403", "503"}
            wanted |= {"404"} if "{" in path else set()
            wanted |= {"400", "413", "415", "422"} if "requestBody" in operation else set()
            query = any(p["in"] == "query" for p in operation.get("parameters", ()))
            wanted |= {"422"} if query else set()
        assert wanted <= set(responses), path
        assert {int(status) for status in responses if int(status) >= 400} <= set(REASONS)


def test_the_bounds_that_are_enforced_are_stated(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    speed = schemas["VoiceSettings"]["properties"]["speed"]
    assert (speed["minimum"], speed["maximum"]) == (0.5, 2.0)
    length = schemas["ModelSettings"]["properties"]["max_tokens"]["anyOf"][0]
    assert (length["minimum"], length["maximum"]) == (1, 100_000)
    ring = schemas["NewCall"]["properties"]["ring_timeout"]["anyOf"][0]
    assert (ring["minimum"], ring["maximum"]) == (1.0, 300.0)


def test_every_body_has_an_example_and_every_example_is_accepted(
    api: Api, document: dict[str, Any]
) -> None:
    """Sent where the document says that it is taken, to things that are there."""
    ids = made(api)
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        examples = document["components"]["schemas"][reference.rpartition("/")[2]].get("examples")
        assert examples, f"{method} {path}: show how its body looks"
        for example in examples:
            address = re.sub(r"{(\w+)}", lambda found: ids[found.group(1)], path)
            # Examples that name things name none of ours: each is as if it had just been made.
            response = api.client.request(method, address, json=example, headers=api.headers)
            assert response.status_code in {200, 201, 202}, (path, example, response.text)


def made(api: Api) -> dict[str, str]:
    """One of everything that a body can be sent to; somebody is on the line of the call."""
    agent = api.post("/v1/agents", {"name": "A", "prompt": "Talk."}, "Agent")["id"]
    trunk = api.post("/v1/trunks", {"name": "t", "host": "127.0.0.1"}, "Trunk")["id"]
    number = api.post("/v1/phone-numbers", {"number": "+14155550111"}, "PhoneNumber")["id"]
    webhook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")["id"]
    secret = api.post("/v1/secrets", {"name": "KEY", "value": "k"}, "Secret")["id"]
    call = api.post("/v1/calls", {"to": "+14155550100", "agent_id": agent}, "Call")["id"]
    api.records.calls[call] = replace(api.records.calls[call], status=CallStatus.IN_PROGRESS)
    return {
        "agent_id": agent, "trunk_id": trunk, "number_id": number, "webhook_id": webhook,
        "call_id": call, "secret_id": secret,
    }  # fmt: skip
