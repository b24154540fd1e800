"""The shapes of answers, for the OpenAPI document: one file for each kind of resource.

Answers are drawn by `calls/render/`, once for the API and for webhooks; these models describe
them, and the tests hold every answer against its model.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from strowger.api.answers import (
    agents,
    calls,
    common,
    events,
    providers,
    telephony,
    webhooks,
    workspaces,
)

ANSWERS: Mapping[str, Any] = {
    "Call": calls.Call,
    "CallList": calls.CallList,
    "CallMetrics": calls.CallMetrics,
    "Transcript": calls.Transcript,
    "EventList": events.EventList,
    "Agent": agents.Agent,
    "AgentList": agents.AgentList,
    "AgentVersion": agents.AgentVersion,
    "AgentVersionList": agents.AgentVersionList,
    "Trunk": telephony.Trunk,
    "TrunkList": telephony.TrunkList,
    "TrunkCheck": telephony.TrunkCheck,
    "PhoneNumber": telephony.PhoneNumber,
    "PhoneNumberList": telephony.PhoneNumberList,
    "Webhook": webhooks.Webhook,
    "CreatedWebhook": webhooks.CreatedWebhook,
    "WebhookList": webhooks.WebhookList,
    "Delivery": webhooks.Delivery,
    "DeliveryList": webhooks.DeliveryList,
    "Replayed": webhooks.Replayed,
    "Workspace": workspaces.Workspace,
    "RotatedWorkspace": workspaces.RotatedWorkspace,
    "ApiKey": workspaces.ApiKey,
    "CreatedApiKey": workspaces.CreatedApiKey,
    "ApiKeyList": workspaces.ApiKeyList,
    "Secret": workspaces.Secret,
    "SecretList": workspaces.SecretList,
    "AuditList": workspaces.AuditList,
    "VoiceList": providers.VoiceList,
    "ModelList": providers.ModelList,
    "Health": common.Health,
    "Readiness": common.Readiness,
    "Problem": common.Problem,
}
"""Every answer, by its name in the document."""


@cache
def answer_of(name: str) -> TypeAdapter[Any]:
    """What an answer of this name is held against. Made when first asked for: a server that nobody
    asks for the document starts sooner without."""
    return TypeAdapter(ANSWERS[name])
