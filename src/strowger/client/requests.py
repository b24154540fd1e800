"""What both clients share: what is asked, what an answer means, and when to ask again.

Asking again is safe for every request: reading changes nothing, PATCH and DELETE come to the same
twice, and a POST carries an `Idempotency-Key` made once and sent with each try.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from strowger.client.failures import ApiError, ServerUnreachable
from strowger.errors import FieldProblem

PASSING = frozenset({429, 502, 503, 504})
"""Answers that may be others a moment later."""
LONGEST_WAIT = 20.0
"""Seconds that one request waits for news; the server allows 30."""
LONGEST_SILENCE = 20.0
"""Seconds that a stream may say nothing; the server says that it is there every 15."""
MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after which pauses a request is tried again."""

    retries: int = 3
    first_pause: float = 0.5
    """Seconds; doubled with each try, and drawn anew between nothing and that."""
    longest_pause: float = 8.0
    longest_demand: float = 60.0
    """Seconds of `Retry-After` that are waited for; a server that wants more is not asked again."""

    def pause(self, tries: int, *, jitter: float, demand: float | None = None) -> float | None:
        """Seconds until the next try after `tries`; None for no more. `jitter` is from 0 to 1."""
        if tries > self.retries or (demand is not None and demand > self.longest_demand):
            return None
        drawn = jitter * min(self.longest_pause, self.first_pause * 2.0 ** (tries - 1))
        return drawn if demand is None else demand + drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, however often it is sent."""

    method: str
    path: str
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    silence: float = 0.0
    """Seconds that the server may say nothing, on top of the client's timeout."""

    def options(self, timeout: float) -> dict[str, Any]:
        """Arguments for httpx2."""
        options = {
            "method": self.method,
            "url": self.path,
            "params": dict(self.query),
            "headers": dict(self.headers),
            "timeout": httpx2.Timeout(timeout, read=timeout + self.silence),
        }
        return options if self.body is None else {**options, "json": self.body}


def asked(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    if_version: int | None = None,
) -> Asked:
    """A request; query parameters that are None are left out, and a POST gets its key here."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    sent = dict(headers or {})
    if method == "POST":
        sent["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
    if if_version is not None:
        sent["If-Match"] = f'"{if_version}"'
    silence = float(given.get("wait", 0))  # a server that was asked to wait for news may do so
    return Asked(method=method, path=path, query=given, body=body, headers=sent, silence=silence)


def listening(path: str, *, after: str | None) -> Asked:
    """A request for a stream of events, from now on or from the event with the next id."""
    headers = {"Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = after
    return Asked(method="GET", path=path, headers=headers, silence=LONGEST_SILENCE)


def pause_after_answer(
    policy: RetryPolicy, tries: int, answer: httpx2.Response, *, jitter: float
) -> float | None:
    """Seconds until this request is to be sent again; None where the answer stands."""
    in_progress = answer.status_code == 409 and _code(answer) == "idempotency_in_progress"
    if answer.status_code not in PASSING and not in_progress:
        return None
    return policy.pause(tries, jitter=jitter, demand=_demand(answer))


def checked(request: Asked, tries: int, answer: httpx2.Response) -> httpx2.Response:
    """The answer, where it is one to be glad of. Raises ApiError."""
    if answer.is_success:
        return answer
    if request.method == "DELETE" and answer.status_code == 404 and tries > 1:
        return answer  # an earlier try deleted it, and its answer was lost
    problem = _problem(answer)
    raise ApiError(
        answer.status_code,
        str(problem.get("code") or f"http_{answer.status_code}"),
        str(problem.get("detail") or f"the server answered {answer.status_code}"),
        problems=tuple(
            FieldProblem(str(one.get("field")), str(one.get("message")))
            for one in problem.get("errors") or ()
        ),
        request_id=answer.headers.get("x-request-id"),
    )


def unreachable(url: str, error: Exception) -> ServerUnreachable:
    return ServerUnreachable(f"no Strowger answers at {url} ({str(error) or type(error).__name__})")


def connection(url: str, key: str) -> dict[str, Any]:
    """Arguments for both of httpx2's clients."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {key}"},
        "trust_env": False,
    }


def renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`from_` is how Python spells `from`."""
    return {"from" if name == "from_" else name: value for name, value in fields.items()}


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page, say
        return {}
    return problem if isinstance(problem, dict) else {}


def _code(answer: httpx2.Response) -> object:
    return _problem(answer).get("code")


def _demand(answer: httpx2.Response) -> float | None:
    """`Retry-After` in seconds; a date there, which Strowger never sends, counts as nothing."""
    try:
        return max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return None
