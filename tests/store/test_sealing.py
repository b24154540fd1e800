"""Secrets at rest: keys, sealed columns, rotation, and what an older database brings along."""

import base64
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, text
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import ConfigurationError
from strowger.model import DEFAULT_WORKSPACE, Secret, SecretId
from strowger.store.connect import connect, open_engine
from strowger.store.keyring import (
    FILE_NAME,
    DoesNotOpen,
    GivenKeys,
    KeyFile,
    Keyring,
    Keys,
    Place,
    key_id_of,
    parse_keys,
    printed,
)
from strowger.store.migrate import downgrade, migrate
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords
from strowger.store.schema import metadata
from strowger.store.sealing import SEALED, check, rewrap
from tests.postgres import KEYRING
from tests.store.samples import a_call, a_trunk, a_webhook

pytestmark = pytest.mark.anyio

PLACE = Place("trunks", "password", "trunk_1")
OLD, NEW = Keys({"old": b"\x01" * 32}), Keys({"new": b"\x02" * 32, "old": b"\x01" * 32})
PASSWORD = "correct horse battery"


def keyring(keys: Keys) -> Keyring:
    return Keyring(GivenKeys(keys))


# ── sealing ──


@given(st.text(), st.text(alphabet=st.characters(codec="ascii"), max_size=20))
def test_what_is_sealed_opens_in_its_place(secret: str, row: str) -> None:
    place = replace(PLACE, row=row)
    sealed = keyring(OLD).seal(secret, place)
    assert keyring(OLD).open(sealed, place) == secret
    assert keyring(NEW).open(sealed, place) == secret


def test_the_same_secret_never_looks_the_same_twice() -> None:
    assert len({keyring(OLD).seal(PASSWORD, PLACE) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, row="trunk_2"),
        replace(PLACE, column="secret"),
        replace(PLACE, table="webhooks"),
    ],
)
def test_a_sealed_secret_opens_nowhere_else(elsewhere: Place) -> None:
    sealed = keyring(OLD).seal(PASSWORD, PLACE)
    with pytest.raises(DoesNotOpen, match=elsewhere.row):
        keyring(OLD).open(sealed, elsewhere)


def test_a_changed_byte_anywhere_is_noticed() -> None:
    sealed = keyring(OLD).seal(PASSWORD, PLACE)
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(DoesNotOpen):
            keyring(OLD).open(bytes(changed), PLACE)
    for short in (b"", b"\x01", sealed[:5], sealed[:-1]):
        with pytest.raises(DoesNotOpen):
            keyring(OLD).open(short, PLACE)


def test_another_key_of_the_same_name_does_not_open_and_a_missing_one_is_named() -> None:
    sealed = keyring(OLD).seal(PASSWORD, PLACE)
    with pytest.raises(DoesNotOpen, match="does not open with the key 'old'"):
        keyring(Keys({"old": b"\x03" * 32})).open(sealed, PLACE)
    with pytest.raises(DoesNotOpen, match="'old', which is not among those"):
        keyring(Keys({"new": b"\x02" * 32})).open(sealed, PLACE)


# ── keys ──


def test_keys_are_read_as_they_are_printed() -> None:
    assert dict(parse_keys(printed(NEW), "here").by_id) == dict(NEW.by_id)
    one_line = ",".join(line for line in printed(NEW).splitlines() if ":" in line[:10])
    assert parse_keys(one_line, "here").primary == "new"


GOOD = base64.b64encode(b"\x01" * 32).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        "", "# nothing", GOOD, f"a b:{GOOD}", f"k:{GOOD[:-4]}", "k:", f"k:{GOOD}x",
        f"k:{GOOD},k:{GOOD}", "k:" + base64.b64encode(b"\x01" * 16).decode(), f"{'k' * 33}:{GOOD}",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_without_being_repeated(wrong: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_keys(wrong, "STROWGER_SECRET_KEYS")
    assert GOOD[:-4] not in str(refusal.value)
    assert "STROWGER_SECRET_KEYS" in str(refusal.value)


def test_the_first_start_makes_a_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "data" / FILE_NAME)
    file.make_if_missing()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    before = file.path.read_bytes()
    file.make_if_missing()
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == [FILE_NAME]


