"""Each wall taken down in turn: the same check that `careloop doctor` runs names what is gone.

And rows in every table, tried as the runtime role: without a scope, with an empty one, with another
hospital's.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import TestServer, Urls
from psycopg import sql

from careloop.models import table_classes
from careloop.walls import Connection, faults_of_role, faults_of_tables
from foundation.embedded_cluster import OWNER, SUPERUSER
from foundation.policies import CONDITIONS

RUNTIME = "careloop_runtime"
TENANT = CONDITIONS["tenant"]
MISSING = "NULLIF(current_setting('careloop.tenant_ids', true), '') IS NULL"
PATIENT_KEY = "fk_contact_task_tenant_id_patient_id_patient"
DAMAGES = [
    ("DROP POLICY patient_scope ON patient", "patient has not exactly one policy but 0"),
    ("CREATE POLICY more ON patient FOR SELECT USING (true)", "patient has not exactly one policy but 2"),
    ("ALTER TABLE call NO FORCE ROW LEVEL SECURITY", "call does not force its policies on its owner"),
    ("ALTER TABLE answer DISABLE ROW LEVEL SECURITY", "answer has no row-level security"),
    (
        f"DROP POLICY call_scope ON call; CREATE POLICY call_scope ON call USING ({TENANT})",
        "policy call_scope of call lets other rows be written",
    ),
    (
        "ALTER POLICY call_scope ON call WITH CHECK (true)",
        "policy call_scope of call lets other rows be written",
    ),
    (
        f"ALTER POLICY patient_scope ON patient USING ({TENANT} OR {MISSING})",
        "policy patient_scope of patient shows other rows",
    ),
    (
        "ALTER POLICY firm_event_scope ON firm_event USING (true)",
        "policy firm_event_scope of firm_event shows other rows",
    ),
    (
        f"ALTER POLICY patient_scope ON patient TO {RUNTIME}",
        "policy patient_scope of patient is not one for all roles",
    ),
    (
        f"""ALTER TABLE contact_task DROP CONSTRAINT {PATIENT_KEY};
        ALTER TABLE patient ADD CONSTRAINT loose UNIQUE (id);
        ALTER TABLE contact_task ADD CONSTRAINT {PATIENT_KEY}
        FOREIGN KEY (patient_id) REFERENCES patient (id)""",
        f"{PATIENT_KEY} of contact_task points into patient without its tenant_id",
    ),
    (
        f"ALTER TABLE contact_task DROP CONSTRAINT {PATIENT_KEY}",
        "(tenant_id, patient_id) of contact_task is not tied to patient",
    ),
    (
        "ALTER TABLE patient DROP CONSTRAINT uq_patient_tenant_id_record_number",
        "(tenant_id, record_number) of patient is not unique",
    ),
    (
        "CREATE UNIQUE INDEX everywhere ON patient (record_number)",
        "everywhere of patient does not begin with tenant_id",
    ),
    (
        "CREATE UNIQUE INDEX everywhere ON patient (lower(record_number), tenant_id)",
        "everywhere of patient does not begin with tenant_id",
    ),
    (
        "ALTER TABLE answer DROP CONSTRAINT pk_answer",
        "answer has no primary key",
    ),
    (
        "ALTER TABLE answer DROP CONSTRAINT pk_answer, ADD PRIMARY KEY (id)",
        "the primary key of answer is not (tenant_id, id)",
    ),
    (
        "ALTER TABLE answer DROP CONSTRAINT pk_answer, ALTER COLUMN tenant_id DROP NOT NULL",
        "tenant_id of answer may be NULL",
    ),
    ("CREATE TABLE loose (id int)", "loose belongs to no class"),
    ("CREATE VIEW names AS SELECT name FROM patient", "view names reads with its owner's rights"),
    (
        "CREATE VIEW names WITH (security_invoker = false) AS SELECT name FROM patient",
        "view names reads with its owner's rights",
    ),
    ("CREATE MATERIALIZED VIEW names AS SELECT name FROM patient", "names is a materialised view"),
    (
        """CREATE FUNCTION all_names() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER
        AS 'SELECT name FROM patient'""",
        "function all_names() runs with its owner's rights",
    ),
    (f"GRANT TRUNCATE ON patient TO {RUNTIME}", f"{RUNTIME} may TRUNCATE patient"),
    (f"GRANT TRIGGER ON person TO {RUNTIME}", f"{RUNTIME} may TRIGGER person"),
    (f"GRANT REFERENCES (id) ON patient TO {RUNTIME}", f"{RUNTIME} may REFERENCES patient"),
    (f"GRANT UPDATE ON audit_event TO {RUNTIME}", "audit_event can be changed"),
    (f"GRANT UPDATE (reason) ON audit_event TO {RUNTIME}", "audit_event can be changed"),
    (f"GRANT DELETE ON case_event TO {RUNTIME}", "case_event can be changed"),
    (f"GRANT UPDATE ON alembic_version TO {RUNTIME}", f"{RUNTIME} may UPDATE alembic_version"),
    ("GRANT SELECT ON patient TO PUBLIC", "patient is granted to PUBLIC"),
    (f"GRANT CREATE ON SCHEMA dramatiq TO {RUNTIME}", f"{RUNTIME} may create in schema dramatiq"),
    (
        f"CREATE SEQUENCE numbers; GRANT UPDATE ON SEQUENCE numbers TO {RUNTIME}",
        f"{RUNTIME} may UPDATE the sequence numbers",
    ),
]


@pytest.fixture(scope="module")
def urls(server: TestServer) -> Urls:
    """One database for the module: every damage is undone by its transaction."""
    return server.new_database(f"walls_{uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def owner(urls: Urls) -> Iterator[Connection]:
    with psycopg.connect(urls.owner) as connection:
        yield connection


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=[damage[:60] for damage, _told in DAMAGES])
def test_what_is_taken_down_is_named(owner: Connection, damage: str, told: str) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute(damage.encode())
        faults = faults_of_tables(owner, RUNTIME)
        assert any(fault.startswith(told) for fault in faults), faults


def test_the_owner_sees_a_whole_house_after_all_of_that(owner: Connection) -> None:
    assert faults_of_tables(owner, RUNTIME) == []


def test_what_a_role_is_and_owns_is_named(owner: Connection) -> None:
    assert faults_of_role(owner, RUNTIME) == []
    mighty = " ".join(faults_of_role(owner, SUPERUSER))
    for power in ("is a superuser", "bypass row-level", "create roles", "create databases", "replicate"):
        assert power in mighty
    assert f"{OWNER} owns the relation patient" in faults_of_role(owner, OWNER)
    assert "pg_monitor is a member of pg_read_all_stats" in faults_of_role(owner, "pg_monitor")
    assert faults_of_role(owner, "nobody_at_all") == ["nobody_at_all is no role of this server"]


FILLERS = {
    "uuid": "uuidv7()",
    "uuid[]": "ARRAY[uuidv7()]",
    "text": "'x'",
    "bytea": "'x'::bytea",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "boolean": "false",
    "bigint": "1",
    "integer": "1",
    "numeric": "1",
    "double precision": "1",
    "jsonb": "'{}'::jsonb",
}
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
 WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
"""
CHECKS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')
"""
FIRST, SECOND = uuid4(), uuid4()
WALLED = sorted(name for name, mapped in table_classes().items() if mapped.table_class != "platform")


@pytest.fixture(scope="module")
def filled(server: TestServer) -> Urls:
    """A database without checks and foreign keys, one row of two hospitals or firms in each table."""
    made = server.new_database(f"rows_{uuid4().hex[:12]}")
    with psycopg.connect(made.owner) as connection:
        for table, name in connection.execute(CHECKS).fetchall():
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            connection.execute(drop.format(sql.Identifier(table), sql.Identifier(name)))
        for place in (FIRST, SECOND):
            enter(connection, f"{{{place}}}", str(place))
            for table in WALLED:
                connection.execute(row_for(connection, table, place))
    return made


def row_for(connection: Connection, table: str, place: UUID) -> sql.Composed:
    """An INSERT of any row of this hospital and firm."""
    columns = connection.execute(COLUMNS, (table,)).fetchall()
    values = [
        sql.Literal(place) if name in {"tenant_id", "firm_id"} else sql.SQL(FILLERS[kind])
        for name, kind in columns
    ]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _kind in columns),
        sql.SQL(", ").join(values),
    )


def enter(connection: Connection, tenants: str | None, firm: str | None) -> None:
    """Set the scope as the product does, until the transaction ends; None leaves a setting alone."""
    for name, value in (("careloop.tenant_ids", tenants), ("careloop.firm_id", firm)):
        if value is not None:
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def count(connection: Connection, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("tenants", [None, "", "{}"])
@pytest.mark.parametrize("role", ["runtime", "owner"])
def test_without_a_scope_no_table_shows_a_row(filled: Urls, role: str, tenants: str | None) -> None:
    with psycopg.connect(getattr(filled, role)) as connection:
        enter(connection, tenants, None if tenants is None else "")
        assert {table: count(connection, table) for table in WALLED} == dict.fromkeys(WALLED, 0)


def test_a_scope_that_has_ended_shows_nothing(filled: Urls) -> None:
    """After a commit the setting is an empty string and not NULL: that is no scope, too."""
    with psycopg.connect(filled.runtime) as connection:
        enter(connection, f"{{{FIRST}}}", str(FIRST))
        assert count(connection, "patient") == 1
        connection.commit()
        assert sum(count(connection, table) for table in WALLED) == 0


def test_a_scope_shows_its_own_row_of_every_table_and_no_other(filled: Urls) -> None:
    with psycopg.connect(filled.runtime) as connection:
        enter(connection, f"{{{FIRST}}}", str(FIRST))
        assert {table: count(connection, table) for table in WALLED} == dict.fromkeys(WALLED, 1)


def test_no_row_of_any_table_can_be_written_for_another_hospital_or_firm(filled: Urls) -> None:
    let_in = []
    with psycopg.connect(filled.runtime) as connection:
        for table in WALLED:
            own = table_classes()[table].table_class == "tenant"
            enter(connection, f"{{{FIRST}}}" if own else "", "" if own else str(FIRST))
            move = sql.SQL("UPDATE {} SET {} = {}").format(
                sql.Identifier(table),
                sql.Identifier("tenant_id" if own else "firm_id"),
                sql.Literal(uuid4()),
            )
            for statement in (row_for(connection, table, SECOND), move):
                try:
                    with connection.transaction(force_rollback=True):
                        connection.execute(statement)
                    let_in.append(statement.as_string(connection))
                except psycopg.errors.InsufficientPrivilege:
                    continue
    assert let_in == []
