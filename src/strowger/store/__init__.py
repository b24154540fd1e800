"""SQL on PostgreSQL: `ports.CallStore`, `ports.Records` and `ports.Outbox`, and the job queue.

`embedded` starts a server where there is none, `migrate` makes its tables, `open_engine` connects.
"""

from strowger.store.calls import DialAttempt, PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.jobs import Handler, JobQueue
from strowger.store.migrate import migrate
from strowger.store.outbox import PostgresOutbox
from strowger.store.queue import Kind
from strowger.store.records import PostgresRecords

__all__ = [
    "DialAttempt",
    "Handler",
    "JobQueue",
    "Kind",
    "PostgresCallStore",
    "PostgresDeliveries",
    "PostgresOutbox",
    "PostgresRecords",
    "migrate",
    "open_engine",
]
