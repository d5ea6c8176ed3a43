"""Which tables a hospital has, which of their rows belong to a patient, and in which order they go.

Derived from the models and their foreign keys, so that a new table is part of every export, erasure and
departure from its first day, or fails a test for want of a decision (`foundation.personal`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, any_, cast, false, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import Text

from foundation.database import Base, ScopedSession
from foundation.personal import Basis, Personal

PERSON_TABLE = "patient"
FILE_TABLE = "stored_file"
Rows = dict[str, list[UUID]]


class Unlabelled(LookupError):
    """A table of a hospital says nothing of the people in it (`foundation.personal`)."""


def classes() -> dict[str, type[Base]]:
    """The mapped class of each table known to this process, by table name."""
    return {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}  # type: ignore[attr-defined]


def tenant_tables() -> list[Table]:
    """All tables of a hospital, each after those it points at."""
    mine = {name for name, mapped in classes().items() if mapped.table_class == "tenant"}
    return [table for table in Base.metadata.sorted_tables if table.name in mine]


def firm_tables_of_hospitals() -> list[Table]:
    """The firm's tables whose rows name one hospital, such as who is assigned to it."""
    mine = {name for name, mapped in classes().items() if mapped.table_class == "firm"}
    return [t for t in Base.metadata.sorted_tables if t.name in mine and "tenant_id" in t.columns]


def personal_of(name: str) -> Personal:
    """The label of a table; raises `Unlabelled`."""
    label = getattr(classes()[name], "personal", None)
    if not isinstance(label, Personal):
        raise Unlabelled(name)
    return label


def stays(name: str) -> Basis | None:
    """By which law this table's rows remain when the hospital has left; None when they go."""
    basis: Basis | None = getattr(classes()[name], "stays", None)
    return basis


def links(table: Table) -> list[tuple[str, str]]:
    """(column, table pointed at) of each foreign key between tables of the hospital."""
    known = {name for name, mapped in classes().items() if mapped.table_class == "tenant"}
    found = []
    for key in table.foreign_key_constraints:
        own = [column for column in key.column_keys if column != "tenant_id"]
        if key.referred_table.name in known and len(own) == 1:
            found.append((own[0], key.referred_table.name))
    return sorted(found)


def patient_tables() -> list[Table]:
    """The tables from which a chain of foreign keys leads to a patient, with the patients themselves."""
    reached = {PERSON_TABLE}
    found = []
    for table in tenant_tables():
        if table.name in reached or any(parent in reached for _, parent in links(table)):
            reached.add(table.name)
            found.append(table)
    return found


def sensitive(column: Column[Any]) -> bool:
    """Whether this column could hold somebody's words, numbers or name: text, bytes and JSON."""
    return isinstance(column.type, Text | LargeBinary | JSONB)


def rows_of_patient(session: ScopedSession, tenant_id: UUID, patient_id: UUID) -> Rows:
    """The ids of all rows that belong to one patient, by table: one statement a table.

    A row belongs to the patient when any of its foreign keys leads there. Files are those that the
    patient's rows point at.
    """
    rows: Rows = {PERSON_TABLE: [patient_id]}
    for table in patient_tables():
        if table.name == PERSON_TABLE:
            continue
        owned = or_(*(table.c[column].in_(rows[parent]) for column, parent in links(table) if parent in rows))
        rows[table.name] = _ids(session, table, tenant_id, owned)
    pointers = file_pointers(session, tenant_id, rows)
    files = sorted({file_id for found in pointers.values() for file_id in found})
    return rows | {FILE_TABLE: files}


def file_pointers(session: ScopedSession, tenant_id: UUID, rows: Rows) -> dict[tuple[str, str], list[UUID]]:
    """The files that these rows point at, by (table, column)."""
    found: dict[tuple[str, str], list[UUID]] = {}
    for table in patient_tables():
        for column, parent in links(table):
            if parent == FILE_TABLE and rows.get(table.name):
                query = select(table.c[column]).where(
                    table.c.tenant_id == tenant_id,
                    among(table.c.id, rows[table.name]),
                    table.c[column].is_not(None),
                )
                found[table.name, column] = list(session.scalars(query))
    return found


def named_condition(table: Table, rows: Rows) -> ColumnElement[bool]:
    """Of a table that names its subject as `kind:id`: the rows about any of these rows."""
    ids = sorted({str(row_id) for found in rows.values() for row_id in found})
    return func.split_part(table.c.subject, ":", 2) == any_(cast(ids, ARRAY(Text)))


def among(
    column: ColumnElement[Any] | InstrumentedAttribute[Any], ids: Iterable[UUID]
) -> ColumnElement[bool]:
    """The column is one of these ids, by one parameter whatever their number."""
    listed = list(ids)
    return column == any_(cast(listed, ARRAY(column.type))) if listed else false()


def deletion_order() -> list[Table]:
    """The tables that go when a hospital leaves, each before those it points at."""
    return [table for table in reversed(tenant_tables()) if stays(table.name) is None]


def staying() -> list[Table]:
    """The tables of a hospital whose rows the law keeps when it has left."""
    return [table for table in tenant_tables() if stays(table.name) is not None]


def pointers_into_gone() -> list[tuple[Table, str]]:
    """Columns of staying tables that point at rows that go; they are emptied first."""
    gone = {table.name for table in deletion_order()}
    return [(table, column) for table in staying() for column, parent in links(table) if parent in gone]


def counts(session: ScopedSession, tenant_id: UUID) -> dict[str, int]:
    """How many rows the hospital has in each of its tables; one statement."""
    tables = tenant_tables()
    query = select(
        *(
            select(func.count())
            .select_from(table)
            .where(table.c.tenant_id == tenant_id)
            .scalar_subquery()
            .label(table.name)
            for table in tables
        )
    )
    row = session.execute(query).one()
    return {table.name: int(number) for table, number in zip(tables, row, strict=True)}


def _ids(session: ScopedSession, table: Table, tenant_id: UUID, owned: ColumnElement[bool]) -> list[UUID]:
    return list(session.scalars(select(table.c.id).where(table.c.tenant_id == tenant_id, owned)))


@cache
def described(docstring: str) -> tuple[str, str]:
    """(zh, en) of a table: the Chinese term and the first sentence of its model's docstring."""
    first = " ".join(docstring.split("\n\n", 1)[0].split())
    chinese = ""
    if "(" in first and ")" in first:
        inside = first.split("(", 1)[1].split(")", 1)[0].split(",", 1)[0].strip()
        chinese = inside if not inside.isascii() else ""
    return chinese, first.split(". ", 1)[0].rstrip(".") + "."
