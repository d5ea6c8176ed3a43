"""The audit chains: what is in them, in which order, and that one changed byte is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine, select, text
from sqlalchemy.pool import NullPool
from world import NOW, World, build_world

from careloop.commands.audit import drop_logs
from foundation import chain
from foundation.audit import AuditEvent, first_broken, record
from foundation.chain import ChainColumns, Fault
from foundation.database import Database, HospitalSession, PlatformSession
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from migrations import chain_data
from tenants.models import FirmEvent, SigninEvent
from tenants.oversight.firm_audit import note

ROWS = 6
# How a byte of each kind of column is changed in place.
FLIPS = {
    "BigInteger": "{0} + 1000",
    "Text": "overlay({0} placing chr(ascii(left({0}, 1)) # 1) from 1 for 1)",
    "LargeBinary": "set_byte({0}, 7, get_byte({0}, 7) # 1)",
    "Uuid": "overlay({0}::text placing translate(right({0}::text, 1), '0123456789abcdef', '1032547698badcfe')"
    " from 36)::uuid",
    "DateTime": "{0} + interval '1 microsecond'",
    "JSONB": "jsonb_set({0}, '{{rows}}', '4')",
}
HOSPITAL = [column.name for column in AuditEvent.__table__.columns]
FIRM = [column.name for column in FirmEvent.__table__.columns]


def test_a_whole_chain_has_no_broken_event(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for action in ("patients.imported", "phone.revealed", "report.exported"):
            record(session, action, now=NOW, subject="patient:1", detail={"rows": 3, "names": ["a", "b"]})
        assert first_broken(session) is None


def test_each_hospital_has_a_chain_of_its_own(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for _ in range(3):
            record(session, "one", now=NOW)
        assert session.scalars(select(AuditEvent.seq).order_by(AuditEvent.seq)).all() == [1, 2, 3]
    with world.hospital(world.yunling) as session:
        record(session, "one", now=NOW)
        assert session.scalars(select(AuditEvent.seq)).all() == [1]


def test_what_the_database_changes_of_a_detail_does_not_break_the_chain(world: World) -> None:
    """Fractions, large numbers, and keys that are no texts."""
    with world.hospital(world.heqing) as session:
        record(
            session, "one", now=NOW, detail={"a": 1.50, "b": 1e22, "c": -0.0, "d": {10: 1, 9: 2}, "e": 10**40}
        )
        session.expire_all()
        assert first_broken(session) is None


def test_a_number_typed_into_a_reason_is_masked(world: World) -> None:
    with world.hospital(world.heqing) as session:
        record(session, "patients.number_revealed", now=NOW, reason="回拨13812345678")
        assert session.scalars(select(AuditEvent.reason)).one() == "回拨138****5678"


@pytest.fixture(scope="module")
def chained(server: Any) -> Iterator[tuple[World, Engine]]:
    """A hospital and a firm with some records each, committed; every test undoes what it breaks."""
    urls = server.new_database(f"chain_{uuid4().hex[:12]}")
    engine = create_engine(_url(urls.runtime), connect_args={"options": "-c timezone=UTC"})
    owner = create_engine(_url(urls.owner), poolclass=NullPool)
    world = build_world(Database(engine, master_key=MasterKey(b"0123456789abcdef0123456789abcdef")))
    with world.hospital(world.heqing) as session:
        for number in range(ROWS):
            record(
                session, "phone.revealed", now=NOW + timedelta(minutes=number), subject=f"patient:{number}",
                reason="回拨", detail={"rows": 3},
            )  # fmt: skip
    with world.firm() as session:
        for number in range(ROWS):
            note(
                session, "benchmark.run", now=NOW + timedelta(minutes=number), subject=f"run:{number}",
                reason="月度", rows=3,
            )  # fmt: skip
    yield world, owner
    engine.dispose()
    owner.dispose()


def _url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def broken(
    chained: tuple[World, Engine], statement: str, count: int = 1
) -> Iterator[tuple[PlatformSession, World]]:
    """As the owner, whom the policies bind too, within a transaction that never ends well. What only the
    tables' owner can do cannot be done by the product: `tests/system/test_walls.py`.
    """
    world, owner = chained
    with owner.connect() as connection:
        transaction = connection.begin()
        for name, value in (
            ("careloop.tenant_ids", f"{{{world.heqing.tenant_id},{world.yunling.tenant_id}}}"),
            ("careloop.firm_id", str(world.firm_id)),
        ):
            connection.execute(text("SELECT set_config(:n, :v, true)"), {"n": name, "v": value})
        _without_constraints(connection)
        assert connection.execute(text(statement)).rowcount == count
        yield session_over(connection), world
        transaction.rollback()


def _without_constraints(connection: Connection) -> None:
    """Somebody who owns the tables can drop what is in the way."""
    for table, column in (("audit_event", "tenant_id"), ("firm_event", "firm_id")):
        connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT uq_{table}_{column}_seq"))
    connection.execute(text("ALTER TABLE firm_event DROP CONSTRAINT fk_firm_event_firm_id_firm"))
    for table in ("audit_event", "firm_event"):
        connection.execute(text(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"))


def session_over(connection: Connection) -> PlatformSession:
    """A session in the owner's transaction."""
    return PlatformSession(
        scope=PlatformScope(Actor.system("test"), "test"),
        bind=connection,
        join_transaction_mode="rollback_only",
    )


