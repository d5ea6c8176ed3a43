"""The walls as the catalogue of a live database shows them: what is missing, table by table (design.md 2)."""

from __future__ import annotations

from typing import Any

import psycopg

from careloop.models import table_classes

TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
       coalesce((SELECT array_agg(p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL AND p.polcmd = '*')
                   FROM pg_policy p WHERE p.polrelid = c.oid), '{}')
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
 ORDER BY c.relname
"""
ROLE = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls,
       (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = 'public'::regnamespace)
  FROM pg_roles r WHERE r.rolname = current_user
"""
APPEND_ONLY = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
   AND (has_table_privilege(current_user, c.oid, 'UPDATE') OR has_table_privilege(current_user, c.oid,
   'DELETE'))
"""
Connection = psycopg.Connection[tuple[Any, ...]]


def faults_of_tables(connection: Connection) -> list[str]:
    """One sentence for each table of the database that does not stand behind its wall."""
    classes = table_classes()
    faults = []
    for name, enabled, forced, policies in connection.execute(TABLES):
        if name not in classes:
            faults.append(f"{name} belongs to no class")
        elif classes[name].table_class != "platform":
            if not enabled:
                faults.append(f"{name} has no row-level security")
            if not forced:
                faults.append(f"{name} does not force its policies on its owner")
            if len(policies) != 1 or not all(policies):
                faults.append(f"{name} has not exactly one policy for reading and writing")
    append_only = [name for name, mapped in classes.items() if mapped.append_only]
    changeable = connection.execute(APPEND_ONLY, (append_only,)).fetchall()
    faults += [f"{name} can be changed by the runtime role" for (name,) in changeable]
    return faults


def faults_of_role(connection: Connection) -> list[str]:
    """One sentence for each right that the connected role should not have."""
    row = connection.execute(ROLE).fetchone()
    if row is None:
        return ["the role is not in the catalogue"]
    name, superuser, bypass, owned = row
    faults = []
    if superuser:
        faults.append(f"{name} is a superuser")
    if bypass:
        faults.append(f"{name} may bypass row-level security")
    if owned:
        faults.append(f"{name} owns {owned} tables")
    return faults
