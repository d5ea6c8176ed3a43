"""Whether the walls between hospitals stand, derived from the catalogue of the database (design.md 2).

One implementation for `careloop doctor`, the go-live gate and the tests. A fault is one sentence that names
the table, the key, the policy, the function or the right. The models say which class a table belongs to and
which keys it has; everything else is what the database says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Table, UniqueConstraint

from careloop import wall_queries as sql
from careloop.models import table_classes
from foundation.database import Base
from foundation.policies import ANCHOR, CONDITIONS

Connection = psycopg.Connection[tuple[Any, ...]]

# The one row of a hospital that its firm lists before any hospital is chosen: its key is `tenant_id` alone.
ANCHOR_TABLE = "hospital"
ANCHORS = frozenset({ANCHOR_TABLE, "firm"})
# Functions that run with the owner's rights, each with the reason in the revision that makes it.
OWNERS_FUNCTIONS = frozenset({"erase_case_events", "wipe_case_notes"})
# What the runtime role may do to a table at most.
RIGHTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
CHANGES = frozenset({"UPDATE", "DELETE"})
KEYS = {"tenant": "tenant_id", "firm": "firm_id"}


def faults_of_tables(connection: Connection, role: str | None = None) -> list[str]:
    """One sentence for everything that does not stand as it must; `role` is the runtime role, without it the
    connected one.
    """
    classes = table_classes()
    found = [*_missing(connection, classes), *_policies(connection, classes), *_keys(connection, classes)]
    found += [*_foreign_keys(connection, classes), *_views(connection), *_functions(connection)]
    return [*found, *_rights(connection, classes, role or _connected(connection))]


def faults_of_role(connection: Connection, role: str | None = None) -> list[str]:
    """One sentence for each right that the runtime role should not have."""
    name = role or _connected(connection)
    row = connection.execute(sql.ROLE, {"role": name}).fetchone()
    if row is None:
        return [f"{name} is no role of this server"]
    faults = [f"{name} {told}" for told, there in zip(sql.ATTRIBUTES, row, strict=True) if there]
    faults += [f"{name} owns {kind} {what}" for kind, what in connection.execute(sql.OWNED, {"role": name})]
    faults += [
        f"{name} is a member of {other}" for (other,) in connection.execute(sql.GROUPS, {"role": name})
    ]
    return faults


def _connected(connection: Connection) -> str:
    row = connection.execute("SELECT current_user::text").fetchone()
    return str(row[0]) if row else ""


def _missing(connection: Connection, classes: dict[str, type[Base]]) -> Iterator[str]:
    there = {name for (name,) in connection.execute(sql.TABLES)}
    yield from (f"{name} belongs to no class" for name in sorted(there - set(classes)))
    yield from (f"{name} is not in the database" for name in sorted(set(classes) - there))


def _policies(connection: Connection, classes: dict[str, type[Base]]) -> Iterator[str]:
    wanted = _expected(connection)
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table, *policy in connection.execute(sql.POLICIES):
        found.setdefault(table, []).append(tuple(policy))
    for table, enabled, forced in connection.execute(sql.SECURITY):
        mapped = classes.get(table)
        if mapped is None or mapped.table_class == "platform":
            continue
        if not enabled:
            yield f"{table} has no row-level security"
        if not forced:
            yield f"{table} does not force its policies on its owner"
        mine = found.get(table, [])
        if len(mine) != 1:
            yield f"{table} has not exactly one policy but {len(mine)}"
        for name, command, permissive, for_all, using, check in mine:
            condition = wanted["anchor" if table == ANCHOR_TABLE else mapped.table_class]
            if command != "*" or not permissive or not for_all:
                yield f"policy {name} of {table} is not one for all roles, for reading and writing"
            if using != condition:
                yield f"policy {name} of {table} shows other rows than those of the scope: {using}"
            if check != condition:
                yield f"policy {name} of {table} lets other rows be written than those of the scope: {check}"


def _expected(connection: Connection) -> dict[str, str]:
    """What the server makes of the conditions of `foundation.policies`, from a table that does not stay."""
    conditions = [*CONDITIONS.items(), ("anchor", ANCHOR)]
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TEMP TABLE wall_pattern (tenant_id uuid, firm_id uuid)")
        for name, condition in conditions:
            connection.execute(f"CREATE POLICY {name} ON wall_pattern USING ({condition})".encode())
        return {str(name): str(condition) for name, condition in connection.execute(sql.PATTERN)}


def _keys(connection: Connection, classes: dict[str, type[Base]]) -> Iterator[str]:
    for table, nullable in connection.execute(sql.NULLABLE):
        key = _key_of(classes, table)
        if key is not None and key in nullable:
            yield f"{key} of {table} may be NULL"
    keyed, unique = set(), set()
    for table, name, columns, primary in connection.execute(sql.UNIQUE):
        key = _key_of(classes, table)
        unique.add((table, tuple(columns)))
        if key is None:
            continue
        if columns[0] != key:
            yield f"{name} of {table} does not begin with {key}"
        if primary:
            keyed.add(table)
            if columns != _primary(table, key):
                yield f"the primary key of {table} is not ({', '.join(_primary(table, key))})"
    for table in sorted(set(classes) - keyed):
        if classes[table].table_class != "platform":
            yield f"{table} has no primary key"
    for table, wanted in _wanted_unique(classes):
        if (table, wanted) not in unique:
            yield f"({', '.join(wanted)}) of {table} is not unique"


def _wanted_unique(classes: dict[str, type[Base]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, mapped in classes.items():
        table = mapped.__table__
        if not isinstance(table, Table):
            continue
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                yield name, tuple(column.name for column in constraint.columns)
        for index in table.indexes:
            if index.unique:
                yield name, tuple(column.name for column in index.columns)


def _primary(table: str, key: str) -> list[str]:
    return [key] if table in ANCHORS else [key, "id"]


def _key_of(classes: dict[str, type[Base]], table: str) -> str | None:
    mapped = classes.get(table)
    return None if mapped is None else KEYS.get(mapped.table_class)


def _foreign_keys(connection: Connection, classes: dict[str, type[Base]]) -> Iterator[str]:
    """A check of a foreign key ignores policies, so the key itself has to hold the hospital on both sides."""
    there = set()
    for table, name, columns, target, target_columns in connection.execute(sql.FOREIGN_KEYS):
        pairs = list(zip(columns, target_columns, strict=True))
        there.add((table, target, frozenset(pairs)))
        key = _key_of(classes, target)
        if key is None:
            continue
        if (key, key) not in pairs:
            yield f"{name} of {table} points into {target} without its {key}"
    for name, mapped in classes.items():
        table_keys = mapped.__table__.foreign_key_constraints if isinstance(mapped.__table__, Table) else ()
        for constraint in table_keys:
            elements = frozenset((e.parent.name, e.column.name) for e in constraint.elements)
            if (name, constraint.referred_table.name, elements) not in there:
                columns = ", ".join(constraint.column_keys)
                yield f"({columns}) of {name} is not tied to {constraint.referred_table.name}"


def _views(connection: Connection) -> Iterator[str]:
    for name, kind, invoker in connection.execute(sql.VIEWS):
        if kind == "m":
            yield f"{name} is a materialised view: its rows stand before no wall"
        elif not invoker:
            yield f"view {name} reads with its owner's rights (no security_invoker)"


def _functions(connection: Connection) -> Iterator[str]:
    for name, arguments in connection.execute(sql.FUNCTIONS):
        if name not in OWNERS_FUNCTIONS:
            yield f"function {name}({arguments}) runs with its owner's rights (SECURITY DEFINER)"


def _rights(connection: Connection, classes: dict[str, type[Base]], role: str) -> Iterator[str]:
    for table, granted in connection.execute(sql.RIGHTS, {"role": role}):
        mapped = classes.get(table)
        most = frozenset({"SELECT"}) if mapped is None else RIGHTS
        if mapped is not None and mapped.append_only and CHANGES & set(granted):
            yield f"{table} can be changed by {role}"
        yield from (f"{role} may {right} {table}" for right in sorted(set(granted) - most))
    for name, granted in connection.execute(sql.SEQUENCES, {"role": role}):
        yield f"{role} may {granted} the sequence {name}"
    for (table,) in connection.execute(sql.FOR_EVERYBODY):
        yield f"{table} is granted to PUBLIC"
    for schema_right in connection.execute(sql.CREATING, {"role": role}):
        yield f"{role} may create in {schema_right[0]}"
