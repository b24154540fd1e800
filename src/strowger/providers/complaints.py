"""What an HTTP service's refusal says: whose fault it is, and in which words."""

import json
import re

RETRIED_STATUSES = {429, 500, 502, 503, 504}
COMPLAINT_SHOWN = 300


def fault_of(status: int) -> str:
    match status:
        case 401 | 403:
            return "refused the API key"
        case 404:
            return "does not have the model or address that was asked for"
        case 429:
            return "asks for fewer requests, or has no credit left"
        case _ if status >= 500:
            return "failed on its side"
        case _ if status >= 400:
            return "refused the request"
        case _:
            return "answered with an unexpected status"


def complaint_of(body: bytes) -> tuple[str | None, str]:
    """The code and the message of an error in OpenAI's form, or the text as it came."""
    text = " ".join(body.decode(errors="replace").split())
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None, text[:COMPLAINT_SHOWN]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, dict):
        code = error.get("code")
        return code if isinstance(code, str) else None, str(error.get("message"))[:COMPLAINT_SHOWN]
    return None, (error if isinstance(error, str) else text)[:COMPLAINT_SHOWN]


def seconds_of(retry_after: str | None, default: float) -> float:
    """Retry-After in seconds (RFC 9110 section 10.2.3); one that is a date is too long to wait."""
    if retry_after is None:
        return default
    return float(retry_after) if re.fullmatch(r"\d{1,6}", retry_after) else float("inf")


def describe(error: Exception) -> str:
    return str(error) or type(error).__name__
