"""Reason phrases of RFC 3261 section 21, and the Reason header of RFC 3326."""

from strowger.sip.headers import parse_parameters, printable, quote_string
from strowger.sip.message import Message

PHRASES = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


def phrase_of(status: int) -> str:
    """The usual phrase, or that of the class's x00 (21: an unknown code is treated as that)."""
    return PHRASES.get(status) or PHRASES.get(status // 100 * 100, "Unknown")


def hangup_cause(message: Message) -> int | None:
    """The Q.850 cause of a Reason header, the first where there are several."""
    for value in message.headers.members("reason"):
        protocol, semicolon, tail = value.partition(";")
        cause = parse_parameters(semicolon + tail).get("cause")
        if protocol.strip().upper() == "Q.850" and cause and cause.isascii() and cause.isdigit():
            return int(cause) if len(cause) <= 3 and int(cause) < 128 else None
    return None


def reason_text(message: Message) -> str:
    """The text of the first Reason header that has one."""
    for value in message.headers.members("reason"):
        _, semicolon, tail = value.partition(";")
        if text := parse_parameters(semicolon + tail).get("text"):
            return printable(text)
    return ""


def print_reason(text: str) -> str:
    """Q.850 cause 16, normal call clearing, with our words."""
    return f"Q.850;cause=16;text={quote_string(printable(text))}"
