"""What revision 0002 fills in for rows that were there before it.

Row-level security is forced on the owner as well, so each step names whose rows it means.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any

from alembic import op
from sqlalchemy import Connection, text

GENESIS = b"\x00" * 32


class NoWayBack(RuntimeError):
    """The revision cannot be undone without losing what was signed and recorded since; restore a backup."""


def keep_suspensions() -> None:
    """A hospital that was suspended stays so under its new column."""
    op.execute("UPDATE directory_entry SET state = 'suspended' WHERE suspended")


def chain_firm_events() -> None:
    """Chain the events of each firm in the order they were written (`foundation.audit`)."""
    connection = op.get_bind()
    firms = connection.scalars(text("SELECT firm_id FROM directory_entry WHERE kind = 'firm'")).all()
    for firm_id in firms:
        connection.execute(text("SELECT set_config('careloop.firm_id', :firm, true)"), {"firm": str(firm_id)})
        _chain(connection)


def _chain(connection: Connection) -> None:
    rows = connection.execute(text("SELECT * FROM firm_event ORDER BY at, id")).mappings().all()
    previous = GENESIS
    for seq, row in enumerate(rows, start=1):
        link = firm_digest(dict(row), seq, previous)
        connection.execute(
            text(
                "UPDATE firm_event SET seq = :seq, previous_hash = :previous, hash = :link"
                " WHERE firm_id = :firm AND id = :id"
            ),
            {"seq": seq, "previous": previous, "link": link, "firm": row["firm_id"], "id": row["id"]},
        )
        previous = link


def firm_digest(row: dict[str, Any], seq: int, previous: bytes) -> bytes:
    """The hash of one event as it is computed for new ones."""
    content = [
        str(row["firm_id"]),
        seq,
        row["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        str(row["actor_id"]),
        row["actor_name"],
        row["action"],
        row["subject"],
        row.get("reason", ""),
        row["detail"],
    ]
    plain = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + plain.encode()).digest()


def fill_in() -> None:
    """Roles held so far were accepted, passwords are as old as their accounts, and stages began with them."""
    op.execute("UPDATE membership SET accepted_at = created_at")
    op.execute("UPDATE person SET password_set_at = now() WHERE password_hash IS NOT NULL")
    connection = op.get_bind()
    tenants = connection.scalars(text("SELECT tenant_id FROM directory_entry WHERE kind = 'hospital'")).all()
    for tenant_id in tenants:
        connection.execute(
            text("SELECT set_config('careloop.tenant_ids', :tenants, true)"), {"tenants": f"{{{tenant_id}}}"}
        )
        connection.execute(
            text(
                "INSERT INTO hospital_phase (tenant_id, id, state, started_at, reason, by_name)"
                " SELECT tenant_id, gen_random_uuid(), state, created_at, '', '' FROM hospital"
                " WHERE tenant_id = :tenant"
            ),
            {"tenant": tenant_id},
        )
