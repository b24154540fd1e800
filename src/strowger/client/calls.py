"""Calls: place them, follow them, speak into them, end them, look at how they went."""

import time
from typing import Unpack

from strowger.client import shapes
from strowger.client.asking import Asking
from strowger.client.failures import WaitedTooLong
from strowger.client.plans import Item, Pause, Plan, S, Series, operation, series
from strowger.client.requests import LONGEST_WAIT, MOST_AT_ONCE, asked, renamed
from strowger.client.sse import EventReader


class Calls(Asking[S]):
    """`/v1/calls`."""

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **call: Unpack[shapes.NewCall]
    ) -> Plan[shapes.Call]:
        """Queue a call. However often the network fails in between, it is placed once."""
        return self._post("/v1/calls", renamed(call), key=idempotency_key)

    @series
    def list(
        self, *, status: str | None = None, agent_id: str | None = None, to: str | None = None
    ) -> Series[shapes.CallSummary]:
        """Newest first, without transcripts, fetched page by page."""
        return self._walk("/v1/calls", status=status, agent_id=agent_id, to=to)

    @operation
    def page(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: str | None = None,
        agent_id: str | None = None,
        to: str | None = None,
    ) -> Plan[shapes.Listed[shapes.CallSummary]]:
        """One page of the list."""
        return self._read(
            "/v1/calls", limit=limit, cursor=cursor, status=status, agent_id=agent_id, to=to
        )

    @operation
    def get(self, id: str) -> Plan[shapes.Call]:
        """Everything that is known of a call."""
        return self._one(id)

    @operation
    def end(self, id: str) -> Plan[shapes.Call]:
        """Hang up; a call that still waits is canceled."""
        return self._post(f"/v1/calls/{id}/end")

    @operation
    def cancel(self, id: str) -> Plan[shapes.Call]:
        """End a call that nobody has answered; ApiError 409 `call_state` for others."""
        return self._post(f"/v1/calls/{id}/cancel")

    @operation
    def say(self, id: str, text: str, *, idempotency_key: str | None = None) -> Plan[shapes.Call]:
        """Have the agent say something, as soon as the callee lets it speak."""
        return self._post(f"/v1/calls/{id}/say", {"text": text}, key=idempotency_key)

    @operation
    def digits(
        self, id: str, digits: str, *, idempotency_key: str | None = None
    ) -> Plan[shapes.Call]:
        """Press keys: 1 to 64 of `0-9`, `*`, `#` and `A-D`."""
        return self._post(f"/v1/calls/{id}/digits", {"digits": digits}, key=idempotency_key)

    @operation
    def transcript(self, id: str) -> Plan[shapes.Transcript]:
        """What was said so far."""
        return self._read(f"/v1/calls/{id}/transcript")

    @operation
    def metrics(self, id: str) -> Plan[shapes.CallMetrics]:
        """How fast the agent replied, and what became of the audio."""
        return self._read(f"/v1/calls/{id}/metrics")

    @operation
    def recording(self, id: str, *, first: int = 0, last: int | None = None) -> Plan[bytes]:
        """The WAV file of a call that is over: left the callee, right the agent.

        Or the bytes of it from the `first` to the `last`, both included.
        """
        ranged = {}
        if first or last is not None:
            ranged["Range"] = f"bytes={first}-{'' if last is None else last}"
        path = f"/v1/calls/{id}/recording"
        return (yield from self._answer(asked("GET", path, headers=ranged))).content

    @operation
    def recording_size(self, id: str) -> Plan[int]:
        """How many bytes the recording has."""
        answer = yield from self._answer(asked("HEAD", f"/v1/calls/{id}/recording"))
        return int(answer.headers["content-length"])

    @series
    def events(self, id: str, *, after: int = 0) -> Series[shapes.Event]:
        """What happens on a call, from its beginning and as it happens, until it is over."""
        path, over = f"/v1/calls/{id}/events", False
        while True:
            page = yield from self._read(path, after=after, wait=LONGEST_WAIT, limit=MOST_AT_ONCE)
            for item in page["data"]:
                yield Item(item)
            after = int(page["next_cursor"])
            if not page["data"]:
                if over:
                    return
                # Looked at before the next page: what ended the call is then on that page.
                over = yield from self._is_over(id)

    @series
    def live(self, id: str, *, after: int | None = None) -> Series[shapes.Event]:
        """What happens on a call from now on, or after an event, told by the server as it happens.

        Goes on where it was when the connection breaks, and ends with the call.
        """
        reader = EventReader(None if after is None else str(after))
        while True:
            before = reader.last_id
            yield from self._hear(f"/v1/calls/{id}/live", reader)
            # What ended the call may have come between its last connection and our look at it.
            if reader.last_id == before and (yield from self._is_over(id)):
                return
            yield Pause(self._shell.manner.retry.first_pause)

    @operation
    def wait(self, id: str, *, timeout: float | None = None) -> Plan[shapes.Call]:
        """The call, once it is over. Raises WaitedTooLong after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        after = 0
        while (call := (yield from self._one(id)))["status"] not in shapes.TERMINAL:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitedTooLong(f"{id} is {call['status']} after {timeout:g} s")
            wait = min(left, LONGEST_WAIT)
            page = yield from self._read(f"/v1/calls/{id}/events", after=after, wait=wait)
            after = int(page["next_cursor"])
        return call

    def _one(self, id: str) -> Plan[shapes.Call]:
        return self._read(f"/v1/calls/{id}")

    def _is_over(self, id: str) -> Plan[bool]:
        return (yield from self._one(id))["status"] in shapes.TERMINAL
