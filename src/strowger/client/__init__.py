"""The Python client: what the API offers, typed, with retries that never place a call twice.

    from strowger.client import Client

    with Client("http://127.0.0.1:8080", key) as strowger:
        call = strowger.calls.create(to="+14155550100", agent_id="agent_…")
        print(strowger.calls.wait(call["id"])["outcome"])

`AsyncClient` is the same with `await`. Answers are the API's own JSON, described as TypedDicts.
"""

from strowger.client.asynchronous import AsyncClient
from strowger.client.blocking import Client
from strowger.client.failures import (
    ApiError,
    ClientError,
    InvalidSignature,
    ServerUnreachable,
    WaitedTooLong,
)
from strowger.client.requests import RetryPolicy
from strowger.client.shapes import (
    Agent,
    AgentFields,
    Call,
    CallSummary,
    Event,
    NewCall,
    NewPhoneNumber,
    NewTrunk,
    NewWebhook,
    PhoneNumber,
    Trunk,
    Turn,
    Webhook,
    WebhookMessage,
)
from strowger.client.verification import verify_webhook

__all__ = [
    "Agent",
    "AgentFields",
    "ApiError",
    "AsyncClient",
    "Call",
    "CallSummary",
    "Client",
    "ClientError",
    "Event",
    "InvalidSignature",
    "NewCall",
    "NewPhoneNumber",
    "NewTrunk",
    "NewWebhook",
    "PhoneNumber",
    "RetryPolicy",
    "ServerUnreachable",
    "Trunk",
    "Turn",
    "WaitedTooLong",
    "Webhook",
    "WebhookMessage",
    "verify_webhook",
]