def test_of_two_who_make_the_file_at_once_the_first_counts(tmp_path: Path) -> None:
    first, second = KeyFile(tmp_path / FILE_NAME), KeyFile(tmp_path / FILE_NAME)
    first.make_if_missing()
    second._write(NEW, replace=False)
    assert second.keys().primary == first.keys().primary != "new"


def test_a_key_added_by_another_process_is_seen_at_once(tmp_path: Path) -> None:
    file, other = KeyFile(tmp_path / FILE_NAME), KeyFile(tmp_path / FILE_NAME)
    file.make_if_missing()
    ring = Keyring(file)
    old = ring.seal(PASSWORD, PLACE)
    added = other.add_key()
    assert not ring.is_current(old)
    assert ring.open(old, PLACE) == PASSWORD
    assert key_id_of(ring.seal(PASSWORD, PLACE)) == added
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / FILE_NAME)
    file.make_if_missing()
    os.chmod(file.path, 0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        file.keys()


def test_a_key_file_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=FILE_NAME):
        KeyFile(tmp_path / FILE_NAME).keys()


def test_keys_are_not_printed_by_accident() -> None:
    assert "\\x01" not in repr(OLD) + repr(GivenKeys(OLD)) + repr(keyring(OLD))


# ── the tables ──


@pytest.fixture
async def old_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, keyring=keyring(OLD))
    yield engine
    await engine.dispose()


@pytest.fixture
async def new_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, keyring=keyring(NEW))
    yield engine
    await engine.dispose()


async def dump(url: str) -> str:
    """Everything that is in the database, as text."""
    connection = await connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        rows = [
            str(row[0])
            for (name,) in names
            for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')
        ]
        return "\n".join(rows)
    finally:
        await connection.close()


def spellings(secret: str) -> list[str]:
    """As itself, and as PostgreSQL prints the bytes of it."""
    return [secret, secret.encode().hex()]


async def fill(engine: AsyncEngine) -> list[str]:
    """One secret in every sealed column; returns them."""
    records = PostgresRecords(engine)
    webhook = a_webhook()
    await records.add_trunk(a_trunk(password=PASSWORD))
    await records.add_webhook(webhook)
    fresh = "whsec_" + base64.b64encode(b"\x09" * 24).decode()
    await records.rotate_webhook(DEFAULT_WORKSPACE, webhook.id, fresh, previous_until=2e9, now=2.0)
    workspace = await records.workspace_webhook_secret(DEFAULT_WORKSPACE)
    tools = Secret(
        id=SecretId("secret_1"), workspace_id=DEFAULT_WORKSPACE, name="KEY", value="crm-key-0123"
    )
    await records.add_secret(tools)
    return [PASSWORD, webhook.secret, fresh, workspace, tools.value]


def test_every_column_of_bytes_is_known_to_be_sealed_or_harmless() -> None:
    harmless = {
        "api_keys.sha256",
        "call_journals.journal",
        "idempotency_keys.request_hash",
        "idempotency_keys.body",
    }
    columns = {
        column
        for table in metadata.tables.values()
        for column in table.c
        if isinstance(column.type, LargeBinary) and str(column) not in harmless
    }
    assert columns == set(SEALED)


async def test_no_secret_is_readable_in_the_database(
    database_url: str, old_engine: AsyncEngine
) -> None:
    secrets = await fill(old_engine)
    await PostgresRecords(old_engine).add_call(a_call(webhook_url="https://example.net/x"))
    content = await dump(database_url)
    assert "sip.example.net" in content
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in content


async def test_everything_opens_after_a_rotation_and_with_the_new_key_alone(
    database_url: str, old_engine: AsyncEngine, new_engine: AsyncEngine
) -> None:
    await fill(old_engine)
    records = PostgresRecords(old_engine)
    before = (
        await records.list_trunks(DEFAULT_WORKSPACE, limit=10, cursor=None),
        await records.list_webhooks(DEFAULT_WORKSPACE, limit=10, cursor=None),
        await records.workspace_webhook_secret(DEFAULT_WORKSPACE),
    )
    first = await rewrap(new_engine)
    assert (first.seen, first.changed) == (5, 5)
    again = await rewrap(new_engine)
    assert (again.seen, again.changed) == (5, 0)
    alone = open_engine(database_url, keyring=keyring(Keys({"new": NEW.by_id["new"]})))
    await check(alone)
    records = PostgresRecords(alone)
    assert before == (
        await records.list_trunks(DEFAULT_WORKSPACE, limit=10, cursor=None),
        await records.list_webhooks(DEFAULT_WORKSPACE, limit=10, cursor=None),
        await records.workspace_webhook_secret(DEFAULT_WORKSPACE),
    )
    await alone.dispose()
    with pytest.raises(DoesNotOpen):
        await check(old_engine)


