"""What customers see of calls, events and the rest: the wire objects of the API and of webhooks.

Pure: records in, plain JSON values out. Times become RFC 3339 UTC with milliseconds, durations
stay seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from math import ceil

from strowger.agent import AgentDefinition
from strowger.conversation.events import ProviderKind
from strowger.model import (
    Agent,
    AgentVersion,
    ApiKey,
    AuditEntry,
    Call,
    Event,
    LineFigures,
    PhoneNumber,
    Secret,
    Trunk,
    Turn,
    TurnLatency,
    Webhook,
    Workspace,
)
from strowger.ports import Attempt, DeliveryReport, ProviderDescription, TrunkReport

STAGES = ("endpointing", "transcription", "model", "speech", "wire")

Wire = dict[str, object]


def timestamp(seconds: float) -> str:
    """RFC 3339 UTC with milliseconds: `2026-01-31T09:30:00.125Z`."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _optional_timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def render_call(call: Call) -> Wire:
    """The whole call, with its transcript and its latency."""
    return {
        **render_call_summary(call),
        "transcript": [render_turn(turn) for turn in call.transcript],
        "latency": render_latency(
            turn.latency for turn in call.transcript if turn.latency is not None
        ),
    }


def render_call_summary(call: Call) -> Wire:
    """The call as lists show it: everything but what was said."""
    return {
        "id": call.id,
        "workspace_id": call.workspace_id,
        "agent_id": call.agent_id,
        "agent_version": call.agent_version,
        "channel": call.channel,
        "direction": call.direction,
        "status": call.status.value,
        "end_reason": None if call.end_reason is None else call.end_reason.value,
        "sip_status": call.sip_status,
        "hangup_cause": call.hangup_cause,
        "error": call.error,
        "from": call.from_,
        "to": call.to,
        "trunk_id": call.trunk_id,
        "variables": dict(call.variables),
        "metadata": dict(call.metadata),
        "webhook_url": call.webhook_url,
        "record": call.record,
        "max_duration": call.max_duration,
        "ring_timeout": call.ring_timeout,
        "test": call.test,
        "scheduled_at": _optional_timestamp(call.scheduled_at),
        "created_at": timestamp(call.created_at),
        "queued_at": _optional_timestamp(call.queued_at),
        "started_at": _optional_timestamp(call.started_at),
        "answered_at": _optional_timestamp(call.answered_at),
        "ended_at": _optional_timestamp(call.ended_at),
        "duration": _duration(call.answered_at, call.ended_at),
        "answered_by": call.answered_by,
        "outcome": call.outcome,
        "extracted": dict(call.extracted),
        "summary": call.summary,
        "analysis": None if call.analysis is None else asdict(call.analysis),
        "recording": asdict(call.recording),
    }


def render_metrics(call: Call, figures: LineFigures | None) -> Wire:
    """How fast the agent replied, and what became of the audio."""
    replies = (turn.latency for turn in call.transcript if turn.latency is not None)
    media: Wire | None = None
    if figures is not None:
        expected = figures.packets_received + figures.packets_lost
        media = {
            "packets_received": figures.packets_received,
            "packets_sent": figures.packets_sent,
            "packets_lost": figures.packets_lost,
            "packets_late": figures.packets_late,
            "loss": round(figures.packets_lost / expected, 6) if expected else 0.0,
            "jitter": _rounded(figures.jitter),
            "concealed": _rounded(figures.concealed),
            "underrun": _rounded(figures.underrun),
        }
    return {
        "call_id": call.id,
        "status": call.status.value,
        "duration": _duration(call.answered_at, call.ended_at),
        "latency": render_latency(replies),
        "media": media,
    }


def _duration(answered_at: float | None, ended_at: float | None) -> float | None:
    if answered_at is None or ended_at is None:
        return None
    return round(max(0.0, ended_at - answered_at), 3)


def render_turn(turn: Turn) -> Wire:
    return {
        "role": turn.role,
        "text": turn.text,
        "started_at": round(turn.started_at, 3),
        "ended_at": round(turn.ended_at, 3),
        "interrupted": turn.interrupted,
        "confidence": turn.confidence,
        "latency": None if turn.latency is None else _render_turn_latency(turn.latency),
        "tool": None if turn.tool is None else asdict(turn.tool),
    }


def _render_turn_latency(latency: TurnLatency) -> Wire:
    return {field.name: _rounded(getattr(latency, field.name)) for field in fields(latency)}


def render_latency(replies: Iterable[TurnLatency]) -> Wire | None:
    """How long the callee waited for the agent over a call; None where no reply was measured."""
    measured = list(replies)
    totals = [latency.total for latency in measured if latency.total is not None]
    if not totals:
        return None
    stages: dict[str, Wire | None] = {}
    for stage in STAGES:
        values = [value for latency in measured if (value := getattr(latency, stage)) is not None]
        stages[stage] = _distribution(values) if values else None
    return {"turns": len(totals), **_distribution(totals), "stages": stages}


