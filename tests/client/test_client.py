"""Both clients against a server of our own making, in process: every rule is held by both."""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Standard

from strowger.client import (
    ApiError,
    AsyncClient,
    Client,
    InvalidSignature,
    RetryPolicy,
    ServerUnreachable,
    WaitedTooLong,
    verify_webhook,
)

KEY = "strowger_live_" + "A" * 43
Answer = Callable[[httpx2.Request], httpx2.Response]


class Wire:
    """Answers each request with the next of the answers given; notes what came and the pauses."""

    def __init__(self, *answers: Answer | httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.seen: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx2.Response) else answer(request)

    async def rest(self, seconds: float) -> None:
        self.pauses.append(seconds)


Do = Callable[[Wire, Callable[[Any], Any]], Any]


async def _resolved(value: Any) -> Any:
    if inspect.isasyncgen(value):
        return [item async for item in value]
    return await value if inspect.isawaitable(value) else value


def blocking_do(wire: Wire, what: Callable[[Any], Any]) -> Any:
    transport = httpx2.MockTransport(wire)
    with Client(
        "http://s", KEY, transport=transport, sleep=wire.pauses.append, jitter=lambda: 1.0
    ) as c:
        done = what(c)
        return list(done) if isinstance(done, Iterator) else done


def async_do(wire: Wire, what: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        transport = httpx2.MockTransport(wire)
        async with AsyncClient(
            "http://s", KEY, transport=transport, sleep=wire.rest, jitter=lambda: 1.0
        ) as c:
            return await _resolved(what(c))

    return asyncio.run(run())


@pytest.fixture(params=[blocking_do, async_do], ids=["blocking", "asyncio"])
def do(request: pytest.FixtureRequest) -> Do:
    chosen: Do = request.param
    return chosen


def problem(status: int, code: str, **more: Any) -> httpx2.Response:
    body = {"status": status, "code": code, "detail": "no", "errors": more.pop("errors", [])}
    return httpx2.Response(status, json=body, headers={"x-request-id": "request_1", **more})


def lost() -> httpx2.ReadError:
    return httpx2.ReadError("gone")


def test_a_post_keeps_its_key_over_all_tries(do: Do) -> None:
    wire = Wire(lost(), problem(503, "unavailable"), httpx2.Response(201, json={"id": "call_1"}))
    assert do(wire, lambda c: c.calls.create(to="+14155550100", agent_id="a"))["id"] == "call_1"
    keys = {request.headers["idempotency-key"] for request in wire.seen}
    assert len(wire.seen) == 3
    assert len(keys) == 1
    assert wire.pauses == [0.5, 1.0]


def test_two_posts_have_two_keys_unless_one_is_given(do: Do) -> None:
    made = [httpx2.Response(201, json={}) for _ in range(3)]
    wire = Wire(*made[:1])
    do(wire, lambda c: c.calls.create(to="+1"))
    again = Wire(*made[1:2])
    do(again, lambda c: c.calls.create(to="+1"))
    own = Wire(*made[2:])
    do(own, lambda c: c.calls.create(to="+1", idempotency_key="mine"))
    first, second, third = (w.seen[0].headers["idempotency-key"] for w in (wire, again, own))
    assert first != second
    assert third == "mine"


def test_from_is_written_with_an_underscore_and_sent_without(do: Do) -> None:
    wire = Wire(httpx2.Response(201, json={}))
    do(wire, lambda c: c.calls.create(to="+14155550100", from_="+14155550199"))
    assert json.loads(wire.seen[0].content) == {"to": "+14155550100", "from": "+14155550199"}
    assert wire.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_retry_after_is_waited_for_on_top_of_the_drawn_pause(do: Do) -> None:
    wire = Wire(
        problem(429, "rate_limited", **{"retry-after": "7"}), httpx2.Response(200, json={"id": "x"})
    )
    do(wire, lambda c: c.calls.get("x"))
    assert wire.pauses == [7.5]


def test_a_server_that_wants_an_hour_is_not_asked_again(do: Do) -> None:
    wire = Wire(problem(429, "rate_limited", **{"retry-after": "3600"}))
    with pytest.raises(ApiError) as refusal:
        do(wire, lambda c: c.calls.get("x"))
    assert (refusal.value.status, refusal.value.code) == (429, "rate_limited")
    assert not wire.pauses


def test_a_post_still_in_progress_is_asked_for_again(do: Do) -> None:
    wire = Wire(problem(409, "idempotency_in_progress"), httpx2.Response(201, json={"id": "c"}))
    assert do(wire, lambda c: c.calls.create(to="+1"))["id"] == "c"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_what_is_refused_is_refused_at_once(do: Do, status: int) -> None:
    wire = Wire(problem(status, "some_code", errors=[{"field": "to", "message": "wrong"}]))
    with pytest.raises(ApiError) as refusal:
        do(wire, lambda c: c.calls.create(to="+1"))
    error = refusal.value
    assert (error.status, error.code, error.request_id) == (status, "some_code", "request_1")
    assert [(p.field, p.message) for p in error.problems] == [("to", "wrong")]
    assert str(error) == "no (to: wrong)"


def test_an_answer_that_is_no_problem_document_still_says_its_status(do: Do) -> None:
    wire = Wire(httpx2.Response(500, text="<html>"))
    with pytest.raises(ApiError, match="the server answered 500") as refusal:
        do(wire, lambda c: c.calls.get("x"))
    assert refusal.value.code == "http_500"


def test_a_server_that_is_not_there_is_tried_four_times(do: Do) -> None:
    wire = Wire(*[httpx2.ConnectError("refused") for _ in range(4)])
    with pytest.raises(ServerUnreachable, match="no Strowger answers at http://s"):
        do(wire, lambda c: c.agents.get("x"))
    assert wire.pauses == [0.5, 1.0, 2.0]


def test_deleting_what_an_earlier_try_deleted_is_success(do: Do) -> None:
    do(Wire(lost(), problem(404, "not_found")), lambda c: c.agents.delete("x"))
    with pytest.raises(ApiError):
        do(Wire(problem(404, "not_found")), lambda c: c.agents.delete("x"))


def test_lists_walk_every_page(do: Do) -> None:
    pages = [
        httpx2.Response(200, json={"data": [{"id": 1}, {"id": 2}], "next_cursor": "c2"}),
        httpx2.Response(200, json={"data": [{"id": 3}], "next_cursor": None}),
    ]
    wire = Wire(*pages)
    found = do(wire, lambda c: c.calls.list(status="failed"))
    assert [call["id"] for call in found] == [1, 2, 3]
    assert dict(wire.seen[0].url.params) == {"limit": "100", "status": "failed"}
    assert dict(wire.seen[1].url.params) == {"limit": "100", "cursor": "c2", "status": "failed"}


def events(*sequences: int, after: int) -> httpx2.Response:
    data = [{"sequence": sequence} for sequence in sequences]
    return httpx2.Response(
        200, json={"data": data, "next_cursor": str(sequences[-1] if sequences else after)}
    )


def state(status: str) -> httpx2.Response:
    return httpx2.Response(200, json={"id": "call_1", "status": status})


def test_events_are_followed_to_the_last_even_if_it_comes_between_two_looks(do: Do) -> None:
    wire = Wire(
        events(1, 2, after=0), events(after=2), state("in_progress"), events(after=2),
        state("completed"), events(3, after=2), events(after=3),
    )  # fmt: skip
    found = do(wire, lambda c: c.calls.events("call_1"))
    assert [event["sequence"] for event in found] == [1, 2, 3]


def test_waiting_ends_with_the_call(do: Do) -> None:
    wire = Wire(state("queued"), events(1, after=0), state("completed"))
    assert do(wire, lambda c: c.calls.wait("call_1", timeout=60))["status"] == "completed"
    assert float(wire.seen[1].url.params["wait"]) == 20
    assert wire.seen[1].extensions["timeout"]["read"] == 30


def test_waiting_has_an_end_of_its_own(do: Do) -> None:
    with pytest.raises(WaitedTooLong, match="call_1 is queued after 0 s"):
        do(Wire(state("queued")), lambda c: c.calls.wait("call_1", timeout=0))


@given(
    tries=st.integers(1, 3),
    jitter=st.floats(0, 1),
    demand=st.none() | st.floats(0, 60),
)
def test_pauses_grow_within_their_bounds(tries: int, jitter: float, demand: float | None) -> None:
    policy = RetryPolicy()
    pause = policy.pause(tries, jitter=jitter, demand=demand)
    assert pause is not None
    assert (demand or 0) <= pause <= (demand or 0) + 0.5 * 2 ** (tries - 1)
    assert policy.pause(4, jitter=jitter, demand=demand) is None


def test_a_change_may_insist_on_a_version(do: Do) -> None:
    wire = Wire(httpx2.Response(200, json={}), problem(412, "version_mismatch"))
    do(wire, lambda c: c.agents.update("a", name="x"))
    assert "if-match" not in wire.seen[0].headers
    with pytest.raises(ApiError) as refusal:
        do(wire, lambda c: c.agents.update("a", if_version=3, name="x"))
    assert refusal.value.code == "version_mismatch"
    assert wire.seen[1].headers["if-match"] == '"3"'
    assert json.loads(wire.seen[1].content) == {"name": "x"}


# ── streams ──


def told(*sequences: int, begin: int = 0) -> httpx2.Response:
    """A stream that ends after these events."""
    text = f": listening\nid: {begin}\n\n" + "".join(
        f'id: {one}\nevent: call.turn\ndata: {{"sequence":{one}}}\n\n' for one in sequences
    )
    return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})


