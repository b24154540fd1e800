"""Vendors whose webhook of a call's end has its summary send it once the call is analysed."""

import json
from typing import Any

import pytest

from strowger.api.dialects.endings import PATIENCE
from strowger.errors import NotItsTurn
from strowger.model import CallAnalysis, CallId
from tests.dialects.conftest import NOW, Shop

WITH_SUMMARY = ("ravan:documented", "ravan:observed", "revring")
WITHOUT = ("ringyo", "ryvo", "vocode:event_phone_call_ended")


def over(shop: Shop) -> str:
    """A call that is over, whose analysis is planned; its id."""
    agent = shop.agent(analysis={"summary": True})
    call = str(shop.native("POST", "/v1/calls", {"to": "+14155550100", "agent_id": agent})["id"])
    shop.conduct(call)
    return call


def analyzed(shop: Shop, call: str, status: Any, summary: str | None) -> None:
    analysis = CallAnalysis(status=status, attempts=1)
    shop.behind(shop.analyses.write(CallId(call), analysis, summary, retry_at=None, now=NOW))


def summary_in(body: bytes) -> object:
    told = json.loads(body)
    if "call_session" in told:
        return told["post_call_analysis"].get("summary", {}).get("value")
    return told.get("data", told)["summary"]


@pytest.mark.parametrize("format", WITH_SUMMARY)
def test_it_waits_for_the_summary(shop: Shop, format: str) -> None:
    call = over(shop)
    with pytest.raises(NotItsTurn):
        shop.composed(format, call, "call.completed")
    analyzed(shop, call, "completed", "They talked.")
    sent = shop.composed(format, call, "call.completed")
    assert sent is not None
    assert summary_in(sent.body) == "They talked."
    assert shop.composed(format, call, "call.analyzed") is None


@pytest.mark.parametrize("format", WITH_SUMMARY)
def test_it_waits_no_longer_than_two_tries_take(shop: Shop, format: str) -> None:
    call, ended = over(shop), NOW + 8
    shop.now[0] = ended + PATIENCE - 0.1
    with pytest.raises(NotItsTurn):
        shop.composed(format, call, "call.completed", at=ended)
    shop.now[0] = ended + PATIENCE
    sent = shop.composed(format, call, "call.completed", at=ended)
    assert sent is not None
    assert summary_in(sent.body) is None


def test_an_analysis_that_failed_is_not_waited_for(shop: Shop) -> None:
    call = over(shop)
    analyzed(shop, call, "failed", None)
    sent = shop.composed("revring", call, "call.completed")
    assert sent is not None
    assert summary_in(sent.body) is None


@pytest.mark.parametrize("format", WITHOUT)
def test_who_tells_no_summary_waits_for_none(shop: Shop, format: str) -> None:
    assert shop.composed(format, over(shop), "call.completed") is not None
