"""How a route tells the OpenAPI document what it takes and what it may answer."""

from typing import Any

from strowger.api.problems import MEDIA_TYPE

REASONS = {
    400: "The body is not JSON (`malformed_json`).",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The key lacks the scope, or the policy bars what is asked.",
    404: "There is no such thing in the key's workspace.",
    409: "The state of things does not allow this.",
    413: "The body is over 256 KB (`body_too_large`).",
    415: "The body is not `application/json` in UTF-8 (`unsupported_media_type`).",
    416: "The range lies beyond the end of the recording (`range_not_satisfiable`).",
    422: "One or more fields are wrong; `errors` names them all.",
    500: "A defect here; the log has it under the request's id.",
    503: "The database or another part is out of reach; nothing was lost.",
}
ALWAYS = (401, 403, 500, 503)
WITH_BODY = (400, 413, 415, 422)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": REASONS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
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
) -> dict[str, Any]:
    """Keyword arguments for a route: `answer` and `takes` are names of component schemas."""
    described: dict[str, Any] = {"description": "Done." if status == 204 else "As asked."}
    if answer is not None:
        schema = {"$ref": f"#/components/schemas/{answer}"}
        described["content"] = {"application/json": {"schema": schema}}
    described["headers"] = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
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