async def test_a_sealed_secret_moved_to_another_row_does_not_open(
    old_engine: AsyncEngine,
) -> None:
    records = PostgresRecords(old_engine)
    rich, poor = a_trunk(password=PASSWORD), a_trunk(password="other")
    await records.add_trunk(rich)
    await records.add_trunk(poor)
    async with old_engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE trunks SET password = (SELECT password FROM trunks WHERE id = :rich)"
                " WHERE id = :poor"
            ),
            {"rich": rich.id, "poor": poor.id},
        )
    with pytest.raises(DoesNotOpen, match=poor.id):
        await records.get_trunk(DEFAULT_WORKSPACE, poor.id)


async def test_a_connection_without_keys_neither_keeps_nor_reads_secrets(
    database_url: str, old_engine: AsyncEngine
) -> None:
    trunk = a_trunk()
    await PostgresRecords(old_engine).add_trunk(trunk)
    blind = open_engine(database_url, pool_size=1)
    try:
        with pytest.raises(ConfigurationError, match="without the keys"):
            await PostgresRecords(blind).get_trunk(DEFAULT_WORKSPACE, trunk.id)
        with pytest.raises(ConfigurationError, match="without the keys"):
            await PostgresRecords(blind).add_webhook(a_webhook())
        await PostgresRecords(blind).add_trunk(a_trunk(username=None, password=None))
    finally:
        await blind.dispose()


async def test_secrets_kept_in_the_clear_are_sealed_by_the_migration(database_url: str) -> None:
    await downgrade(database_url, revision="0002")
    connection = await connect(database_url)
    trunk, webhook = a_trunk(password=PASSWORD), a_webhook()
    await connection.execute(
        "INSERT INTO trunks (id, workspace_id, name, host, port, transport, username, password,"
        " is_default, created_at, updated_at) VALUES ($1, $2, 'n', 'h', 5060, 'udp', 'u', $3,"
        " false, 0, 0)",
        trunk.id, DEFAULT_WORKSPACE, PASSWORD,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO webhooks (id, workspace_id, url, events, secret, enabled, created_at,"
        " updated_at) VALUES ($1, $2, 'https://x', '{*}', $3, true, 0, 0)",
        webhook.id, DEFAULT_WORKSPACE, webhook.secret,
    )  # fmt: skip
    await connection.execute("UPDATE workspaces SET webhook_secret = 'whsec_plain'")
    await connection.close()
    with pytest.raises(ConfigurationError, match="needs the keys"):
        await migrate(database_url)
    await migrate(database_url, keyring=KEYRING)
    engine = open_engine(database_url, keyring=KEYRING)
    records = PostgresRecords(engine)
    assert (await records.get_trunk(DEFAULT_WORKSPACE, trunk.id)).password == PASSWORD
    assert (await records.get_webhook(DEFAULT_WORKSPACE, webhook.id)).secret == webhook.secret
    assert await records.workspace_webhook_secret(DEFAULT_WORKSPACE) == "whsec_plain"
    content = await dump(database_url)
    assert not any(spelling in content for spelling in spellings(PASSWORD))
    await engine.dispose()

    await downgrade(database_url, revision="0002", keyring=KEYRING)
    connection = await connect(database_url)
    assert await connection.fetchval("SELECT password FROM trunks") == PASSWORD
    await connection.close()


async def test_deliveries_are_signed_with_what_was_sealed(old_engine: AsyncEngine) -> None:
    webhook = a_webhook()
    await PostgresRecords(old_engine).add_webhook(webhook)
    await PostgresRecords(old_engine).add_call(a_call())
    async with old_engine.begin() as connection:
        (id,) = (await connection.execute(text("SELECT id FROM deliveries"))).scalars()
    delivery = await PostgresOutbox(old_engine).get_delivery(id)
    assert delivery is not None
    assert delivery.secret == webhook.secret
