import hashlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from strowger.lifecycle import CallStatus
from strowger.model import (
    DEFAULT_WORKSPACE,
    AgentId,
    ApiKey,
    CallCommand,
    CallId,
    CommandKind,
    KeyId,
    NumberId,
    Secret,
    SecretId,
    TrunkId,
    WebhookId,
    WorkerId,
    WorkspaceId,
)
from strowger.ports import CallFilter, CallGround, Records
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import transaction
from strowger.store.records import PostgresRecords
from tests.store.samples import (
    DEFINITION,
    OTHER_WORKSPACE,
    RESULT,
    a_call,
    a_number,
    a_trunk,
    a_webhook,
    an_agent,
)

pytestmark = pytest.mark.anyio

OURS = DEFAULT_WORKSPACE
THEIRS = OTHER_WORKSPACE
EVERY = CallFilter()


# ── agents ───────────────────────────────────────────────────────────────────────────────────


async def test_an_agent_comes_back_as_it_was_put_in(records: PostgresRecords) -> None:
    agent = an_agent()
    await records.add_agent(agent)
    assert await records.get_agent(OURS, agent.id) == agent


async def test_replacing_an_agent_makes_a_version_and_tells_of_it(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    agent = an_agent()
    await records.add_agent(agent)
    new = replace(DEFINITION, prompt="You sell tea.")
    changed = await records.replace_agent(OURS, agent.id, new, was=1, now=2000.0)
    assert changed == replace(agent, version=2, definition=new, updated_at=2000.0)
    assert await records.get_agent(OURS, agent.id) == changed
    async with transaction(engine) as connection:
        versions = await connection.exec_driver_sql(
            "SELECT version, definition->>'prompt' FROM agent_versions ORDER BY version"
        )
        assert [tuple(row) for row in versions] == [
            (1, DEFINITION.prompt),
            (2, "You sell tea."),
        ]
        told = await connection.exec_driver_sql("SELECT type, payload->>'version' FROM events")
        assert [tuple(row) for row in told] == [("agent.updated", "2")]


async def test_a_deleted_agent_leaves_its_numbers_without_one(records: PostgresRecords) -> None:
    agent = an_agent()
    await records.add_agent(agent)
    number = a_number(inbound_agent_id=agent.id)
    await records.add_number(number)
    await records.delete_agent(OURS, agent.id)
    with pytest.raises(NotFound):
        await records.get_agent(OURS, agent.id)
    assert await records.get_number(OURS, number.id) == replace(
        number, inbound_agent_id=None, version=2
    )


# ── trunks ───────────────────────────────────────────────────────────────────────────────────


async def test_a_workspace_has_one_default_trunk_at_most(records: PostgresRecords) -> None:
    assert await records.default_trunk(OURS) is None
    first, second = a_trunk(is_default=True), a_trunk(is_default=True)
    await records.add_trunk(first)
    await records.add_trunk(second)
    assert await records.default_trunk(OURS) == second
    with pytest.raises(PreconditionFailed):
        await records.replace_trunk(replace(first, name="new"))  # it has lost the default by now
    first = replace(first, name="new", version=2)
    renamed = await records.replace_trunk(first)
    assert renamed == replace(first, version=3)
    assert await records.default_trunk(OURS) == renamed
    assert not (await records.get_trunk(OURS, second.id)).is_default


async def test_a_trunk_from_the_configuration_is_there_once_however_often_it_is_ensured(
    records: PostgresRecords,
) -> None:
    trunk = a_trunk(is_default=True)
    await records.ensure_trunk(trunk)
    await records.ensure_trunk(replace(trunk, host="sip2.example.net"))
    page = await records.list_trunks(OURS, limit=10, cursor=None)
    assert [found.host for found in page.data] == ["sip2.example.net"]


async def test_a_trunk_is_kept_while_calls_that_are_not_over_use_it(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    trunk = a_trunk()
    await records.add_trunk(trunk)
    call = a_call(trunk_id=trunk.id)
    await records.add_call(call)
    with pytest.raises(Conflict):
        await records.delete_trunk(OURS, trunk.id)
    assert await records.get_trunk(OURS, trunk.id) == trunk
    await records.request_end(OURS, call.id, now=1.0)
    await records.delete_trunk(OURS, trunk.id)
    assert (await store.get_call(call.id)).trunk_id == trunk.id


# ── numbers, keys, webhooks ──────────────────────────────────────────────────────────────────


async def test_a_number_is_found_by_its_digits_and_is_there_once(
    records: PostgresRecords,
) -> None:
    number = a_number()
    await records.add_number(number)
    assert await records.find_number(OURS, number.number) == number
    assert await records.find_number(OURS, "+14155550199") is None
    with pytest.raises(Conflict):
        await records.add_number(a_number())


async def test_a_number_cannot_point_into_another_workspace(records: PostgresRecords) -> None:
    await records.ensure_workspace(THEIRS, now=0.0)
    theirs = a_trunk(workspace_id=THEIRS)
    await records.add_trunk(theirs)
    with pytest.raises(NotFound):
        await records.add_number(a_number(trunk_id=theirs.id))
    number = a_number()
    await records.add_number(number)
    with pytest.raises(NotFound):
        await records.replace_number(replace(number, trunk_id=theirs.id))


async def test_a_key_is_found_by_its_hash_and_notes_its_use(records: PostgresRecords) -> None:
    sha256 = hashlib.sha256(b"strowger_live_x").digest()
    key = ApiKey(
        id=KeyId("key_1"), workspace_id=OURS, name="ci", scopes=("calls:write",), created_at=1.0
    )
    await records.add_key(key, sha256)
    assert await records.key_by_hash(hashlib.sha256(b"other").digest()) is None
    assert await records.key_by_hash(sha256) == key
    used = await records.key_by_hash(sha256)
    assert used is not None
    assert used.last_used_at is not None
    assert replace(used, last_used_at=None) == key
    assert await records.key_by_hash(sha256) == used


async def test_a_webhook_comes_back_and_changes_but_not_when_it_was_made(
    records: PostgresRecords,
) -> None:
    webhook = a_webhook(events=("call.completed", "call.failed"), created_at=5.0)
    await records.add_webhook(webhook)
    assert await records.get_webhook(OURS, webhook.id) == webhook
    await records.replace_webhook(replace(webhook, enabled=False, created_at=9.0, updated_at=9.0))
    assert await records.get_webhook(OURS, webhook.id) == replace(
        webhook, enabled=False, updated_at=9.0, version=2
    )
    with pytest.raises(PreconditionFailed):
        await records.replace_webhook(replace(webhook, enabled=True))
    await records.delete_webhook(OURS, webhook.id)
    with pytest.raises(NotFound):
        await records.get_webhook(OURS, webhook.id)


async def test_the_workspaces_webhook_secret_is_made_once(records: PostgresRecords) -> None:
    secret = await records.workspace_webhook_secret(OURS)
    assert secret.startswith("whsec_")
    assert await records.workspace_webhook_secret(OURS) == secret
    with pytest.raises(NotFound):
        await records.workspace_webhook_secret(WorkspaceId("workspace_none"))


async def test_what_has_an_id_already_is_a_conflict(records: PostgresRecords) -> None:
    agent, trunk, call, webhook = an_agent(), a_trunk(), a_call(), a_webhook()
    await records.add_agent(agent)
    await records.add_trunk(trunk)
    await records.add_call(call)
    await records.add_webhook(webhook)
    for again in (
        records.add_agent(agent),
        records.add_trunk(trunk),
        records.add_call(call),
        records.add_webhook(webhook),
    ):
        with pytest.raises(Conflict):
            await again


async def test_an_unknown_workspace_owns_nothing(records: PostgresRecords) -> None:
    with pytest.raises(NotFound):
        await records.add_trunk(a_trunk(workspace_id=WorkspaceId("workspace_none")))


# ── lists ────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_is_walked_page_by_page_newest_first(records: PostgresRecords) -> None:
    ids = []
    for _ in range(5):
        call = a_call()
        await records.add_call(call)
        ids.append(call.id)
    seen: list[CallId] = []
    cursor: str | None = None
    sizes = []
    while True:
        page = await records.list_calls(OURS, EVERY, limit=2, cursor=cursor)
        seen += [call.id for call in page.data]
        sizes.append(len(page.data))
        # What is added while one walks does not shift the pages that follow.
        await records.add_call(a_call())
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert sizes == [2, 2, 1]


async def test_the_last_page_that_is_just_full_has_none_after_it(
    records: PostgresRecords,
) -> None:
    for _ in range(2):
        await records.add_trunk(a_trunk())
    page = await records.list_trunks(OURS, limit=2, cursor=None)
    assert len(page.data) == 2
    assert page.next_cursor is None


async def test_a_list_of_calls_is_filtered_and_leaves_transcripts_out(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    agent_id = AgentId("agent_1")
    done, queued, other = a_call(agent_id=agent_id), a_call(), a_call(to="+14155550177")
    for call in (done, queued, other):
        await records.add_call(call)
    worker = WorkerId("worker_1")
    await store.set_status(done.id, CallStatus.INITIATED, worker, now=1.0)
    await store.set_status(done.id, CallStatus.IN_PROGRESS, worker, now=2.0)
    await store.finish(done.id, RESULT)

    async def listed(which: CallFilter) -> list[CallId]:
        page = await records.list_calls(OURS, which, limit=10, cursor=None)
        assert all(call.transcript == () for call in page.data)
        return [call.id for call in page.data]

    assert await listed(EVERY) == [other.id, queued.id, done.id]
    assert await listed(CallFilter(status=CallStatus.COMPLETED)) == [done.id]
    assert await listed(CallFilter(agent_id=agent_id)) == [done.id]
    assert await listed(CallFilter(to="+14155550177")) == [other.id]
    assert await listed(CallFilter(to="+14155550177", agent_id=agent_id)) == []


@pytest.mark.parametrize("cursor", ["", "x", "not a cursor", "Y2FsbHM6eA", "é", "AAAA" * 30])
async def test_a_cursor_that_was_not_made_here_is_refused(
    records: PostgresRecords, cursor: str
) -> None:
    with pytest.raises(InvalidRequest):
        await records.list_calls(OURS, EVERY, limit=2, cursor=cursor)


async def test_a_cursor_of_another_list_is_refused(records: PostgresRecords) -> None:
    for _ in range(2):
        await records.add_trunk(a_trunk())
    cursor = (await records.list_trunks(OURS, limit=1, cursor=None)).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidRequest):
        await records.list_agents(OURS, limit=1, cursor=cursor)


# ── workspaces ───────────────────────────────────────────────────────────────────────────────


async def test_every_method_sees_one_workspace_only(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    await records.ensure_workspace(THEIRS, now=0.0)
    agent, trunk, number, call, webhook = (
        an_agent(), a_trunk(is_default=True), a_number(), a_call(), a_webhook()
    )  # fmt: skip
    await records.add_agent(agent)
    await records.add_trunk(trunk)
    await records.add_number(number)
    await records.add_call(call)
    await records.add_webhook(webhook)
    secret = Secret(id=SecretId("secret_1"), workspace_id=OURS, name="KEY", value="v")
    await records.add_secret(secret)
    key = ApiKey(id=KeyId("key_1"), workspace_id=OURS, name="k", scopes=("*",))
    await records.add_key(key, b"hash")

    not_found: dict[str, Callable[[], Awaitable[object]]] = {
        "get_agent": lambda: records.get_agent(THEIRS, agent.id),
        "replace_agent": lambda: records.replace_agent(
            THEIRS, agent.id, DEFINITION, was=1, now=1.0
        ),
        "get_agent_version": lambda: records.get_agent_version(THEIRS, agent.id, 1),
        "list_agent_versions": lambda: records.list_agent_versions(
            THEIRS, agent.id, limit=10, cursor=None
        ),
        "get_key": lambda: records.get_key(THEIRS, key.id),
        "delete_key": lambda: records.delete_key(THEIRS, key.id),
        "rotate_webhook": lambda: records.rotate_webhook(
            THEIRS, webhook.id, "whsec_x", previous_until=2.0, now=1.0
        ),
        "get_secret": lambda: records.get_secret(THEIRS, secret.id),
        "replace_secret": lambda: records.replace_secret(replace(secret, workspace_id=THEIRS)),
        "delete_secret": lambda: records.delete_secret(THEIRS, secret.id),
        "delete_agent": lambda: records.delete_agent(THEIRS, agent.id),
        "get_trunk": lambda: records.get_trunk(THEIRS, trunk.id),
        "replace_trunk": lambda: records.replace_trunk(replace(trunk, workspace_id=THEIRS)),
        "delete_trunk": lambda: records.delete_trunk(THEIRS, trunk.id),
        "get_number": lambda: records.get_number(THEIRS, number.id),
        "replace_number": lambda: records.replace_number(replace(number, workspace_id=THEIRS)),
        "delete_number": lambda: records.delete_number(THEIRS, number.id),
        "get_call_of": lambda: records.get_call_of(THEIRS, call.id),
        "request_end": lambda: records.request_end(THEIRS, call.id, now=1.0),
        "cancel_call": lambda: records.cancel_call(THEIRS, call.id, now=1.0),
        "command_call": lambda: records.command_call(
            THEIRS, CallCommand(call_id=call.id, kind=CommandKind.SAY, text="Hi."), now=1.0
        ),
        "figures_of": lambda: records.figures_of(THEIRS, call.id),
        "events_of": lambda: records.events_of(THEIRS, call.id, after=0, limit=10),
        "get_webhook": lambda: records.get_webhook(THEIRS, webhook.id),
        "replace_webhook": lambda: records.replace_webhook(replace(webhook, workspace_id=THEIRS)),
        "delete_webhook": lambda: records.delete_webhook(THEIRS, webhook.id),
    }
    empty: dict[str, Callable[[], Awaitable[object]]] = {
        "list_agents": lambda: records.list_agents(THEIRS, limit=10, cursor=None),
        "list_trunks": lambda: records.list_trunks(THEIRS, limit=10, cursor=None),
        "list_numbers": lambda: records.list_numbers(THEIRS, limit=10, cursor=None),
        "list_calls": lambda: records.list_calls(THEIRS, EVERY, limit=10, cursor=None),
        "list_webhooks": lambda: records.list_webhooks(THEIRS, limit=10, cursor=None),
        "list_secrets": lambda: records.list_secrets(THEIRS, limit=10, cursor=None),
        "list_keys": lambda: records.list_keys(THEIRS, limit=10, cursor=None),
        "list_audit": lambda: records.list_audit(THEIRS, None, limit=10, cursor=None),
    }
    nothing: dict[str, Callable[[], Awaitable[object]]] = {
        "default_trunk": lambda: records.default_trunk(THEIRS),
        "find_number": lambda: records.find_number(THEIRS, number.number),
    }
    assert await records.events_since(THEIRS, after=0, limit=10) == ()
    assert await records.last_sequence(THEIRS) == 0
    ground = await records.call_ground(THEIRS, agent.id, number.number)
    assert ground == CallGround(agent=None, default_trunk=None, numbers={})
    for name, method in not_found.items():
        with pytest.raises(NotFound):
            await method()
            pytest.fail(f"{name} reaches into another workspace")
    for name, method in empty.items():
        assert (await method()).data == (), name  # type: ignore[attr-defined]
    for name, method in nothing.items():
        assert await method() is None, name
    # A method that is new in the port has to be thought of here.
    of_one_record = {"key_by_hash", "add_key", "add_agent", "add_trunk", "add_number", "add_call"}
    of_one_record |= {"add_webhook", "add_secret", "ping"}
    # Of the workspace itself.
    of_one_record |= {"get_workspace", "rotate_workspace_secret"}
    # Tested above, and in tests/api/test_idempotency.py.
    of_one_record |= {"events_since", "last_sequence", "together", "find_answer", "keep_answer"}
    of_one_record |= {"call_ground", "kept_answer"}
    methods = {
        name
        for name, _ in inspect.getmembers(Records, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == set(not_found) | set(empty) | set(nothing) | of_one_record

    assert await records.get_agent(OURS, agent.id) == agent
    assert await records.get_trunk(OURS, trunk.id) == trunk
    assert await records.get_number(OURS, number.id) == number
    assert await store.get_call(call.id) == call
    assert await records.get_webhook(OURS, webhook.id) == webhook


async def test_the_same_number_may_be_in_two_workspaces(records: PostgresRecords) -> None:
    await records.ensure_workspace(THEIRS, now=0.0)
    ours, theirs = a_number(), a_number(workspace_id=THEIRS)
    await records.add_number(ours)
    await records.add_number(theirs)
    assert await records.find_number(THEIRS, theirs.number) == theirs


async def test_ids_that_were_never_made_are_not_found(records: PostgresRecords) -> None:
    for missing in (
        records.get_agent(OURS, AgentId("agent_none")),
        records.get_trunk(OURS, TrunkId("\x00")),
        records.get_number(OURS, NumberId("' OR 1=1 --")),
        records.get_call_of(OURS, CallId("")),
        records.get_webhook(OURS, WebhookId("\ud800")),
    ):
        with pytest.raises(NotFound):
            await missing
