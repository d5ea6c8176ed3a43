"""Chaining by revision 0002: the firms' events for the first time, the hospitals' anew, so that their
hashes cover the id of a row as well. What `foundation.chain` computes stands here again, because a revision
does not change when the product does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from alembic import op
from sqlalchemy import Connection, RowMapping, text

GENESIS = b"\x00" * 32
BATCH = 1_000


def chain_firm_events() -> None:
    """Chain the events of each firm in the order they were written."""
    connection = op.get_bind()
    for firm_id in connection.scalars(text("SELECT DISTINCT firm_id FROM directory_entry")).all():
        connection.execute(text("SELECT set_config('careloop.firm_id', :firm, true)"), {"firm": str(firm_id)})
        rows = connection.execute(text("SELECT * FROM firm_event ORDER BY at, id")).mappings().all()
        _chain_firm(connection, firm_id, rows)
    connection.execute(text("SELECT set_config('careloop.firm_id', '', true)"))


def _chain_firm(connection: Connection, firm_id: UUID, rows: Sequence[RowMapping]) -> None:
    previous, changes = GENESIS, []
    for seq, row in enumerate(rows, start=1):
        full = {**row, "seq": seq, "actor_kind": "person" if row["actor_id"] else "system", "reason": ""}
        link = digest(firm_id, full, previous)
        changes.append(
            {
                "firm": firm_id,
                "id": row["id"],
                "seq": seq,
                "kind": full["actor_kind"],
                "previous": previous,
                "link": link,
            }
        )
        previous = link
    if changes:
        connection.execute(
            text(
                "UPDATE firm_event SET seq = :seq, actor_kind = :kind, reason = '',"
                " previous_hash = :previous, hash = :link WHERE firm_id = :firm AND id = :id"
            ),
            changes,
        )


def chain_audit_anew(connection: Connection, tenant_id: UUID) -> None:
    """Give the events of one hospital their new hashes. An event that did not fit its chain keeps the hash it
    has: it was broken before and is named as broken afterwards.
    """
    old, new, last = GENESIS, GENESIS, 0
    while True:
        rows = (
            connection.execute(
                text(
                    "SELECT * FROM audit_event WHERE tenant_id = :tenant AND seq > :last"
                    " ORDER BY seq LIMIT :batch"
                ),
                {"tenant": tenant_id, "last": last, "batch": BATCH},
            )
            .mappings()
            .all()
        )
        changes = []
        for row in rows:
            held = row["previous_hash"] == old and row["hash"] == first_digest(row)
            link = digest(tenant_id, row, new) if held else row["hash"]
            changes.append({"tenant": tenant_id, "id": row["id"], "previous": new, "link": link})
            old, new, last = row["hash"], link, row["seq"]
        if not changes:
            return
        connection.execute(
            text(
                "UPDATE audit_event SET previous_hash = :previous, hash = :link"
                " WHERE tenant_id = :tenant AND id = :id"
            ),
            changes,
        )


def digest(chain: UUID, row: Mapping[Any, Any], previous: bytes) -> bytes:
    """The hash of a row as it is computed from this revision on."""
    content = [
        str(chain),
        str(row["id"]),
        row["seq"],
        row["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        row["actor_kind"],
        None if row["actor_id"] is None else str(row["actor_id"]),
        row["actor_name"],
        row["action"],
        row["subject"],
        row["reason"],
        row["detail"],
    ]
    return _hashed(previous, content)


def first_digest(row: Mapping[Any, Any]) -> bytes:
    """The hash of a hospital's event as revision 0001 knew it."""
    content = [
        str(row["tenant_id"]),
        row["seq"],
        row["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        row["actor_kind"],
        str(row["actor_id"]),
        row["actor_name"],
        row["action"],
        row["subject"],
        row["reason"],
        row["detail"],
    ]
    return _hashed(row["previous_hash"], content)


def _hashed(previous: bytes, content: list[Any]) -> bytes:
    plain = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + plain.encode()).digest()
