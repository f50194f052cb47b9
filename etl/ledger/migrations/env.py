"""Alembic's entry: runs on the connection that `open_ledger` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from etl.ledger import registry_models  # noqa: F401 - its tables belong to the same metadata
from etl.ledger.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("ledger migrations run through etl.ledger.open_ledger, which locks them")
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
