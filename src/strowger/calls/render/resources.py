"""Agents, trunks, numbers, secrets, and what the providers offer."""

from collections.abc import Sequence
from dataclasses import asdict

from strowger.agent import AgentDefinition
from strowger.calls.render.calls import _rounded
from strowger.calls.render.wire import Wire, made_and_changed, timestamp
from strowger.conversation.events import ProviderKind
from strowger.model import (
    Agent,
    AgentVersion,
    PhoneNumber,
    Secret,
    Trunk,
)
from strowger.ports import ProviderDescription, TrunkReport


def render_definition(definition: AgentDefinition) -> Wire:
    return asdict(definition)


def render_agent(agent: Agent) -> Wire:
    return {
        "id": agent.id,
        "workspace_id": agent.workspace_id,
        "version": agent.version,
        "created_at": timestamp(agent.created_at),
        "updated_at": timestamp(agent.updated_at),
        **render_definition(agent.definition),
    }


def render_agent_version(version: AgentVersion) -> Wire:
    return {
        "agent_id": version.agent_id,
        "version": version.version,
        "created_at": timestamp(version.created_at),
        **render_definition(version.definition),
    }


def render_trunk(trunk: Trunk) -> Wire:
    """Without the password: it goes in and never comes out."""
    return {
        "id": trunk.id,
        "workspace_id": trunk.workspace_id,
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport,
        "username": trunk.username,
        "has_password": trunk.password is not None,
        "is_default": trunk.is_default,
        "max_calls": trunk.max_calls,
        "calls_per_second": trunk.calls_per_second,
        "version": trunk.version,
        **made_and_changed(trunk.created_at, trunk.updated_at),
    }


def render_secret(secret: Secret) -> Wire:
    """Without its value, which nobody reads."""
    return {
        "id": secret.id,
        "workspace_id": secret.workspace_id,
        "name": secret.name,
        **made_and_changed(secret.created_at, secret.updated_at),
    }


def render_number(number: PhoneNumber) -> Wire:
    return {
        "id": number.id,
        "workspace_id": number.workspace_id,
        "number": number.number,
        "label": number.label,
        "trunk_id": number.trunk_id,
        "inbound_agent_id": number.inbound_agent_id,
        "max_calls": number.max_calls,
        "version": number.version,
        **made_and_changed(number.created_at, number.updated_at),
    }


def render_trunk_report(report: TrunkReport) -> Wire:
    return {
        "ok": report.problem is None,
        "problem": report.problem,
        "detail": report.detail,
        "address": report.address,
        "sip_status": report.sip_status,
        "reason": report.reason,
        "methods": list(report.methods),
        "codecs": list(report.codecs),
        "round_trip": _rounded(report.round_trip),
    }


def render_voices(providers: Sequence[ProviderDescription]) -> list[Wire]:
    """Every voice that an agent can name."""
    return [
        {"provider": provider.name, "voice_id": voice, "default": voice == provider.default}
        for provider in providers
        if provider.kind is ProviderKind.TEXT_TO_SPEECH and provider.available
        for voice in provider.voices
    ]


def render_provider(provider: ProviderDescription) -> Wire:
    return {
        "kind": provider.kind.value,
        "provider": provider.name,
        "available": provider.available,
        "problem": provider.problem,
        "default": provider.default,
    }
