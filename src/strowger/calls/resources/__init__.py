"""Use cases about what calls need, one file for each kind of thing."""

from strowger.calls.resources.agents import AgentService
from strowger.calls.resources.api_keys import (
    KEY_FORMAT,
    SCOPES,
    KeyService,
    check_key,
    hash_key,
)
from strowger.calls.resources.phone_numbers import NumberService
from strowger.calls.resources.secrets import SecretService
from strowger.calls.resources.trunks import TrunkService
from strowger.calls.resources.webhooks import EVENT_TYPES, WebhookService
from strowger.calls.resources.workspaces import WorkspaceService

__all__ = [
    "EVENT_TYPES",
    "KEY_FORMAT",
    "SCOPES",
    "AgentService",
    "KeyService",
    "NumberService",
    "SecretService",
    "TrunkService",
    "WebhookService",
    "WorkspaceService",
    "check_key",
    "hash_key",
]
