"""Signatures after the Standard Webhooks specification: HMAC-SHA256 over id, time and body."""

from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from strowger.errors import InvalidRequest


def signed_headers(*signing: str, message_id: str, at: float, body: bytes) -> dict[str, str]:
    """The headers that go with `body`, signed with each secret of `signing`: a receiver accepts
    it that knows one. `message_id` stays the same when it is sent again."""
    moment, text = datetime.fromtimestamp(int(at), UTC), body.decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, moment, text) for secret in signing
        ),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raise InvalidRequest unless the body was signed with the secret in the last five minutes."""
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        raise InvalidRequest(f"not a webhook of ours: {error}", code="bad_signature") from error
