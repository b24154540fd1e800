"""A customer who places calls through the API while it is killed, and keeps account of them."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.crash.house import House, World
from tests.crash.plan import Plan, Wish, wishes
from tests.e2e.server import HOST

ANSWER_WITHIN = 5.0  # seconds
PAUSE = 0.3  # seconds before the same is asked again
PERSISTENCE = 60  # times
LINES = 5
"""Most calls at the same time to who takes them, where the server has such limits: so some wait."""
NUMBERS = {
    "hello": "+14155550001",
    "engaged": "+14155550002",
    "empty-room": "+14155550003",
    "patient": "+14155550004",
}
"""The customer's number that leads through the trunk to each callee."""
AGENT: dict[str, object] = {
    "name": "brief",
    "flow": {"start": "end", "nodes": {"end": {"type": "end", "text": "Thank you, goodbye."}}},
}


WAITING: dict[str, object] = {
    "name": "patient",
    "turn_taking": {"silence_timeout": 600},
    "flow": {
        "start": "ask",
        "nodes": {
            "ask": {
                "type": "ask",
                "text": "Take your time.",
                "expect": {"type": "yes_no"},
                "branches": {"yes": "end", "no": "end"},
            },
            "end": {"type": "end", "text": "Goodbye."},
        },
    },
}
"""Talks to nobody until somebody ends the call, or `LONGEST` has passed."""
LONGEST = 150.0  # seconds
SAID = "Please hold the line."
TIME_TO_SPEAK = 4.0  # seconds


@dataclass(slots=True)
class Accepted:
    """A call that was answered with 2xx."""

    id: str
    number: str
    answers: int = 1
    """How many times the same wish was answered with 2xx, under the same key."""
    after: float = 0.0
    """Seconds from the first try."""


@dataclass(slots=True)
class Account:
    """What the client knows at the end."""

    idempotent: bool
    """Whether the server keeps Idempotency-Keys: then the client insists on an answer."""
    accepted: dict[str, Accepted] = field(default_factory=dict)
    """By number."""
    numbers: set[str] = field(default_factory=set)
    """Every number that was ever asked for."""
    troubles: Counter[str] = field(default_factory=Counter)
    """Answers that were none, or not 2xx."""
    mistakes: list[str] = field(default_factory=list)
    """Answers that contradict each other."""
    tests: set[str] = field(default_factory=set)
    """Numbers that were asked for with a test key."""
    ended: set[str] = field(default_factory=set)
    """Ids of calls whose end was asked for and answered with 2xx."""
    spoken: int = 0
    """How many `say` were answered with 2xx."""


def furnish(house: House, world: World) -> None:
    """Trunks to the callees, a number that leads to each, a webhook for everything, and a key whose
    calls must reach none of these trunks."""
    with _client(house) as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        limited = "max_calls" in schemas["NewTrunk"]["properties"]
        for name, callee in world.callees.items():
            trunk = {"name": name, "host": HOST, "port": callee.port, "is_default": False}
            limit = {"max_calls": LINES} if name == "hello" and limited else {}
            made = _good(client.post("/v1/trunks", json=trunk | limit))
            number = {"number": NUMBERS[name], "trunk_id": made["id"]}
            _good(client.post("/v1/phone-numbers", json=number))
        _good(client.post("/v1/webhooks", json={"url": world.webhook_url, "events": ["*"]}))
        key = {"name": "tests", "scopes": ["*"], "test": True}
        house.test_key = _good(client.post("/v1/api-keys", json=key))["key"]


async def place_calls(house: House, plan: Plan) -> Account:
    """Send every wish at its time; insist where that cannot place a call twice."""
    account = Account(idempotent=_keeps_keys(house))
    limits = httpx2.Limits(max_connections=50)
    begun = time.monotonic()
    async with (
        httpx2.AsyncClient(
            base_url=house.url, timeout=ANSWER_WITHIN, limits=limits, trust_env=False
        ) as client,
        asyncio.TaskGroup() as tasks,
    ):  # fmt: skip
        for wish in wishes(plan):
            await asyncio.sleep(max(0.0, begun + wish.at - time.monotonic()))
            key = house.test_key if wish.test else house.key
            customer = Customer(client, wish, account, key)
            tasks.create_task(customer.run(), name=wish.number)
    return account


@dataclass(slots=True)
class Customer:
    """Whoever wants one call."""

    client: httpx2.AsyncClient
    wish: Wish
    account: Account
    key: str

    async def run(self) -> None:
        wish, account = self.wish, self.account
        account.numbers.add(wish.number)
        if wish.test:
            account.tests.add(wish.number)
        await self._place()
        accepted = account.accepted.get(wish.number)
        if accepted is not None and wish.ended_after is not None:
            await asyncio.sleep(wish.ended_after)
            if await self._insist(f"{accepted.id}/say", {"text": SAID}):
                account.spoken += 1
                await asyncio.sleep(TIME_TO_SPEAK)
            if await self._insist(f"{accepted.id}/end", None):
                account.ended.add(accepted.id)

    async def _place(self) -> None:
        wish, account = self.wish, self.account
        tries = PERSISTENCE if account.idempotent else 1
        wanted = 2 if account.idempotent and wish.asked_again else 1
        begun = time.monotonic()
        for _ in range(tries):
            answer = await self._ask("", self._call())
            if answer is None or not answer.is_success:
                await asyncio.sleep(PAUSE)
                continue
            id = str(answer.json()["id"])
            known = account.accepted.get(wish.number)
            if known is None:
                after = time.monotonic() - begun
                account.accepted[wish.number] = Accepted(id, wish.number, after=after)
            else:
                known.answers += 1
                if known.id != id:
                    account.mistakes.append(f"{wish.number}: one key, two calls: {known.id}, {id}")
            if account.accepted[wish.number].answers == wanted:
                return

    async def _insist(self, path: str, body: dict[str, object] | None) -> bool:
        """Ask until it is answered; whether it was accepted. What is over or not yet there is
        refused, and that is an answer."""
        for _ in range(PERSISTENCE):
            answer = await self._ask(f"/{path}", body)
            if answer is not None and (answer.is_success or answer.json()["code"] == "call_state"):
                return answer.is_success
            await asyncio.sleep(PAUSE)
        return False

    async def _ask(self, path: str, body: dict[str, object] | None) -> httpx2.Response | None:
        """One request; None where no answer came."""
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Idempotency-Key": f"{self.wish.number}{path}",
        }
        try:
            answer = await self.client.post(f"/v1/calls{path}", json=body, headers=headers)
        except httpx2.HTTPError as error:
            self.account.troubles[type(error).__name__] += 1
            return None
        if not answer.is_success:
            self.account.troubles[f"{answer.status_code} {answer.json().get('code', '')}"] += 1
        return answer

    def _call(self) -> dict[str, object]:
        wish = self.wish
        return {
            "to": wish.number,
            "from": NUMBERS[wish.callee],
            "agent": AGENT if wish.ended_after is None else WAITING,
            "max_duration": LONGEST,
            "ring_timeout": 2,
            "record": False,
        }


def _keeps_keys(house: House) -> bool:
    with _client(house) as client:
        described = client.get("/openapi.json").json()["paths"]["/v1/calls"]["post"]
    named = {one.get("name", "").lower() for one in described.get("parameters", [])}
    return "idempotency-key" in named


def _client(house: House) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {house.key}"}
    return httpx2.Client(base_url=house.url, headers=headers, timeout=30.0, trust_env=False)


def _good(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    return dict(answer.json())
