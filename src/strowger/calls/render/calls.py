"""Calls: what was said, how fast the replies came, what became of the audio."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from math import ceil

from strowger.calls.render.wire import Wire, optional_timestamp, timestamp
from strowger.model import (
    Call,
    LineFigures,
    Turn,
    TurnLatency,
)

STAGES = ("endpointing", "transcription", "model", "speech", "wire")


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
        "scheduled_at": optional_timestamp(call.scheduled_at),
        "created_at": timestamp(call.created_at),
        "queued_at": optional_timestamp(call.queued_at),
        "started_at": optional_timestamp(call.started_at),
        "answered_at": optional_timestamp(call.answered_at),
        "ended_at": optional_timestamp(call.ended_at),
        "duration": duration_between(call.answered_at, call.ended_at),
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
        "duration": duration_between(call.answered_at, call.ended_at),
        "latency": render_latency(replies),
        "media": media,
    }


def duration_between(answered_at: float | None, ended_at: float | None) -> float | None:
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
