"""Agents and their versions."""

from collections.abc import Mapping
from typing import Any, Required, TypedDict

from strowger.client.shapes.common import Scalar


class AgentFields(TypedDict, total=False):
    """How an agent behaves. Give a `flow`, or a `prompt` and a language model."""

    name: str
    prompt: str
    first_message: str
    language: str
    timezone: str
    voice: Mapping[str, Any]
    model: Mapping[str, Any]
    transcriber: Mapping[str, Any]
    speech_to_speech: Mapping[str, Any] | None
    flow: Mapping[str, Any] | None
    tools: list[Mapping[str, Any]]
    turn_taking: Mapping[str, Any]
    limits: Mapping[str, Any]
    voicemail: Mapping[str, Any]
    analysis: Mapping[str, Any]
    end_call_phrases: list[str]
    recording: bool
    default_variables: Mapping[str, Scalar]
    webhook_url: str | None
    caller_id: str | None


class NewSecret(TypedDict):
    name: str
    value: str


class SecretFields(TypedDict):
    value: str


class Secret(TypedDict):
    """What tools of agents need, without its value."""

    id: str
    workspace_id: str
    name: str
    created_at: str
    updated_at: str


class Agent(AgentFields):
    id: Required[str]
    workspace_id: Required[str]
    version: Required[int]
    created_at: Required[str]
    updated_at: Required[str]


class AgentVersion(AgentFields):
    """An agent as it was until its next change."""

    agent_id: Required[str]
    version: Required[int]
    created_at: Required[str]
