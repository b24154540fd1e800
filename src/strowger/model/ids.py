"""Typed ids."""

from typing import NewType

WorkspaceId = NewType("WorkspaceId", str)
AgentId = NewType("AgentId", str)
CallId = NewType("CallId", str)
NumberId = NewType("NumberId", str)
TrunkId = NewType("TrunkId", str)
WebhookId = NewType("WebhookId", str)
EventId = NewType("EventId", str)
KeyId = NewType("KeyId", str)
WorkerId = NewType("WorkerId", str)
DeliveryId = NewType("DeliveryId", str)
SecretId = NewType("SecretId", str)

DEFAULT_WORKSPACE = WorkspaceId("workspace_default")
