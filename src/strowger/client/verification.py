"""Whether a webhook is Strowger's: Standard Webhooks, checked with the secret it was made with."""

import json
from collections.abc import Mapping
from typing import cast

from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from strowger.client.failures import InvalidSignature
from strowger.client.shapes import WebhookMessage


def verify_webhook(body: bytes, headers: Mapping[str, str], secret: str) -> WebhookMessage:
    """The message, if it is genuine and no older than five minutes. Raises InvalidSignature.

    `body` is what came, byte for byte; `secret` is `whsec_…`. `webhook-id` among the headers is
    the same each time a message is sent: act on each only once.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        Standard(secret).verify(body, lower)
        return cast(WebhookMessage, json.loads(body))
    except (WebhookVerificationError, ValueError) as error:
        raise InvalidSignature(str(error)) from error
