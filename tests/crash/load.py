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
NUMBERS = {"hello": "+14155550001", "engaged": "+14155550002", "empty-room": "+14155550003"}
"""The customer's number that leads through the trunk to each callee."""
AGENT: dict[str, object] = {
    "name": "brief",
    "flow": {"start": "end", "nodes": {"end": {"type": "end", "text": "Thank you, goodbye."}}},
}


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


def furnish(house: House, world: World) -> None:
    """Trunks to the callees, a number that leads to each, and a webhook for everything."""
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


async def place_calls(house: House, plan: Plan) -> Account:
    """Send every wish at its time; insist where that cannot place a call twice."""
    account = Account(idempotent=_keeps_keys(house))
    limits = httpx2.Limits(max_connections=50)
    headers = {"Authorization": f"Bearer {house.key}"}
    begun = time.monotonic()
    async with (
        httpx2.AsyncClient(
            base_url=house.url, headers=headers, timeout=ANSWER_WITHIN, limits=limits,
            trust_env=False,
        ) as client,
        asyncio.TaskGroup() as tasks,
    ):  # fmt: skip
        for wish in wishes(plan):
            await asyncio.sleep(max(0.0, begun + wish.at - time.monotonic()))
            tasks.create_task(_place(client, wish, account), name=wish.number)
    return account


async def _place(client: httpx2.AsyncClient, wish: Wish, account: Account) -> None:
    account.numbers.add(wish.number)
    tries = PERSISTENCE if account.idempotent else 1
    wanted = 2 if account.idempotent and wish.asked_again else 1
    begun = time.monotonic()
    for _ in range(tries):
        id = await _ask(client, wish, account)
        if id is None:
            await asyncio.sleep(PAUSE)
            continue
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


async def _ask(client: httpx2.AsyncClient, wish: Wish, account: Account) -> str | None:
    """One request; the id of the call, where it was accepted."""
    body = {
        "to": wish.number, "from": NUMBERS[wish.callee], "agent": AGENT, "ring_timeout": 2,
        "record": False,
    }  # fmt: skip
    try:
        answer = await client.post(
            "/v1/calls", json=body, headers={"Idempotency-Key": f"wish {wish.number}"}
        )
    except httpx2.HTTPError as error:
        account.troubles[type(error).__name__] += 1
        return None
    if answer.is_success:
        return str(answer.json()["id"])
    account.troubles[f"{answer.status_code} {answer.json().get('code', '')}"] += 1
    return None


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