def fault_of(session: PlatformSession, model: type[ChainColumns], of: UUID) -> Fault:
    with session:
        connection = session.connection()
        # The session's own scope sees no hospital: the owner's does.
        connection.execute(text("SELECT set_config('careloop.tenant_ids', '', true)"))
        fault = chain.verify(session, model, of).fault
    assert fault is not None
    return fault


@pytest.mark.parametrize("column", HOSPITAL)
def test_one_flipped_byte_in_any_column_of_a_hospitals_trail_is_named(
    chained: tuple[World, Engine], column: str
) -> None:
    with broken(chained, flipped(AuditEvent, column)) as (session, world):
        fault = fault_of(session, AuditEvent, world.heqing.tenant_id)
    assert fault.expected == 3
    assert fault.what == ("missing" if column in {"tenant_id", "seq"} else "changed")
    assert fault.seq == (4 if column in {"tenant_id", "seq"} else 3)


@pytest.mark.parametrize("column", FIRM)
def test_one_flipped_byte_in_any_column_of_a_firms_record_is_named(
    chained: tuple[World, Engine], column: str
) -> None:
    with broken(chained, flipped(FirmEvent, column)) as (session, world):
        fault = fault_of(session, FirmEvent, world.firm_id)
    assert fault.expected == 3
    assert fault.what == ("missing" if column in {"firm_id", "seq"} else "changed")


def flipped(model: type[AuditEvent | FirmEvent], name: str) -> str:
    kind = type(model.__table__.columns[name].type).__name__
    return f"UPDATE {model.__tablename__} SET {name} = {FLIPS[kind].format(name)} WHERE seq = 3"


@pytest.mark.parametrize(
    ("statement", "count", "expected", "what"),
    [
        ("DELETE FROM audit_event WHERE seq = 2", 1, 2, "missing"),
        ("DELETE FROM audit_event WHERE seq <= 2", 2, 1, "missing"),
        (
            "UPDATE audit_event SET seq = CASE seq WHEN 2 THEN 4 ELSE 2 END WHERE seq IN (2, 4)",
            2, 2, "out_of_order",
        ),
        (
            ("UPDATE audit_event a SET subject = b.subject, at = b.at, hash = b.hash,"
            " previous_hash = b.previous_hash FROM audit_event b"
            " WHERE (a.seq = 2 AND b.seq = 5) OR (a.seq = 5 AND b.seq = 2)"),
            2, 2, "out_of_order",
        ),
        (
            ("INSERT INTO audit_event SELECT (jsonb_populate_record(a, jsonb_build_object("
            "'id', gen_random_uuid(), 'seq', 7, 'subject', 'a:x'))).* FROM audit_event a WHERE seq = 3"),
            1, 7, "out_of_order",
        ),
    ],
)  # fmt: skip
def test_a_removed_swapped_or_added_row_is_named(
    chained: tuple[World, Engine], statement: str, count: int, expected: int, what: str
) -> None:
    with broken(chained, statement, count) as (session, world):
        fault = fault_of(session, AuditEvent, world.heqing.tenant_id)
    assert (fault.expected, fault.what) == (expected, what)
    assert fault.id is not None
    assert fault.at is not None


def test_a_row_put_in_between_is_named(chained: tuple[World, Engine]) -> None:
    """Even one whose own hash is right: nothing behind it points at it."""
    world, _owner = chained
    made = {"id": new_id(), "seq": 4, "at": NOW, "actor_kind": "system", "actor_id": None, "actor_name": "",
            "action": "x", "subject": "", "reason": "", "detail": {}}  # fmt: skip
    with world.hospital(world.heqing) as session:
        before = session.scalar(select(AuditEvent.hash).where(AuditEvent.seq == 3))
        assert before is not None
    link = chain_data.digest(world.heqing.tenant_id, made, before)
    put_in = (
        "WITH moved AS (UPDATE audit_event SET seq = seq + 1 WHERE seq >= 4 RETURNING 1)"
        " INSERT INTO audit_event (tenant_id, id, seq, at, actor_kind, actor_name, action, subject, reason,"
        f" detail, previous_hash, hash) SELECT '{world.heqing.tenant_id}', '{made['id']}', 4,"
        f" '{NOW.isoformat()}', 'system', '', 'x', '', '', '{{}}', '\\x{before.hex()}', '\\x{link.hex()}'"
        " FROM (SELECT count(*) FROM moved) AS done"
    )
    with broken(chained, put_in) as (session, world):
        fault = fault_of(session, AuditEvent, world.heqing.tenant_id)
    assert (fault.expected, fault.what) == (5, "out_of_order")


