"""What a merge changed, row by row and column by column, and how it is put back.

Before and after a merge every row that leads to one of the two patients is read, in all tables of the
hospital (`foundation.catalogue`), so that whatever a floor's hooks did is known and can be undone. Putting
back leaves alone what somebody has changed since: a column gets its old value when it still has the one that
the merge gave it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, cast, false, func, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from foundation import catalogue
from foundation.database import HospitalSession

Row = dict[str, Any]
Images = dict[str, dict[str, Row]]
# The merge's own record, images of rows from before an import and messages as they came stay as they are; the
# ledger follows from the rest by its own rules.
LEFT_OUT = frozenset({"patient_merge", "import_before", "feed_message", "ledger_entry", "ledger_credit"})


def of_patients(session: HospitalSession, patient_ids: Iterable[UUID]) -> Images:
    """Every row that belongs to one of these patients, by table and id; one statement a table."""
    session.flush()
    wanted = list(patient_ids)
    rows: dict[str, list[UUID]] = {catalogue.PERSON_TABLE: wanted}
    images: Images = {}
    for table in catalogue.patient_tables():
        if table.name in LEFT_OUT:
            continue
        if table.name == catalogue.PERSON_TABLE:
            condition = catalogue.among(table.c.id, wanted)
        else:
            condition = or_(
                false(),
                *(
                    catalogue.among(table.c[column], rows[parent])
                    for column, parent in catalogue.links(table)
                    if rows.get(parent) and parent != catalogue.FILE_TABLE
                ),
            )
        found = session.execute(
            select(table.c.id, func.to_jsonb(_whole(table))).where(
                table.c.tenant_id == session.tenant_id, condition
            )
        ).all()
        rows[table.name] = [row_id for row_id, _ in found]
        images[table.name] = {str(row_id): image for row_id, image in found}
    return images


def differences(before: Images, after: Images) -> dict[str, Any]:
    """What became of the rows: {table: {"changed": {id: [before, after]}, "made": {id: row}, "removed":
    {id: row}}}, of changed rows the changed columns alone.
    """
    found: dict[str, Any] = {}
    for table, now in after.items():
        then = before.get(table, {})
        changed = {
            row_id: [
                {name: then[row_id][name] for name in names},
                {name: now[row_id][name] for name in names},
            ]
            for row_id in then.keys() & now.keys()
            if (names := sorted(n for n in now[row_id] if now[row_id][n] != then[row_id].get(n)))
        }
        made = {row_id: now[row_id] for row_id in now.keys() - then.keys()}
        removed = {row_id: then[row_id] for row_id in then.keys() - now.keys()}
        parts = {"changed": changed, "made": made, "removed": removed}
        if any(parts.values()):
            found[table] = {name: rows for name, rows in parts.items() if rows}
    return found


def put_back(session: HospitalSession, moved: dict[str, Any], *, now: datetime) -> None:
    """Undo these differences where nobody has changed them since; new rows that hang on them stay.

    Owners first and other columns after them, so that no moment has two open rows where one may be.
    """
    session.flush()
    tables = [table for table in catalogue.patient_tables() if table.name in moved]
    for owners in (True, False):
        for table in tables:
            _restore(session, table, moved[table.name].get("changed", {}), owners=owners)
    for table in reversed(tables):
        _take_away(session, table, moved[table.name].get("made", {}), now)
    for table in tables:
        _bring_back(session, table, moved[table.name].get("removed", {}))
    session.expire_all()


def _restore(session: HospitalSession, table: Table, changed: dict[str, list[Row]], *, owners: bool) -> None:
    owner_columns = {column for column, parent in catalogue.links(table) if parent == catalogue.PERSON_TABLE}
    rows = []
    for row_id, (before, after) in changed.items():
        names = [name for name in before if (name in owner_columns) is owners]
        if names:
            rows.append(
                {
                    "id": row_id,
                    "before": {name: before[name] for name in names},
                    "after": {name: after[name] for name in names},
                }
            )
    if not rows:
        return
    try:
        with session.begin_nested():
            _apply(session, table, rows)
    except IntegrityError:  # somebody has opened the like since: row by row, and that one stays as it is
        for row in rows:
            _apply_alone(session, table, row)


def _apply_alone(session: HospitalSession, table: Table, row: Row) -> None:
    try:
        with session.begin_nested():
            _apply(session, table, [row])
    except IntegrityError:
        return


def _apply(session: HospitalSession, table: Table, rows: list[Row]) -> None:
    names = sorted({name for row in rows for name in row["before"]})
    sets = ", ".join(
        f"\"{name}\" = CASE WHEN d.before ? '{name}'"
        f" AND to_jsonb(t) -> '{name}' IS NOT DISTINCT FROM d.after -> '{name}'"
        f' THEN (jsonb_populate_record(NULL::"{table.name}", d.before))."{name}" ELSE t."{name}" END'
        for name in names
    )
    # Names of tables and columns come from the models, never from outside.
    statement = (
        f'UPDATE "{table.name}" t SET {sets}'  # noqa: S608
        " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS d (id uuid, before jsonb, after jsonb)"
        " WHERE t.tenant_id = :tenant_id AND t.id = d.id"
    )
    session.execute(
        text(statement.replace("::", "\\:\\:")), {"tenant_id": session.tenant_id, "rows": json.dumps(rows)}
    )


def _take_away(session: HospitalSession, table: Table, made: dict[str, Row], now: datetime) -> None:
    """A row that the merge made goes; one that something new stands on stays, ended where it can be."""
    for row_id, image in made.items():
        own = (table.c.tenant_id == session.tenant_id) & (table.c.id == UUID(row_id))
        try:
            with session.begin_nested():
                session.execute(table.delete().where(own, func.to_jsonb(_whole(table)) == cast(image, JSONB)))
        except IntegrityError:
            if "lifted_at" in table.c:
                session.execute(
                    table.update()
                    .where(own, table.c.lifted_at.is_(None))
                    .values(lifted_at=now, lifted_by=session.scope.actor.name)
                )
        else:
            _forget(session, table, UUID(row_id))


def _forget(session: HospitalSession, table: Table, row_id: UUID) -> None:
    """A row that may be gone is not read again from what the session holds of it."""
    kind = catalogue.classes()[table.name]
    held = session.identity_map.get(session.identity_key(kind, (session.tenant_id, row_id)))
    if held is not None:
        session.expunge(held)


def _bring_back(session: HospitalSession, table: Table, removed: dict[str, Row]) -> None:
    if not removed:
        return
    statement = (
        f'INSERT INTO "{table.name}" SELECT r.* FROM'  # noqa: S608
        f' jsonb_populate_recordset(NULL::"{table.name}", CAST(:rows AS jsonb)) AS r'
        " WHERE r.tenant_id = :tenant_id ON CONFLICT DO NOTHING"
    )
    session.execute(
        text(statement.replace("::", "\\:\\:")),
        {"tenant_id": session.tenant_id, "rows": json.dumps(list(removed.values()))},
    )


def _whole(table: Table) -> Any:
    """The row itself, for `to_jsonb`."""
    return table.table_valued()
