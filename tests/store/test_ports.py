"""What the store is to the application: checked by the type checker, and once by running it."""

import inspect

import pytest

from strowger.ports import CallStore, DialectRecords, Outbox, Records
from strowger.store.calls import PostgresCallStore
from strowger.store.dialects import PostgresDialectRecords
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords


def call_store(store: PostgresCallStore) -> CallStore:
    return store


def records(store: PostgresRecords) -> Records:
    return store


def outbox(store: PostgresOutbox) -> Outbox:
    return store


@pytest.mark.parametrize(
    ("port", "adapter"),
    [
        (CallStore, PostgresCallStore),
        (Records, PostgresRecords),
        (Outbox, PostgresOutbox),
        (DialectRecords, PostgresDialectRecords),
    ],
)
def test_the_store_has_every_method_of_its_port_with_the_same_parameters(
    port: type, adapter: type
) -> None:
    for name, method in inspect.getmembers(port, inspect.isfunction):
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(adapter, name)).parameters) == wanted, name
