"""Runs migrations on the connection that `backend_api.migrate` opened and locked."""

from alembic import context

from backend_api.storage.table import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    # SQLite can't alter a column in place; batch mode copies the table.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
