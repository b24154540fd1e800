"""The shapes of answers, for the OpenAPI document: one file for each kind of resource.

Answers are drawn by `calls/render.py`, once for the API and for webhooks; these models describe
them, and the tests hold every answer against its model.
"""

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

ANSWERS: dict[str, TypeAdapter[Any]] = {
    "Call": TypeAdapter(calls.Call),
    "CallList": TypeAdapter(calls.CallList),
    "CallMetrics": TypeAdapter(calls.CallMetrics),
    "Transcript": TypeAdapter(calls.Transcript),
    "EventList": TypeAdapter(events.EventList),
    "Agent": TypeAdapter(agents.Agent),
    "AgentList": TypeAdapter(agents.AgentList),
    "AgentVersion": TypeAdapter(agents.AgentVersion),
    "AgentVersionList": TypeAdapter(agents.AgentVersionList),
    "Trunk": TypeAdapter(telephony.Trunk),
    "TrunkList": TypeAdapter(telephony.TrunkList),
    "TrunkCheck": TypeAdapter(telephony.TrunkCheck),
    "PhoneNumber": TypeAdapter(telephony.PhoneNumber),
    "PhoneNumberList": TypeAdapter(telephony.PhoneNumberList),
    "Webhook": TypeAdapter(webhooks.Webhook),
    "CreatedWebhook": TypeAdapter(webhooks.CreatedWebhook),
    "WebhookList": TypeAdapter(webhooks.WebhookList),
    "Delivery": TypeAdapter(webhooks.Delivery),
    "DeliveryList": TypeAdapter(webhooks.DeliveryList),
    "Replayed": TypeAdapter(webhooks.Replayed),
    "Workspace": TypeAdapter(workspaces.Workspace),
    "RotatedWorkspace": TypeAdapter(workspaces.RotatedWorkspace),
    "ApiKey": TypeAdapter(workspaces.ApiKey),
    "CreatedApiKey": TypeAdapter(workspaces.CreatedApiKey),
    "ApiKeyList": TypeAdapter(workspaces.ApiKeyList),
    "Secret": TypeAdapter(workspaces.Secret),
    "SecretList": TypeAdapter(workspaces.SecretList),
    "AuditList": TypeAdapter(workspaces.AuditList),
    "VoiceList": TypeAdapter(providers.VoiceList),
    "ModelList": TypeAdapter(providers.ModelList),
    "Health": TypeAdapter(common.Health),
    "Readiness": TypeAdapter(common.Readiness),
    "Problem": TypeAdapter(common.Problem),
}
"""Every answer, by its name in the document."""
