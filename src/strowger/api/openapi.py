"""The OpenAPI 3.1 document: what FastAPI knows of the routes, and all that it does not.

`python -m strowger.api.openapi` prints it; docs/reference/openapi.json is that.
"""

import json
import re
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from strowger import __version__, agent
from strowger.api import requests
from strowger.api.answers import ANSWERS, answer_of
from strowger.api.describe import problem_responses
from strowger.calls.validation import RANGES

DESCRIPTION = """\
Phone calls that an AI agent conducts.

Times are RFC 3339 UTC with milliseconds, durations seconds, numbers E.164. Errors are
`application/problem+json` (RFC 9457) and name every field that is wrong. Lists are newest first
and paged by cursor. Fields that are not known are refused. Every response has an `X-Request-Id`.
"""

REQUESTS: dict[str, TypeAdapter[Any]] = {
    "NewCall": requests.NEW_CALL,
    "AgentDefinition": requests.AGENT_DEFINITION,
    "AgentChanges": requests.AGENT_CHANGES,
    "NewTrunk": requests.NEW_TRUNK,
    "TrunkChanges": requests.TRUNK_CHANGES,
    "NewPhoneNumber": requests.NEW_PHONE_NUMBER,
    "PhoneNumberChanges": requests.PHONE_NUMBER_CHANGES,
    "NewWebhook": requests.NEW_WEBHOOK,
    "WebhookChanges": requests.WEBHOOK_CHANGES,
    "WordsToSay": requests.WORDS_TO_SAY,
    "DigitsToSend": requests.DIGITS_TO_SEND,
    "NewSecret": requests.NEW_SECRET,
    "SecretChanges": requests.SECRET_CHANGES,
    "Replay": requests.REPLAY,
    "NewApiKey": requests.NEW_API_KEY,
}

Schema = dict[str, Any]


def describe_api(app: FastAPI) -> None:
    """Have the app serve the whole document, built when it is first asked for."""
    app.openapi = cache(lambda: build_document(app))  # type: ignore[method-assign]


def build_document(app: FastAPI) -> Schema:
    document = get_openapi(
        title="Strowger",
        version=__version__,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for item in document["paths"].values():
        for method, described in item.items():
            # FastAPI gives every path parameter a 422; an id that cannot be is a 404 here.
            if "application/json" in described["responses"].get("422", {}).get("content", {}):
                del described["responses"]["422"]
            for response in described["responses"].values():
                content = response.get("content", {})
                if len(content) > 1 and content.get("application/json") == {"schema": {}}:
                    del content["application/json"]  # put there by FastAPI; it is something else
            if method == "post":
                _take_idempotency_key(described)
    _link(document["paths"])
    components = document.setdefault("components", {})
    components["schemas"] = _schemas()
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`strowger_live_…`"},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    components["headers"] = {
        "X-Request-Id": {
            "description": "The request's id, as in the server's log.",
            "schema": {"type": "string"},
        },
        "ETag": {
            "description": "The version in quotes, for `If-Match`.",
            "schema": {"type": "string"},
        },
        "Idempotency-Replayed": {
            "description": "`true`: this is the answer that the first such request was given.",
            "schema": {"type": "string", "enum": ["true"]},
        },
        "RateLimit-Limit": {
            "description": "Requests a minute that the key may make.",
            "schema": {"type": "integer"},
        },
        "RateLimit-Remaining": {
            "description": "About how many of them are left.",
            "schema": {"type": "integer"},
        },
        "RateLimit-Reset": {
            "description": "Seconds until the next minute begins.",
            "schema": {"type": "integer"},
        },
        "Retry-After": {
            "description": "Seconds to wait before asking again.",
            "schema": {"type": "integer"},
        },
        "Location": {
            "description": "The path of what was made.",
            "schema": {"type": "string"},
        },
    }
    return document


def _link(paths: Schema) -> None:
    """Say of everything that is made with an id what can be done with it."""
    for collection, item in paths.items():
        made = item.get("post", {}).get("responses", {}).get("201")
        if made is None:
            continue
        for path, operations in paths.items():
            match = re.match(re.escape(collection) + r"/{(\w+)}", path)
            if match is None or path.count("{") > 1:
                continue
            for operation in operations.values():
                name = operation["operationId"].partition("_v1_")[0]
                made.setdefault("links", {})[name] = {
                    "operationId": operation["operationId"],
                    "parameters": {match.group(1): "$response.body#/id"},
                }


