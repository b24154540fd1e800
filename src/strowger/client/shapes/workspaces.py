"""The workspace, its keys, who changed what in it, and what the server's providers offer."""

from typing import Literal, Required, TypedDict


class Workspace(TypedDict):
    id: str
    name: str
    max_calls: int | None
    webhook_secret_at: str | None
    previous_webhook_secret_until: str | None
    created_at: str


class RotatedWorkspace(Workspace):
    """With the secret, which is shown this once."""

    webhook_secret: str


class NewApiKey(TypedDict, total=False):
    name: Required[str]
    scopes: Required[list[str]]
    expires_at: str | None
    test: bool


class ApiKey(TypedDict):
    id: str
    workspace_id: str
    name: str
    scopes: list[str]
    test: bool
    expires_at: str | None
    created_at: str
    last_used_at: str | None


class CreatedApiKey(ApiKey):
    """With its text, which is shown this once."""

    key: str


class AuditEntry(TypedDict):
    """Who changed what."""

    id: str
    workspace_id: str
    at: str
    key_id: str | None
    request_id: str | None
    resource: str
    resource_id: str
    action: str
    fields: list[str]


class Voice(TypedDict):
    provider: str
    voice_id: str
    default: bool


class Model(TypedDict):
    kind: Literal["speech_to_text", "language_model", "text_to_speech", "speech_to_speech"]
    provider: str
    available: bool
    problem: str | None
    default: str | None
