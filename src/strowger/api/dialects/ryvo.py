"""Ryvo: one endpoint that places a call, and webhooks that tell how it went.

The vendor's page is its first authority; what it leaves open is written down, with the choice
made, in docs/reference/dialects/ryvo.md.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.agent import Scalar
from strowger.api.dialects.bodies import body_of, wire_names
from strowger.api.dialects.endpoints import Asked, Backing, Dialect, Endpoint
from strowger.api.dialects.forms import duration_of, iso_time, number_rule, spoken
from strowger.api.dialects.links import recording_url
from strowger.api.problems import Refusal
from strowger.api.sound_files import RecordingFormat
from strowger.calls.service import NewCall
from strowger.model import AgentId, Call
from strowger.ports import Delivery, OutgoingRequest

NAME = "ryvo"
NUMBERS = number_rule(r"^\+[1-9]\d{6,14}$")
LARGEST_METADATA = 5_000
"""Bytes of JSON; the page says 5KB."""
LONGEST_KEY = 64
EVENTS = frozenset({"call.completed", "call.failed"})
CODES = {
    "unknown_agent": (404, "agent_not_found"),
    "invalid_phone_number": (422, "invalid_phone_number"),
    "unauthenticated": (401, "unauthorized"),
    "key_expired": (401, "unauthorized"),
    "malformed_json": (400, "invalid_json"),
    "invalid_request": (422, "validation_error"),
}
"""Strowger's codes to the status and code answered; others as they are."""


def _metadata(given: dict[str, Scalar]) -> dict[str, Scalar]:
    for name in given:
        if len(name) > LONGEST_KEY:
            raise ValueError(f"expected keys of at most {LONGEST_KEY} characters")
    if len(json.dumps(given, ensure_ascii=False).encode()) > LARGEST_METADATA:
        raise ValueError("expected at most 5KB")
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRyvoCall:
    agent_id: str
    to: str
    metadata: Annotated[dict[str, Scalar], AfterValidator(_metadata)] | None = None


NEW_CALL: TypeAdapter[NewRyvoCall] = TypeAdapter(NewRyvoCall)


async def create_call(asked: Asked) -> Response:
    """`POST /v1/calls`: five fields back; the metadata become the agent's variables."""
    given = await body_of(asked, NEW_CALL)
    metadata = given.metadata or {}
    with wire_names({"variables": "metadata"}):
        call = await asked.services.calls.create(
            asked.workspace,
            NewCall(
                to=given.to,
                agent_id=AgentId(given.agent_id),
                variables=metadata,
                metadata=metadata,
                test=asked.key.test,
                dialect=NAME,
                numbers=NUMBERS,
            ),
        )
    answer = {
        "id": call.id,
        "agent_id": call.agent_id,
        "to": call.to,
        "status": "initiated",
        "created_at": iso_time(call.created_at),
    }
    return JSONResponse(answer, 201)


def refuse(request: Request, refusal: Refusal) -> Response:
    status, code = CODES.get(refusal.code, (refusal.status, refusal.code))
    error: dict[str, Any] = {"code": code, "message": refusal.detail}
    if refusal.errors:
        error["details"] = [
            {"field": problem.field, "message": problem.message} for problem in refusal.errors
        ]
    return JSONResponse({"error": error}, status, dict(refusal.headers))


class RyvoFormat:
    """`call.completed` and `call.failed`. The vendor's page names them and says no more of them."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        event = delivery.event
        if event.type not in EVENTS or event.call_id is None:
            return None
        call = await self._backing.services.calls.get(event.workspace_id, event.call_id)
        told = {
            "id": event.id,
            "event": event.type,
            "created_at": iso_time(event.created_at),
            "data": self._call(call),
        }
        return OutgoingRequest(url=delivery.url, body=json.dumps(told, ensure_ascii=False).encode())

    def _call(self, call: Call) -> dict[str, Any]:
        duration = duration_of(call)
        return {
            "id": call.id,
            "agent_id": call.agent_id,
            "to": call.to,
            "status": call.status.value,
            "end_reason": None if call.end_reason is None else call.end_reason.value,
            "metadata": dict(call.metadata),
            "created_at": iso_time(call.created_at),
            "answered_at": iso_time(call.answered_at),
            "ended_at": iso_time(call.ended_at),
            "duration_seconds": None if duration is None else round(duration),
            "transcript": [
                {
                    "role": "agent" if turn.role == "agent" else "user",
                    "message": turn.text,
                    "time_in_call_secs": int(turn.started_at),
                }
                for turn in spoken(call)
            ],
            "recording_url": recording_url(self._backing, NAME, call, RecordingFormat.MP3),
        }


RYVO = Dialect(
    name=NAME,
    title="Ryvo",
    endpoints=(
        Endpoint(
            method="POST",
            path="/v1/calls",
            scope="calls:write",
            handle=create_call,
            idempotent=True,
            note="Answers 201; the page does not say whether 200 or 201.",
        ),
    ),
    refuse=refuse,
    webhook_format=RyvoFormat,
    formats=(NAME,),
)
