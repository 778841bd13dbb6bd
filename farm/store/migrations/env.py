"""Alembic runs this: the connection, and so the transaction, is the store's."""

from alembic import context

from farm.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot change a column in place
    transaction_per_migration=False,
)
context.run_migrations()
