"""Secrets that sign what is sent to customers, as Standard Webhooks writes them."""

import base64
import secrets

PREFIX = "whsec_"
LENGTH = 32
"""Bytes; the specification wants 24 to 64."""


def new_secret() -> str:
    """A secret of random bytes."""
    return secret_of(secrets.token_bytes(LENGTH))


def secret_of(key: bytes) -> str:
    """The secret with these bytes."""
    return PREFIX + base64.b64encode(key).decode()
