"""How Alembic runs here: on the connection it is given, one transaction a revision, one runner at a time."""

from typing import Any

from alembic import context
from sqlalchemy import Index, TextClause, text

from careloop.models import METADATA

LOCK_KEY = 7_229_331
connection = context.config.attributes["connection"]
runtime_role = context.config.attributes["runtime_role"]

# A server whose own collation is "C" forgets that an index names it, and would seem to have another one.
COLLATED = {
    index.name
    for table in METADATA.tables.values()
    for index in table.indexes
    if any(isinstance(part, TextClause) and "COLLATE" in part.text for part in index.expressions)
}


def compared(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:  # noqa: ARG001
    """Whether `careloop migrate --check` compares this part of the schema with the models."""
    return not (isinstance(thing, Index) and name in COLLATED)


context.configure(
    connection=connection,
    target_metadata=METADATA,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=False,
    include_object=compared,
)

connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
connection.execute(text("SET lock_timeout = '5s'"))
connection.execute(text("SET statement_timeout = '10min'"))
connection.execute(text("SELECT set_config('careloop.runtime_role', :role, false)"), {"role": runtime_role})
connection.commit()
try:
    with context.begin_transaction():
        context.run_migrations()
finally:
    connection.rollback()
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
    connection.commit()
