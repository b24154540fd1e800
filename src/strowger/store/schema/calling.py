"""Calls, what belongs to them, and who conducts them."""

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from strowger.agent import AgentDefinition, Scalar
from strowger.model import CallAnalysis, LineFigures, Recording, Turn
from strowger.store.codec import CleanText, Id, Json
from strowger.store.schema.conditions import BUSY, LIVE, WAITING, metadata

# Calls name their agent and trunk without foreign keys: those may go, the call stays.
calls = Table(
    "calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, nullable=False),
    Column("agent_id", Id),
    Column("agent_version", Integer),
    Column("agent", Json[AgentDefinition](AgentDefinition), nullable=False),
    Column("to", CleanText, nullable=False),
    Column("from", CleanText, key="from_"),
    Column("trunk_id", Id),
    Column("direction", CleanText, nullable=False),
    Column("channel", CleanText, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("end_reason", CleanText),
    Column("sip_status", Integer),
    Column("hangup_cause", Integer),
    Column("error", CleanText),
    Column("variables", Json[Mapping[str, Scalar]](Mapping[str, Scalar]), nullable=False),
    Column("metadata", Json[Mapping[str, object]](Mapping[str, object]), nullable=False),
    Column("webhook_url", CleanText),
    Column("record", Boolean, nullable=False),
    Column("max_duration", Double, nullable=False),
    Column("ring_timeout", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double),
    Column("started_at", Double),
    Column("answered_at", Double),
    Column("ended_at", Double),
    Column("answered_by", CleanText, nullable=False),
    Column("outcome", CleanText),
    Column("extracted", Json[Mapping[str, Scalar]](Mapping[str, Scalar]), nullable=False),
    Column("recording", Json[Recording](Recording), nullable=False),
    Column("worker_id", Id),
    Column("scheduled_at", Double),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("dialect", CleanText),
    Column("figures", Json[LineFigures](LineFigures)),
    # How far it is in the queue for a line, where lines are limited: see `gate`.
    Column("gate", CleanText),
    Column("gate_at", Double),
    # Somebody else is called from it meanwhile, which takes up a second line: see `consulting`.
    Column("consults", Boolean),
    Column("summary", CleanText),
    Column("analysis", Json[CallAnalysis](CallAnalysis)),
)
Index("calls_page_idx", calls.c.workspace_id, calls.c.id)
Index("calls_status_idx", calls.c.workspace_id, calls.c.status, calls.c.id)
Index("calls_agent_idx", calls.c.workspace_id, calls.c.agent_id, calls.c.id)
Index("calls_to_idx", calls.c.workspace_id, calls.c.to, calls.c.id)
Index("calls_from_idx", calls.c.workspace_id, calls.c.from_, calls.c.id)
Index("calls_worker_idx", calls.c.worker_id, postgresql_where=LIVE)
Index("calls_trunk_idx", calls.c.trunk_id, postgresql_where=LIVE)
Index("calls_waiting_idx", calls.c.workspace_id, calls.c.id, postgresql_where=WAITING)
Index("calls_busy_idx", calls.c.workspace_id, calls.c.trunk_id, postgresql_where=BUSY)

call_turns = Table(
    "call_turns",
    metadata,
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("turn", Json[Turn](Turn), nullable=False),
)

call_commands = Table(
    "call_commands",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", CleanText, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("created_at", Double, nullable=False),
)

call_journals = Table(
    "call_journals",
    metadata,
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("journal", LargeBinary, nullable=False),
)

tool_uses = Table(
    "tool_uses",
    metadata,
    # The key is the promise that no use is made twice: see calls.note_tool_use.
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("use", Integer, primary_key=True, autoincrement=False),
    Column("name", CleanText, nullable=False),
    Column("arguments", CleanText, nullable=False),
    Column("noted_at", Double, nullable=False),
)

dial_attempts = Table(
    "dial_attempts",
    metadata,
    # The key is the promise that nobody is rung twice: see calls.claim_dial_attempt.
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("worker_id", Id, nullable=False),
    Column("made_at", Double, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("beat_at", Double, nullable=False),
)
