"""Row-level security as SQL text, for the migrations that create the tables.

Each policy compares with the transaction's settings through NULLIF: after `SET LOCAL` and commit a setting
is an
empty string and not NULL, so a bare cast would fail, and a missing scope must mean no rows and never all
rows.
"""

from foundation.database import TableClass

# The setting is read through a sub-select, once a statement: read in the condition itself it would be
# parsed again
# for every row and index probe, which made drawing a card from 500,000 tasks thirteen times slower. The
# outer cast
# must stay: `= ANY ((SELECT …))` without it means a row of the sub-select and not an element of the array.
TENANTS = "(SELECT (NULLIF(current_setting('careloop.tenant_ids', true), ''))::uuid[])::uuid[]"
FIRM = "(SELECT (NULLIF(current_setting('careloop.firm_id', true), ''))::uuid)"

# The hospital row itself is listed by its firm before any hospital is chosen, so it carries both keys.
ANCHOR = f"tenant_id = ANY ({TENANTS}) OR firm_id = {FIRM}"

CONDITIONS: dict[TableClass, str] = {
    "tenant": f"tenant_id = ANY ({TENANTS})",
    "firm": f"firm_id = {FIRM}",
}


def policy_statements(
    table: str, table_class: TableClass, *, anchor: bool = False, append_only: bool = False
) -> list[str]:
    """The statements that put one table behind its wall and give the runtime role what it needs.

    `anchor` is for the hospital table alone. `append_only` leaves the runtime role without UPDATE and DELETE.
    The runtime role is named by the setting `careloop.runtime_role` of the migration's transaction.
    """
    statements = []
    if table_class != "platform":
        condition = ANCHOR if anchor else CONDITIONS[table_class]
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY {table}_scope ON {table} USING ({condition}) WITH CHECK ({condition})",
        ]
    rights = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    return [*statements, grant_statement(table, rights)]


def grant_statement(table: str, rights: str) -> str:
    """Grant to the runtime role, whose name is a setting because a given server names its roles itself."""
    return (
        "DO $$ BEGIN EXECUTE format('GRANT "
        f"{rights} ON {table} TO %I', current_setting('careloop.runtime_role')); END $$"
    )
