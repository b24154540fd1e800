"""What all of the vendor's answers share: wrapping and errors."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import id_of
from strowger.api.problems import Refusal
from strowger.errors import NotFound
from strowger.model import Agent, AgentId

NAME = "revring"

Wire = dict[str, Any]

ERRORS: Mapping[str, tuple[int, str]] = {
    "unknown_agent": (404, "agent_not_found"),
    "malformed_json": (400, "invalid_json"),
    "agent_disabled": (400, "agent_disabled"),
    "invalid_request": (400, "validation_error"),
    "invalid_phone_number": (400, "validation_error"),
    "unknown_caller_id": (400, "validation_error"),
    "rate_limited": (429, "rate_limit_exceeded"),
}
"""Strowger's codes to the status and code answered; others as they are. The vendor documents 429
alone."""


def wrapped(thing: object, status: int = 200) -> Response:
    return JSONResponse({"data": thing}, status)


def refuse(request: Request, refusal: Refusal) -> Response:
    status, code = ERRORS.get(refusal.code, (refusal.status, refusal.code))
    error: Wire = {"code": code, "message": refusal.detail}
    if refusal.errors:
        error["details"] = [
            {"path": problem.field, "message": problem.message} for problem in refusal.errors
        ]
    return JSONResponse({"error": error}, status, dict(refusal.headers))


async def agent_of(asked: Asked) -> Agent:
    """The agent that the path names, by its UUID or as Strowger writes it. Raises NotFound."""
    try:
        id = AgentId(id_of("agent", asked.path("id")))
        return await asked.services.agents.get(asked.workspace, id)
    except NotFound as error:
        raise NotFound(str(error), code="agent_not_found") from error
