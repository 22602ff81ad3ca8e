"""Alembic's entry: runs the steps on the connection that schema.py hands over."""

from alembic import context

from adapters.store.trading_tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
