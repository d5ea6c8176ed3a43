"""What revision 0002 fills in for rows that were there before it.

Row-level security is forced on the owner as well, so each step names whose rows it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from alembic import context, op
from sqlalchemy import Connection, TextClause, text

from foundation.encryption import DataKey, MasterKey
from migrations import erasing_doors
from migrations.chain_data import chain_audit_anew, chain_firm_events

__all__ = ["chain_firm_events", "encrypt_words", "fill_in", "keep_suspensions"]

# What stood in the clear: the old column of each table, and the new one.
WORDS = {
    "call": ("note", "note_cipher"),
    "patient_hold": ("draft", "draft_cipher"),
    "patient": ("must_not_say", "must_not_say_cipher"),
    "suppression": ("note", "note_cipher"),
}


class NoWayBack(RuntimeError):
    """The revision cannot be undone without losing what was signed and recorded since; restore a backup."""


class MasterKeyMissing(RuntimeError):
    """There are words to encrypt and no master key: run the revision as `careloop migrate` does."""


def keep_suspensions() -> None:
    """A hospital that was suspended stays so under its new column."""
    op.execute("UPDATE directory_entry SET state = 'suspended' WHERE suspended")


def fill_in() -> None:
    """Roles held so far were accepted, passwords are as old as their accounts, and stages began with them."""
    erasing_doors.make()
    op.execute("UPDATE membership SET accepted_at = created_at")
    op.execute("UPDATE person SET password_set_at = now() WHERE password_hash IS NOT NULL")
    connection = op.get_bind()
    for tenant_id in hospitals(connection):
        connection.execute(
            text(
                "INSERT INTO hospital_phase (tenant_id, id, state, started_at, reason, by_name)"
                " SELECT tenant_id, gen_random_uuid(), state, created_at, '', '' FROM hospital"
                " WHERE tenant_id = :tenant"
            ),
            {"tenant": tenant_id},
        )
        chain_audit_anew(connection, tenant_id)


def encrypt_words(table: str) -> None:
    """Encrypt what people wrote about patients, under each hospital's key; the old column goes afterwards.

    Asks for the master key only where there is something to encrypt.
    """
    old, new = WORDS[table]
    connection = op.get_bind()
    for tenant_id in hospitals(connection):
        rows = connection.execute(_words_of(table, old), {"tenant": tenant_id}).all()
        # A hospital that has left has no key: nobody is to read its words again.
        key = _data_key(connection, tenant_id) if rows else None
        if key is not None:
            connection.execute(
                text(f"UPDATE {table} SET {new} = :cipher WHERE tenant_id = :tenant AND id = :id"),  # noqa: S608
                [{"tenant": tenant_id, "id": row.id, "cipher": key.encrypt(row.words)} for row in rows],
            )


def _words_of(table: str, column: str) -> TextClause:
    return text(
        f"SELECT id, {column}::text AS words FROM {table}"  # noqa: S608 - both stand in WORDS
        f" WHERE tenant_id = :tenant AND {column}::text NOT IN ('', '{{}}')"
    )


def hospitals(connection: Connection) -> Iterator[UUID]:
    """Each hospital in turn, its rows open to what follows."""
    tenants = connection.scalars(text("SELECT tenant_id FROM directory_entry WHERE kind = 'hospital'")).all()
    for tenant_id in tenants:
        connection.execute(
            text("SELECT set_config('careloop.tenant_ids', :tenants, true)"), {"tenants": f"{{{tenant_id}}}"}
        )
        yield tenant_id
    connection.execute(text("SELECT set_config('careloop.tenant_ids', '', true)"))


def _data_key(connection: Connection, tenant_id: UUID) -> DataKey | None:
    wrapped = connection.scalar(
        text("SELECT wrapped_key FROM hospital WHERE tenant_id = :tenant"), {"tenant": tenant_id}
    )
    if wrapped is None:
        return None
    master: Callable[[], bytes] | None = context.config.attributes.get("master_key")
    if master is None:
        raise MasterKeyMissing
    return MasterKey(master()).unwrap(wrapped)
