"""Alembic's entry: runs the steps on the connection that schema.py hands over."""

from alembic import context

from adapters.store import experiment_tables, trading_tables
from adapters.store.tables import METADATA

# All three files have put their tables into it.
assert trading_tables.orders.metadata is experiment_tables.exposures.metadata is METADATA  # noqa: S101
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