class Broken(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def __iter__(self) -> Iterator[bytes]:
        yield self._text
        raise lost()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._text
        raise lost()


def test_a_call_is_heard_live_over_cut_lines_until_it_is_over(do: Do) -> None:
    cut = httpx2.Response(200, stream=Broken(told(7, begin=5).text + "id: 8\nda"))
    wire = Wire(
        cut, told(8, 9, begin=7), lost(), told(begin=9), state("in_progress"), told(10, begin=9),
        told(begin=10), state("completed"),
    )  # fmt: skip
    found = do(wire, lambda c: c.calls.live("call_1"))
    assert [event["sequence"] for event in found] == [7, 8, 9, 10]
    asked = [one for one in wire.seen if one.url.path.endswith("/live")]
    assert [one.headers.get("last-event-id") for one in asked] == [
        None, "7", "9", "9", "9", "10",
    ]  # fmt: skip
    assert {one.headers["accept"] for one in asked} == {"text/event-stream"}


def test_a_stream_that_is_cut_before_its_first_event_begins_where_it_began(do: Do) -> None:
    wire = Wire(httpx2.Response(200, stream=Broken(": listening\nid: 41\n\n")), told(42, begin=41))

    def first(client: Any) -> Any:
        return client.events.stream()

    def walk_one(series: Any) -> Any:
        return next(series)

    async def await_one(series: Any) -> Any:
        async for event in series:
            return event

    one = do(wire, lambda c: walk_one(first(c)) if isinstance(c, Client) else await_one(first(c)))
    assert one == {"sequence": 42}
    assert [request.headers.get("last-event-id") for request in wire.seen] == [None, "41"]


def test_a_stream_that_is_refused_says_why(do: Do) -> None:
    with pytest.raises(ApiError) as refusal:
        do(Wire(problem(404, "not_found")), lambda c: c.calls.live("call_1"))
    assert refusal.value.code == "not_found"


# ── webhooks ──


SECRET = "whsec_" + "c2VjcmV0" * 4
BODY = b'{"type":"call.completed","timestamp":"2026-01-31T09:30:00.125Z","data":{}}'


def signed(body: bytes, at: float) -> dict[str, str]:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(int(at), UTC)
    signature = Standard(SECRET).sign("event_1", moment, body.decode())
    return {
        "Webhook-Id": "event_1",
        "Webhook-Timestamp": str(int(at)),
        "Webhook-Signature": signature,
    }


def test_a_genuine_webhook_is_read() -> None:
    assert verify_webhook(BODY, signed(BODY, time.time()), SECRET)["type"] == "call.completed"


@pytest.mark.parametrize("wrong", ["body", "secret", "age", "header", "none"])
def test_a_webhook_that_is_not_genuine_is_refused(wrong: str) -> None:
    headers = signed(BODY, time.time() - (3600 if wrong == "age" else 0))
    if wrong == "header":
        headers["Webhook-Signature"] = "v1,AAAA"
    if wrong == "none":
        headers = {}
    body = BODY + b" " if wrong == "body" else BODY
    secret = "whsec_" + "b3RoZXJz" * 4 if wrong == "secret" else SECRET
    with pytest.raises(InvalidSignature):
        verify_webhook(body, headers, secret)
