"""The checks find what they are there to find: evidence with one broken promise each."""

from collections import Counter
from copy import deepcopy
from typing import Any

from tests.crash.evidence import Evidence, broken_promises
from tests.crash.load import Accepted, Account

NUMBER = "+14152000001"


def kept() -> tuple[Evidence, Account]:
    """One call, and all as it should be."""
    types = ["call.queued", "call.initiated", "call.failed"]
    events: list[dict[str, Any]] = [
        {"id": f"event_{at}", "call_id": "call_1", "type": type, "sequence": at}
        for at, type in enumerate(types, 1)
    ]
    received = [
        {"event": one["id"], "call": "call_1", "type": one["type"], "status": 200} for one in events
    ]
    evidence = Evidence(
        calls=[{"id": "call_1", "status": "busy", "end_reason": "callee_busy", "to": NUMBER}],
        events=events,
        received=received,
        rung=Counter({NUMBER: 1}),
        quiet_after=1.0,
    )
    account = Account(idempotent=True, numbers={NUMBER})
    account.accepted[NUMBER] = Accepted("call_1", NUMBER)
    return evidence, account


def test_a_run_that_kept_every_promise_has_none_broken() -> None:
    assert broken_promises(*kept()) == []


def test_a_refused_delivery_that_comes_again_breaks_nothing() -> None:
    evidence, account = kept()
    evidence.received.insert(0, evidence.received[0] | {"status": 500})
    assert broken_promises(evidence, account) == []


def test_each_broken_promise_is_found() -> None:
    def broken(change: str) -> str:
        evidence, account = deepcopy(kept())
        match change:
            case "lost":
                account.accepted[NUMBER].id = "call_2"
            case "idle":
                account.accepted.clear()
            case "twice":
                evidence.calls.append(evidence.calls[0] | {"id": "call_2"})
            case "stuck":
                evidence.calls[0]["status"] = "ringing"
            case "rung":
                evidence.rung[NUMBER] = 2
            case "stranger":
                evidence.rung["+14159999999"] = 1
            case "undelivered":
                evidence.received[2]["status"] = 500
            case "order":
                evidence.received.reverse()
            case "early":
                evidence.early.append("attempt 2 came early")
            case "loud":
                evidence.quiet_after = None
        return "; ".join(broken_promises(evidence, account))

    assert "is lost" in broken("lost")
    assert "nothing was accepted" in broken("idle")
    assert "asked for once" in broken("twice")
    assert "never ended" in broken("stuck")
    assert "rang 2 times" in broken("rung")
    assert "nobody asked" in broken("stranger")
    assert "never arrived" in broken("undelivered")
    assert "came after a later one" in broken("order")
    assert "came early" in broken("early")
    assert "never became quiet" in broken("loud")


def test_an_end_that_was_accepted_and_not_obeyed_is_found() -> None:
    evidence, account = kept()
    account.ended.add("call_1")
    assert "was to be ended" in "; ".join(broken_promises(evidence, account))
    evidence.calls[0]["end_reason"] = "api_request"
    assert broken_promises(evidence, account) == []


def test_words_that_were_said_twice_are_found() -> None:
    evidence, account = kept()
    evidence.said["call_1"] = 2
    assert "told the same 2 times" in "; ".join(broken_promises(evidence, account))


def test_a_test_call_that_reached_a_trunk_is_found() -> None:
    evidence, account = kept()
    account.tests.add(NUMBER)
    assert "for a simulated callee" in "; ".join(broken_promises(evidence, account))
