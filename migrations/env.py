"""How Alembic runs here: on the connection it is given, one transaction a revision, one runner at a time."""

from alembic import context
from sqlalchemy import text

from careloop.models import METADATA

LOCK_KEY = 7_229_331
connection = context.config.attributes["connection"]
runtime_role = context.config.attributes["runtime_role"]

context.configure(
    connection=connection,
    target_metadata=METADATA,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=False,
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
