"""An attended transfer with everything in it: the server, its limits, and an exchange on real SIP.

Callee and boss are reached by one trunk. The exchange behind it joins the two as it is asked to:
to the call that the REFER's Replaces names, and it alone hangs up then.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import text

from strowger.ports import LineHungUp
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import TelephoneSettings, open_telephone
from tests.e2e.server import HOST, Server, database_of, free_port, serve
from tests.providers.openai_server import Asked
from tests.providers.vendors.openai import OpenAI, Reply
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY

CALLEE, BOSS, NEXT = "+14155550100", "+14155550111", "+14155550122"
WAITS = 30.0
"""Seconds in which what must happen has happened."""

AGENT: dict[str, Any] = {
    "name": "desk",
    "prompt": "Put everybody through to the boss.",
    "model": {"provider": "openai"},
    "tools": [
        {
            "type": "transfer",
            "targets": [{"name": "boss", "to": BOSS, "attended": True}],
            "deadline": 45,
            "progress": {"texts": []},
        }
    ],
}


class Desk(OpenAI):
    """A model that puts everybody through at once."""

    def reply_to(self, asked: Asked) -> Reply:
        return Reply("Hold.", "transfer_call", {"target": "boss", "briefing": "It is Ann."})


@dataclass
class Exchange:
    """Rings whom it is asked for. The boss answers when told to; the next callee is busy."""

    port: int = field(default_factory=free_port)
    model: str = ""
    """Where the model is."""
    rung: dict[str, threading.Event] = field(
        default_factory=lambda: {number: threading.Event() for number in (CALLEE, BOSS, NEXT)}
    )
    boss_answers: threading.Event = field(default_factory=threading.Event)
    boss_answered_at: float = 0.0
    sessions: dict[str, str] = field(default_factory=dict)
    """The Call-ID under which each has answered."""
    lines: dict[str, SipLine] = field(default_factory=dict)
    joined: list[tuple[str, str]] = field(default_factory=list)

    async def live(self, ready: threading.Event, stop: threading.Event) -> None:
        settings = TelephoneSettings(
            listen=(HOST, self.port), rtp_ports=(20100, 20198), lines=4, takes_referrals=True
        )
        incoming: asyncio.Queue[IncomingCall] = asyncio.Queue()
        async with (
            answering(Desk()) as self.model,
            open_telephone(settings, None, incoming.put_nowait),
            asyncio.TaskGroup() as tasks,
        ):
            taking = tasks.create_task(self._take_all(incoming, tasks))
            ready.set()
            await asyncio.to_thread(stop.wait)
            taking.cancel()

    async def _take_all(
        self, incoming: asyncio.Queue[IncomingCall], tasks: asyncio.TaskGroup
    ) -> None:
        while True:
            tasks.create_task(self._take(await incoming.get()))

    async def _take(self, call: IncomingCall) -> None:
        call.ring()
        self.rung[call.to].set()
        if call.to == NEXT:
            call.reject(486)
            return
        if call.to == BOSS:
            await asyncio.to_thread(self.boss_answers.wait, WAITS)
            self.boss_answered_at = time.time()
        call.on_referred = lambda to: self._join(call, to)
        async with call.answer() as line:
            self.sessions[call.to], self.lines[call.to] = call.session, line
            while not isinstance(await line.next_event(), LineHungUp):
                continue

    def _join(self, call: IncomingCall, to: str) -> None:
        """Only to a call that is here, as its Call-ID and tags say (RFC 3891 section 3)."""
        call_id, *tags = unquote(to.partition("?Replaces=")[2]).split(";")
        found = [number for number, session in self.sessions.items() if session == call_id]
        if not found or sorted(tag.partition("=")[0] for tag in tags) != ["from-tag", "to-tag"]:
            call.referral_ended(481)
            return
        self.joined.append((call.to, found[0]))
        call.referral_ended(200)
        for number in self.joined[-1]:
            self.lines[number].hung_up("joined", 16)


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Lives in a thread beside the test."""
    made, ready, stop = Exchange(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.live(ready, stop)))
    thread.start()
    try:
        assert ready.wait(WAITS)
        yield made
    finally:
        made.boss_answers.set()
        stop.set()
        thread.join(WAITS)


async def state_of(server: Server) -> dict[str, tuple[str | None, bool]]:
    """How far each call is in the queue for a line, and whether it takes up two, by its number."""
    found = text('SELECT "to", gate, consults FROM calls')
    async with database_of(server) as engine, engine.connect() as connection:
        rows = await connection.execute(found)
        return {to: (gate, bool(consults)) for to, gate, consults in rows}


def until_waiting(server: Server, number: str) -> dict[str, tuple[str | None, bool]]:
    deadline = time.monotonic() + WAITS
    while (state := asyncio.run(state_of(server)))[number][0] != "waiting":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    return state


def test_the_callee_is_joined_with_the_boss_who_took_a_line_of_the_trunk_meanwhile(
    tmp_path: Path,
) -> None:
    with exchange() as outside:
        environment = {
            "STROWGER_OPENAI_BASE_URL": f"{outside.model}/v1",
            "STROWGER_OPENAI_API_KEY": KEY,
        }
        with serve(tmp_path, **environment) as server:
            client = server.client
            trunk = {"name": "two", "host": HOST, "port": outside.port, "is_default": True}
            client.post("/v1/trunks", {**trunk, "max_calls": 2})
            id = client.post("/v1/calls", {"to": CALLEE, "agent": AGENT})["id"]
            assert outside.rung[BOSS].wait(WAITS)
            next_id = client.post("/v1/calls", {"to": NEXT, "agent": AGENT})["id"]
            state = until_waiting(server, NEXT)
            assert state[CALLEE] == ("released", True), "the boss has the other line"
            outside.boss_answers.set()
            call, next_call = server.wait(str(id)), server.wait(str(next_id))
            events = [event["type"] for event in client.events(str(id))]
            assert asyncio.run(state_of(server)) == {CALLEE: (None, False), NEXT: (None, False)}

    assert outside.joined == [(CALLEE, BOSS)]
    assert (call["status"], call["end_reason"]) == ("completed", "transferred")
    assert [event for event in events if event != "call.turn"] == [
        "call.queued", "call.initiated", "call.ringing", "call.answered", "call.tool_called",
        "call.completed",
    ]  # fmt: skip
    (said, used) = call["transcript"]
    assert (said["role"], said["text"]) == ("agent", "Hold.")
    assert (used["tool"]["name"], used["tool"]["ok"], used["text"]) == (
        "transfer_call", True, "put through",
    )  # fmt: skip
    assert next_call["status"] == "busy"
    dialled_at = datetime.fromisoformat(next_call["started_at"]).timestamp()
    assert dialled_at >= outside.boss_answered_at