def _take_idempotency_key(described: Schema) -> None:
    """Every POST heeds the header; see `idempotency`."""
    described.setdefault("parameters", []).append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Yours, for 24 hours: the same request with it is done once, and then "
            "answered the same, with `Idempotency-Replayed: true`.",
            "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
        }
    )
    responses = described["responses"]
    for status, response in problem_responses(409, 422).items():
        responses.setdefault(str(status), response)
    if "idempotency" not in responses["409"]["description"]:
        said = " Or the Idempotency-Key stands for another request (`idempotency_conflict`), or"
        said += " for one that still runs (`idempotency_in_progress`)."
        responses["409"]["description"] += said
    done = next(response for status, response in responses.items() if status < "300")
    done.setdefault("headers", {})["Idempotency-Replayed"] = {
        "$ref": "#/components/headers/Idempotency-Replayed"
    }


def _schemas() -> Schema:
    named = [
        *((name, "validation", adapter) for name, adapter in REQUESTS.items()),
        *((name, "serialization", answer_of(name)) for name in ANSWERS),
    ]
    inputs = [(name, cast(JsonSchemaMode, mode), adapter) for name, mode, adapter in named]
    references, definitions = TypeAdapter.json_schemas(
        inputs, ref_template="#/components/schemas/{model}"
    )
    schemas: Schema = dict(definitions["$defs"])
    for (name, _), reference in references.items():
        made = reference["$ref"].rpartition("/")[2] if "$ref" in reference else None
        if made is None:
            schemas[name] = reference
        elif made != name:
            schemas = _renamed(schemas, made, name)
    _tidy(schemas)
    return dict(sorted(schemas.items()))


def _renamed(schemas: Schema, old: str, new: str) -> Schema:
    text = json.dumps(schemas).replace(
        f'"#/components/schemas/{old}"', f'"#/components/schemas/{new}"'
    )
    renamed: Schema = json.loads(text)
    renamed[new] = {**renamed.pop(old), "title": new}
    return renamed


def _tidy(schemas: Schema) -> None:
    """State the ranges that the use cases enforce, and describe what dataclasses inherit."""
    parents = TypeAdapter(agent.AgentDefinition).json_schema()
    parents["$defs"]["AgentDefinition"] = parents
    for name in ("AgentDefinition", "AgentChanges", "Agent", "AgentVersion", "Flow"):
        parent = parents["$defs"].get(name, parents)
        for field, schema in schemas[name]["properties"].items():
            described = parent["properties"].get(field, {})
            if "description" not in schema and "description" in described:
                schema["description"] = described["description"]
    for name in ANSWERS:
        if name.endswith("List"):
            schemas[name].setdefault("description", "One page of a list, newest first.")
    schemas["AgentDefinition"]["examples"] = [requests.CALL_EXAMPLE["agent"]]
    schemas["AgentChanges"]["examples"] = [{"first_message": "Hello {{lead_name}}."}]
    bounds = {record.__name__: ranges for record, ranges in RANGES.items()}
    limits = RANGES[agent.Limits]
    bounds["NewCall"] = {name: limits[name] for name in ("max_duration", "ring_timeout")}
    for name, ranges in bounds.items():
        for field, (least, greatest) in ranges.items():
            bounded = schemas[name]["properties"][field]
            for schema in _numbers(bounded):
                schema |= {"minimum": least, "maximum": greatest}
    for name in ("AgentChanges", "TrunkChanges", "PhoneNumberChanges", "WebhookChanges"):
        schemas[name]["minProperties"] = 0
        for schema in schemas[name]["properties"].values():
            schema.pop("default", None)  # what is left out stays as it is


def _numbers(schema: Schema) -> Iterable[Schema]:
    for candidate in (schema, *schema.get("anyOf", ())):
        if candidate.get("type") in {"number", "integer"}:
            yield candidate


def document_text(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    from strowger.api.app import bare_app

    sys.stdout.write(document_text(bare_app().openapi()))


if __name__ == "__main__":
    main()
