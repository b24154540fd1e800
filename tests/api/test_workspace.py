"""The workspace and its secret: what goes to the `webhook_url` of a call can be verified."""

import asyncio
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from strowger.calls.render import render_event
from strowger.client import InvalidSignature, verify_webhook
from strowger.model import DEFAULT_WORKSPACE, NATIVE_FORMAT
from strowger.store.connect import connect
from strowger.store.outbox import PostgresOutbox
from strowger.webhooks.deliver import Deliverer, NativeFormat
from strowger.webhooks.egress import guarded_client
from tests.api.conftest import Api
from tests.api.house import CALL, House, house
from tests.postgres import database_url
from tests.webhooks.server import Received, listening

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

LOOPBACK = (ip_network("127.0.0.0/8"),)
ROTATE = "/v1/workspace/webhook-secret/rotate"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house(database_url, tmp_path) as made:
        made.now[0] = time.time()  # the database judges by its own clock until when secrets sign
        yield made


async def rotated(home: House, headers: dict[str, str]) -> dict[str, Any]:
    answer = await home.client.post(ROTATE, headers=headers)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def delivered(home: House, headers: dict[str, str]) -> Received:
    """What the `webhook_url` of a new call is sent first."""
    async with listening() as receiver, guarded_client(LOOPBACK) as client:
        body = {**CALL, "webhook_url": receiver.url}
        call = await home.client.post("/v1/calls", json=body, headers=headers)
        assert call.status_code == 201, call.text
        connection = await connect(home.url)
        try:
            id = await connection.fetchval(
                "SELECT id FROM deliveries WHERE call_id = $1", call.json()["id"]
            )
        finally:
            await connection.close()
        formats = {NATIVE_FORMAT: NativeFormat(render_event)}
        await Deliverer(PostgresOutbox(home.engine), client, formats=formats).deliver(id)
    (received,) = receiver.received
    return received


def verified(received: Received, secret: str) -> bool:
    try:
        verify_webhook(received.body, received.headers, secret)
    except InvalidSignature:
        return False
    return True


async def test_what_goes_to_the_address_of_a_call_verifies_with_the_secret_shown(
    home: House,
) -> None:
    headers = await home.key()
    await home.trunk(headers)
    # Something was signed before anybody asked: with a secret that nobody has seen.
    unseen = await delivered(home, headers)
    first = (await rotated(home, headers))["webhook_secret"]
    assert not verified(unseen, first)
    assert verified(await delivered(home, headers), first)
    second = (await rotated(home, headers))["webhook_secret"]
    within_a_day = await delivered(home, headers)
    assert verified(within_a_day, first)
    assert verified(within_a_day, second)
    await home.order("UPDATE workspaces SET previous_webhook_secret_until = 1")
    after_it = await delivered(home, headers)
    assert verified(after_it, second)
    assert not verified(after_it, first)


async def test_a_third_secret_ends_the_first_ones_time(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    secrets = [(await rotated(home, headers))["webhook_secret"] for _ in range(3)]
    received = await delivered(home, headers)
    assert [verified(received, secret) for secret in secrets] == [False, True, True]


async def test_the_workspace_tells_since_when_and_until_when(home: House) -> None:
    headers = await home.key()
    await home.order("UPDATE workspaces SET max_calls = 7")
    fresh = (await home.client.get("/v1/workspace", headers=headers)).json()
    assert fresh["max_calls"] == 7
    assert (fresh["webhook_secret_at"], fresh["previous_webhook_secret_until"]) == (None, None)
    first = await rotated(home, headers)
    assert first["webhook_secret_at"] is not None
    assert first["previous_webhook_secret_until"] is None  # there was none before
    second = await rotated(home, headers)
    assert second["previous_webhook_secret_until"] > second["webhook_secret_at"]
    del second["webhook_secret"]
    read = await home.client.get("/v1/workspace", headers=headers)
    assert read.json() == second
    assert "whsec_" not in read.text


async def test_a_rotation_that_is_asked_for_twice_with_one_key_is_done_once(home: House) -> None:
    headers = {**await home.key(), "Idempotency-Key": "rotation-of-march"}
    assert await rotated(home, headers) == await rotated(home, headers)


async def test_rotations_at_the_same_moment_leave_the_last_two_secrets(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    shown = await asyncio.gather(*(rotated(home, headers) for _ in range(5)))
    received = await delivered(home, headers)
    assert sum(verified(received, one["webhook_secret"]) for one in shown) == 2


def test_a_rotation_is_in_the_audit_log_without_the_secret(api: Api) -> None:
    answer = api.post(ROTATE, None, "RotatedWorkspace", 200)
    (entry,) = api.get("/v1/audit", "AuditList", resource_id=DEFAULT_WORKSPACE)["data"]
    assert (entry["resource"], entry["action"]) == ("workspace", "rotate")
    assert entry["fields"] == ["webhook_secret"]
    assert answer["webhook_secret"] not in str(entry)
    api.get("/v1/workspace", "Workspace")
