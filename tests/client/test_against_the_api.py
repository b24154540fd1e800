"""The client against the API itself, over records in memory: what one sends the other takes."""

from collections.abc import AsyncIterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, get_type_hints

import httpx2
import pytest

from strowger.api.app import bare_app, create_app
from strowger.api.services import Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import hash_key
from strowger.client import ApiError, AsyncClient, shapes
from strowger.model import DEFAULT_WORKSPACE, ApiKey, KeyId
from tests.fakes import InMemoryRecords
from tests.fakes_around import ContentChecker, FixedCatalogue, InMemoryDeliveries

KEY = "strowger_live_" + "A" * 43
HELLO = {"start": "hi", "nodes": {"hi": {"type": "end", "text": "Hello, and goodbye."}}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    records, numbers = InMemoryRecords(), count(1)
    records.keys[hash_key(KEY)] = ApiKey(
        id=KeyId("key_1"), workspace_id=DEFAULT_WORKSPACE, name="test", scopes=("*",)
    )
    services = build_services(
        records,
        Surroundings(
            deliveries=InMemoryDeliveries(records),
            catalogue=FixedCatalogue(),
            checker=ContentChecker(),
        ),
        ids=lambda prefix: f"{prefix}_{next(numbers):032x}",
        clock=lambda: 1_790_000_000.0,
        policy=DialPolicy(),
        recording_path=lambda workspace, call: tmp_path / workspace / f"{call}.wav",
    )
    transport = httpx2.ASGITransport(create_app(services))
    async with AsyncClient("http://strowger", KEY, transport=transport) as client:
        yield client


@pytest.mark.anyio
async def test_everything_a_call_needs_can_be_made_read_changed_and_removed(
    client: AsyncClient,
) -> None:
    trunk = await client.trunks.create(name="t", host="127.0.0.1")
    number = await client.phone_numbers.create(number="+14155550199", trunk_id=trunk["id"])
    agent = await client.agents.create(name="hello", flow=HELLO)
    webhook = await client.webhooks.create(url="https://example.com/hook")
    assert webhook["secret"].startswith("whsec_")
    assert (await client.agents.update(agent["id"], name="hi"))["version"] == 2
    call = await client.calls.create(
        to="+14155550100", agent_id=agent["id"], from_=number["number"], metadata={"deal": 1}
    )
    assert (await client.calls.get(call["id"]))["status"] == "queued"
    assert [one["id"] async for one in client.calls.list(status="queued")] == [call["id"]]
    ended = await client.calls.end(call["id"])
    assert ended["status"] == "canceled"
    assert (await client.calls.wait(call["id"]))["end_reason"] == "api_request"
    told = [event["type"] async for event in client.calls.events(call["id"])]
    assert told == ["call.queued", "call.failed"]
    assert (await client.calls.transcript(call["id"]))["turns"] == []
    for kept, id in (
        (client.webhooks, webhook["id"]), (client.phone_numbers, number["id"]),
        (client.trunks, trunk["id"]), (client.agents, agent["id"]),
    ):  # fmt: skip
        await kept.delete(id)


@pytest.mark.anyio
async def test_more_than_a_page_is_listed_whole(client: AsyncClient) -> None:
    for index in range(103):
        await client.agents.create(name=f"agent {index}", flow=HELLO)
    names = [agent["name"] async for agent in client.agents.list()]
    assert names == [f"agent {index}" for index in reversed(range(103))]


@pytest.mark.anyio
async def test_a_refusal_names_every_field(client: AsyncClient) -> None:
    with pytest.raises(ApiError) as refusal:
        await client.calls.create(to="12", agent={"name": ""})
    assert refusal.value.code == "invalid_phone_number" or len(refusal.value.problems) > 1
    assert "to" in {problem.field for problem in refusal.value.problems}
    assert refusal.value.request_id


@cache
def schemas() -> dict[str, Any]:
    described: dict[str, Any] = bare_app().openapi()["components"]["schemas"]
    return described


ANSWERED = (
    "Agent", "AgentVersion", "ApiKey", "AuditEntry", "Call", "CallLatency", "CallMetrics",
    "CallSummary", "CreatedApiKey", "CreatedWebhook", "Delivery", "DeliveryAttempt",
    "DeliverySummary", "Distribution", "Event", "EventList", "LatencyStages", "MediaFigures",
    "Model", "PhoneNumber", "Replayed", "RotatedWorkspace", "Secret", "Transcript", "Trunk",
    "TrunkCheck", "Turn", "TurnLatency", "UsedTool", "Voice", "Webhook", "Workspace",
)  # fmt: skip
SENT: dict[str, Any] = {
    "NewCall": shapes.NewCall,
    "AgentChanges": shapes.AgentFields,
    "NewTrunk": shapes.NewTrunk,
    "TrunkChanges": shapes.TrunkFields,
    "NewPhoneNumber": shapes.NewPhoneNumber,
    "PhoneNumberChanges": shapes.PhoneNumberFields,
    "NewSecret": shapes.NewSecret,
    "SecretChanges": shapes.SecretFields,
    "NewWebhook": shapes.NewWebhook,
    "WebhookChanges": shapes.WebhookFields,
    "NewApiKey": shapes.NewApiKey,
}


@pytest.mark.parametrize("schema", [*ANSWERED, "RecordingState"])
def test_what_the_api_answers_is_what_the_types_name(schema: str) -> None:
    shape = shapes.Recording if schema == "RecordingState" else getattr(shapes, schema)
    described = schemas()[schema]
    assert set(get_type_hints(shape)) == set(described["properties"])
    assert shape.__required_keys__ >= set(described["required"]) - {"name"}


@pytest.mark.parametrize("schema", SENT)
def test_what_the_types_let_one_send_is_what_the_api_takes(schema: str) -> None:
    described, shape = schemas()[schema], SENT[schema]
    sent = {"from" if name == "from_" else name for name in get_type_hints(shape)}
    assert sent == set(described["properties"])
    assert shape.__required_keys__ == set(described.get("required", ()))
