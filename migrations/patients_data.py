"""What revision 0003 fills in for rows that were there before it.

Row-level security is forced on the owner as well, so each step names whose rows it means.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

from migrations.identity_data import NoWayBack, hospitals
from patients.initials import initials_of

__all__ = ["NoWayBack", "fill_in"]

BATCH = 5000
_NAMES = text("""
    SELECT id, name FROM patient
    WHERE tenant_id = :tenant AND erased_at IS NULL AND id > :after ORDER BY id LIMIT :batch
""")
_INITIALS = text("""
    UPDATE patient p SET initials = n.initials
    FROM unnest(CAST(:ids AS uuid[]), CAST(:initials AS text[])) AS n (id, initials)
    WHERE p.tenant_id = :tenant AND p.id = n.id
""")
# A death noted so far was confirmed by a tick, or came from the hospital's own list.
_DEATHS = text("""
    UPDATE suppression SET confirmed_at = started_at, confirmed_by = started_by
    WHERE tenant_id = :tenant AND reason = 'deceased'
""")
# Files of before this revision were taken in at once.
_IMPORTS = text("UPDATE data_import SET finished_at = imported_at WHERE tenant_id = :tenant")


def fill_in() -> None:
    """Initials for searching, confirmed deaths, finished imports."""
    connection = op.get_bind()
    for tenant_id in hospitals(connection):
        _write_initials(connection, str(tenant_id))
        for statement in (_DEATHS, _IMPORTS):
            connection.execute(statement, {"tenant": tenant_id})


def _write_initials(connection: Connection, tenant: str) -> None:
    after = "00000000-0000-0000-0000-000000000000"
    while True:
        rows = connection.execute(_NAMES, {"tenant": tenant, "after": after, "batch": BATCH}).all()
        if not rows:
            return
        connection.execute(
            _INITIALS,
            {
                "tenant": tenant,
                "ids": [row.id for row in rows],
                "initials": [initials_of(row.name) for row in rows],
            },
        )
        after = str(rows[-1].id)