def test_a_cut_end_and_a_chain_written_anew_show_against_a_noted_head(chained: tuple[World, Engine]) -> None:
    world, _owner = chained
    of = world.heqing.tenant_id
    with world.hospital(world.heqing) as session:
        end = chain.head(session, AuditEvent, of)
        assert end is not None
        assert chain.verify(session, AuditEvent, of, noted={end.seq: end.hash}).fault is None
        assert chain.verify(session, AuditEvent, of, noted={end.seq: b"\x00" * 32}).fault == Fault(
            end.seq, "not_as_noted", end.seq, *_last(session)
        )
    with broken(chained, f"DELETE FROM audit_event WHERE seq = {ROWS}") as (cut, _world), cut:
        assert chain.verify(cut, AuditEvent, of).fault is None, "what a chain alone cannot show"
        assert chain.verify(cut, AuditEvent, of, noted={end.seq: end.hash}).fault == Fault(ROWS, "cut")


def _last(session: HospitalSession) -> tuple[UUID, datetime]:
    last = session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(1)).one()
    return last.id, last.at


def test_the_newest_rows_are_verified_from_the_hash_before_them(chained: tuple[World, Engine]) -> None:
    with broken(chained, flipped(AuditEvent, "subject")) as (session, world), session:
        found = chain.verify(session, AuditEvent, world.heqing.tenant_id, newest=3)
        assert (found.fault, found.first, found.rows) == (None, 4, 3)
        older = chain.verify(session, AuditEvent, world.heqing.tenant_id, newest=4)
        assert older.fault is not None


def test_the_revision_chains_as_the_product_does(chained: tuple[World, Engine]) -> None:
    world, _owner = chained
    with world.hospital(world.heqing) as session:
        for row in session.scalars(select(AuditEvent)):
            values = {name: getattr(row, name) for name in HOSPITAL}
            assert chain_data.digest(world.heqing.tenant_id, values, row.previous_hash) == row.hash
    with world.firm() as session:
        for line in session.scalars(select(FirmEvent)):
            values = {name: getattr(line, name) for name in FIRM}
            assert chain_data.digest(world.firm_id, values, line.previous_hash) == line.hash


def test_the_revision_keeps_a_broken_row_broken(chained: tuple[World, Engine]) -> None:
    """A chain hashed as revision 0001 did holds afterwards; one that was broken names the same row."""
    world, owner = chained
    of = world.heqing.tenant_id
    for damage, expected in ((None, None), ("UPDATE audit_event SET subject = 'x' WHERE seq = 3", 3)):
        with (
            broken(chained, f"UPDATE audit_event SET previous_hash = '\\x{'00' * 32}'", ROWS) as (
                session,
                _w,
            ),
            session,
        ):
            connection = session.connection()
            _hash_as_at_first(connection)
            if damage:
                connection.execute(text(damage))
            chain_data.chain_audit_anew(connection, of)
            fault = chain.verify(session, AuditEvent, of).fault
        assert (fault.expected if fault else None) == expected
    assert owner is not None


def _hash_as_at_first(connection: Connection) -> None:
    previous = chain.GENESIS
    for row in connection.execute(text("SELECT * FROM audit_event ORDER BY seq")).mappings().all():
        link = chain_data.first_digest({**row, "previous_hash": previous})
        connection.execute(
            text("UPDATE audit_event SET previous_hash = :p, hash = :h WHERE id = :id"),
            {"p": previous, "h": link, "id": row["id"]},
        )
        previous = link


@pytest.mark.parametrize("days", [0, 90, 179])
def test_logs_are_never_kept_for_less_than_180_days(days: int) -> None:
    """网络安全法 21(3)."""
    with pytest.raises(ValidationError, match="网络安全法 21"):
        Settings(log_days=days)


def test_180_days_are_enough_and_three_years_are_usual() -> None:
    assert Settings(log_days=180).log_days == 180
    assert Settings().log_days == 1095


def test_pruning_drops_what_is_older_and_nothing_else(engine_world: World, fresh_urls: Any) -> None:
    with engine_world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        for days in (0, 179, 181, 4000):
            session.add(
                SigninEvent(
                    id=new_id(),
                    at=NOW - timedelta(days=days),
                    email="",
                    person_id=None,
                    result=str(days),
                    address="",
                )
            )
    with engine_world.hospital(engine_world.heqing) as session:
        record(session, "patients.viewed", now=NOW - timedelta(days=4000))
    dropped = drop_logs(fresh_urls.owner, NOW - timedelta(days=180))
    assert dropped == {"signin_event": 2, "access_refusal": 0}
    with engine_world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        kept = session.scalars(select(SigninEvent.result).order_by(SigninEvent.at)).all()
    assert kept == ["179", "0"]
    with engine_world.hospital(engine_world.heqing) as session:
        assert session.scalars(select(AuditEvent.seq)).all() == [1], "a chain is never cut"
