"""How a route tells the OpenAPI document what it takes and what it may answer."""

from typing import Any

from strowger.api.problems import MEDIA_TYPE

REASONS = {
    400: "The body is not JSON (`malformed_json`).",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The key lacks the scope, or the policy bars what is asked.",
    404: "There is no such thing in the key's workspace.",
    409: "The state of things does not allow this.",
    412: "It has changed since you read it: none of `If-Match` is its version.",
    413: "The body is over 256 KB (`body_too_large`).",
    415: "The body is not `application/json` in UTF-8 (`unsupported_media_type`).",
    416: "The range lies beyond the end of the recording (`range_not_satisfiable`).",
    422: "One or more fields are wrong; `errors` names them all.",
    429: "The key's requests of this minute are used up (`rate_limited`).",
    500: "A defect here; the log has it under the request's id.",
    503: "The database or another part is out of reach; nothing was lost.",
}
ALWAYS = (401, 403, 429, 500, 503)
WITH_BODY = (400, 413, 415, 422)


RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_HEADERS_OF = {429: ("Retry-After", *RATE), 503: ("Retry-After",)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": REASONS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
            "headers": _headers(*_HEADERS_OF.get(status, ())),
        }
        for status in sorted(set(statuses))
    }


def operation(
    scope: str,
    *,
    answer: str | None,
    status: int = 200,
    takes: str | None = None,
    errors: tuple[int, ...] = (),
    headers: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Keyword arguments for a route: `answer` and `takes` are names of component schemas,
    `headers` of component headers that the answer has besides the usual ones."""
    described: dict[str, Any] = {"description": "Done." if status == 204 else "As asked."}
    if answer is not None:
        schema = {"$ref": f"#/components/schemas/{answer}"}
        described["content"] = {"application/json": {"schema": schema}}
    described["headers"] = _headers(*RATE)
    for name in headers:
        described["headers"][name] = {"$ref": f"#/components/headers/{name}"}
    if status == 201:
        described["headers"]["Location"] = {"$ref": "#/components/headers/Location"}
    extra: dict[str, Any] = {"security": [{"bearer": [scope]}, {"api_key": [scope]}]}
    statuses = (*ALWAYS, *errors)
    if takes is not None:
        schema = {"$ref": f"#/components/schemas/{takes}"}
        content = {"application/json": {"schema": schema}}
        extra["requestBody"] = {"required": True, "content": content}
        statuses = (*statuses, *WITH_BODY)
    return {
        "status_code": status,
        "responses": {status: described, **problem_responses(*statuses)},
        "openapi_extra": extra,
    }


SENT_EVENT = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "id": {"type": "string", "description": "Its `sequence`, for `Last-Event-ID`."},
        "event": {"type": "string", "description": "Its `type`."},
        "data": {
            "type": "string",
            "description": "The event, as lists have it.",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Event"},
        },
    },
    "required": ["id", "event", "data"],
    "additionalProperties": False,
}


def streams(described: dict[str, Any]) -> dict[str, Any]:
    """The same for a route that can also answer with server-sent events."""
    content = described["responses"][200].setdefault("content", {})
    content["text/event-stream"] = {"schema": SENT_EVENT}
    parameters = described["openapi_extra"].setdefault("parameters", [])
    parameters.append(
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The `id` of the event heard last: the stream goes on after it.",
            "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
        }
    )
    return described
