"""Webhooks and their deliveries, keys, the workspace, the audit log."""

from strowger.calls.render.calls import _rounded
from strowger.calls.render.wire import Wire, made_and_changed, optional_timestamp, timestamp
from strowger.model import (
    ApiKey,
    AuditEntry,
    Webhook,
    Workspace,
)
from strowger.ports import Attempt, DeliveryReport


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
        "failing_since": optional_timestamp(webhook.failing_since),
        "previous_secret_until": optional_timestamp(webhook.previous_secret_until),
        "version": webhook.version,
        **made_and_changed(webhook.created_at, webhook.updated_at),
    }


def render_new_webhook(webhook: Webhook) -> Wire:
    return {**render_webhook(webhook), "secret": webhook.secret}


def render_workspace(workspace: Workspace) -> Wire:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "max_calls": workspace.max_calls,
        "webhook_secret_at": optional_timestamp(workspace.webhook_secret_at),
        "previous_webhook_secret_until": optional_timestamp(
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
        "next_attempt_at": optional_timestamp(report.next_attempt_at),
        "happened_at": timestamp(report.happened_at),
        "settled_at": optional_timestamp(report.settled_at),
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
        "expires_at": optional_timestamp(key.expires_at),
        "created_at": timestamp(key.created_at),
        "last_used_at": optional_timestamp(key.last_used_at),
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
