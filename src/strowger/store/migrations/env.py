"""Runs migrations over the connection that `strowger.store.migrate` brings along."""

from alembic import context

from strowger.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # All the way or not at all: PostgreSQL can take back changes of tables.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