def _distribution(values: list[float]) -> Wire:
    return {
        "p50": _rounded(percentile(values, 50)),
        "p95": _rounded(percentile(values, 95)),
        "max": _rounded(max(values)),
    }


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile: always a value that was measured."""
    rank = ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def render_event(event: Event) -> Wire:
    """The event as the API answers it; webhooks carry the same `data`."""
    return {
        "id": event.id,
        "sequence": event.sequence,
        "type": event.type,
        "timestamp": timestamp(event.created_at),
        "call_id": event.call_id,
        "data": render_event_data(event),
    }


def render_event_data(event: Event) -> Wire:
    """What happened, from the plain values that were kept when it did.

    Where that is the state of a call, it becomes the call object of the API, which has its
    transcript and latency once the call is over.
    """
    kept = event.payload
    if "call_id" not in kept or "status" not in kept:
        return dict(kept)
    wire: Wire = {"call_id": kept["call_id"], "id": kept["call_id"], **kept}
    wire["duration"] = _duration(_seconds(kept, "answered_at"), _seconds(kept, "ended_at"))
    for name in kept:
        if name.endswith("_at"):
            wire[name] = _optional_timestamp(_seconds(kept, name))
    transcript = kept.get("transcript")
    if isinstance(transcript, list | tuple):
        wire["latency"] = render_latency(
            TurnLatency(**turn["latency"]) for turn in transcript if turn["latency"] is not None
        )
    return wire


def _seconds(kept: Mapping[str, object], name: str) -> float | None:
    value = kept.get(name)
    return float(value) if isinstance(value, int | float) else None


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
        **_made_and_changed(trunk.created_at, trunk.updated_at),
    }


def render_secret(secret: Secret) -> Wire:
    """Without its value, which nobody reads."""
    return {
        "id": secret.id,
        "workspace_id": secret.workspace_id,
        "name": secret.name,
        **_made_and_changed(secret.created_at, secret.updated_at),
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
        **_made_and_changed(number.created_at, number.updated_at),
    }


def render_webhook(webhook: Webhook) -> Wire:
    """Without the secret, which only the answer that made the webhook shows."""
    return {
        "id": webhook.id,
        "workspace_id": webhook.workspace_id,
        "url": webhook.url,
        "events": list(webhook.events),
        "format": webhook.format,
        "agent_id": webhook.agent_id,
        "enabled": webhook.enabled,
        "failing_since": _optional_timestamp(webhook.failing_since),
        "previous_secret_until": _optional_timestamp(webhook.previous_secret_until),
        "version": webhook.version,
        **_made_and_changed(webhook.created_at, webhook.updated_at),
    }


def render_new_webhook(webhook: Webhook) -> Wire:
    return {**render_webhook(webhook), "secret": webhook.secret}


def render_workspace(workspace: Workspace) -> Wire:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "max_calls": workspace.max_calls,
        "webhook_secret_at": _optional_timestamp(workspace.webhook_secret_at),
        "previous_webhook_secret_until": _optional_timestamp(
            workspace.previous_webhook_secret_until
        ),
        "created_at": timestamp(workspace.created_at),
    }


def render_delivery(report: DeliveryReport) -> Wire:
    """As lists show it: with what came of the last try."""
    return {
        "id": report.id,
        "workspace_id": report.workspace_id,
        "webhook_id": report.webhook_id,
        "url": report.url,
        "event_id": report.event_id,
        "event_type": report.event_type,
        "call_id": report.call_id,
        "state": report.state.value,
        "attempts": report.attempts,
        "last_attempt": _render_attempt(report.tried[-1]) if report.tried else None,
        "next_attempt_at": _optional_timestamp(report.next_attempt_at),
        "happened_at": timestamp(report.happened_at),
        "settled_at": _optional_timestamp(report.settled_at),
    }


def render_whole_delivery(report: DeliveryReport) -> Wire:
    return {
        **render_delivery(report),
        "attempt_log": [_render_attempt(attempt) for attempt in report.tried],
    }


def _render_attempt(attempt: Attempt) -> Wire:
    return {
        "at": timestamp(attempt.at),
        "status": attempt.status,
        "answer": attempt.answer,
        "duration": _rounded(attempt.duration),
    }


def render_key(key: ApiKey) -> Wire:
    return {
        "id": key.id,
        "workspace_id": key.workspace_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "test": key.test,
        "expires_at": _optional_timestamp(key.expires_at),
        "created_at": timestamp(key.created_at),
        "last_used_at": _optional_timestamp(key.last_used_at),
    }


def render_audit_entry(entry: AuditEntry) -> Wire:
    return {
        "id": entry.id,
        "workspace_id": entry.workspace_id,
        "at": timestamp(entry.at),
        "key_id": entry.key_id,
        "request_id": entry.request_id,
        "resource": entry.resource,
        "resource_id": entry.resource_id,
        "action": entry.action,
        "fields": list(entry.fields),
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


def _made_and_changed(created_at: float, updated_at: float) -> Mapping[str, object]:
    return {"created_at": timestamp(created_at), "updated_at": timestamp(updated_at)}
