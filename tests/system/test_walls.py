"""The walls between hospitals, derived from the catalogue of a migrated database and tried as the runtime
role.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Urls
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from world import NOW, World

from careloop.models import table_classes
from careloop.walls import faults_of_role, faults_of_tables
from foundation.audit import AuditEvent, record
from foundation.database import HospitalSession, PlatformSession, ScopedSession
from foundation.ids import new_id
from foundation.scope import Actor, HospitalScope, PlatformScope, ScopeMissing
from outreach.models import ContactTask
from patients.models import Patient

# What belongs to no firm and no hospital: people and how they sign in, what was asked of the program, and
# where everything is. Not one of them holds a patient.
PLATFORM = frozenset(
    """access_refusal api_token brand directory_entry external_identity hospital_move identity_provider
    invitation membership outbox_message past_password person provider_attempt recovery_code signin_event
    signin_session stripe_event support_access""".split()
)


def test_every_table_key_policy_and_right_is_as_it_must_be(fresh_urls: Urls) -> None:
    with psycopg.connect(fresh_urls.runtime) as connection:
        assert faults_of_tables(connection) == []
        assert faults_of_role(connection) == []


def test_the_tables_without_a_wall_are_a_short_written_list() -> None:
    assert {name for name, mapped in table_classes().items() if mapped.table_class == "platform"} == PLATFORM


def test_a_hospital_sees_its_own_rows_and_no_others(world: World) -> None:
    with world.hospital(world.heqing) as session:
        world.patient(session)
    with world.hospital(world.yunling) as session:
        world.patient(session)
        world.patient(session)
        assert session.scalar(text("SELECT count(*) FROM patient")) == 2
    with world.firm() as both:
        assert both.scalar(text("SELECT count(*) FROM patient")) == 3
    with world.firm(None, world.heqing) as one:
        assert one.scalar(text("SELECT count(*) FROM patient")) == 1


def test_the_platform_sees_no_patient(world: World) -> None:
    with world.hospital(world.heqing) as session:
        world.patient(session)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 0


def test_raw_sql_without_a_scope_or_after_a_commit_sees_nothing(
    engine_world: World, fresh_urls: Urls
) -> None:
    with engine_world.hospital(engine_world.heqing) as session:
        engine_world.patient(session)
    tenant = engine_world.heqing.tenant_id
    with psycopg.connect(fresh_urls.runtime) as raw:
        assert count_patients(raw) == 0
        raw.execute("SELECT set_config('careloop.tenant_ids', %s, true)", (f"{{{tenant}}}",))
        assert count_patients(raw) == 1
        raw.commit()
        assert count_patients(raw) == 0, "the scope outlived its transaction"


def count_patients(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("SELECT count(*) FROM patient").fetchone()
    assert row is not None
    return row[0]


def test_nothing_of_a_scope_is_left_in_the_pool(engine_world: World) -> None:
    with engine_world.hospital(engine_world.heqing) as session:
        engine_world.patient(session)
    engine = engine_world.db.bind
    assert isinstance(engine, Engine)
    with engine.connect() as reused:
        assert reused.scalar(text("SELECT count(*) FROM patient")) == 0


def test_a_row_cannot_be_written_into_another_hospital(world: World) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), world.hospital(world.heqing) as session:
        session.execute(
            text("UPDATE hospital SET name = 'x', tenant_id = :other WHERE tenant_id = :own"),
            {"other": uuid4(), "own": world.heqing.tenant_id},
        )


def test_a_row_cannot_point_into_another_hospital(world: World) -> None:
    with world.hospital(world.heqing) as session:
        foreign = world.patient(session)
    with pytest.raises(IntegrityError), world.hospital(world.yunling) as session:
        session.execute(insert(ContactTask).values(task_for(session, foreign.id)))


def task_for(session: HospitalSession, patient_id: UUID) -> dict[str, Any]:
    return dict(  # noqa: C408  (a row, named as its columns are)
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient_id,
        kind="revisit",
        purpose="care_followup",
        source="test",
        source_id=new_id(),
        label={},
        rank=80,
        opens_at=NOW,
        due_at=NOW,
        closes_at=NOW,
        next_try_at=NOW,
        attempts=0,
        state="open",
        created_at=NOW,
    )


def test_a_session_without_a_scope_cannot_be_opened(engine: Engine) -> None:
    for kind in (ScopedSession, HospitalSession, PlatformSession):
        with pytest.raises(ScopeMissing):
            kind(bind=engine)


def test_the_audit_trail_cannot_be_changed_by_the_product(world: World) -> None:
    with world.hospital(world.heqing) as session:
        record(session, "test.done", now=NOW)
    for statement in ("UPDATE audit_event SET action = 'x'", "DELETE FROM audit_event"):
        refused = pytest.raises(ProgrammingError, match="permission denied")
        with refused, world.hospital(world.heqing) as session:
            session.execute(text(statement))
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(AuditEvent.action)).all() == ["test.done"]


def test_a_scope_ends_when_its_hospital_is_another(engine_world: World) -> None:
    """The same pooled connection, two hospitals after each other."""
    with engine_world.hospital(engine_world.heqing) as session:
        engine_world.patient(session)
    for _ in range(5):
        scope = HospitalScope(engine_world.yunling.tenant_id, Actor.system("test"), "test")
        with engine_world.db.hospital(scope) as session:
            assert session.scalar(select(func.count()).select_from(Patient)) == 0
