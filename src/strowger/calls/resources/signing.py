"""Secrets that sign what is sent to customers."""

import base64
import secrets

OVERLAP = 86_400.0
"""Seconds for which the old secret signs as well after a rotation: receivers need some time."""


def new_secret() -> str:
    """A Standard Webhooks signing secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
