"""Nobody is contacted who should not be (S4-15): at once, of every plan, with an exact undo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.database import Database, HospitalSession
from patients import suppression
from patients.importing import import_file
from patients.models import Enrolment, Patient, Suppression
from patients.suppression import (
    REASONS,
    UnknownPatient,
    UnknownReason,
    UnknownSuppression,
    active_reasons,
    lift,
    suppress,
    suppress_many,
)

Call = tuple[str, list[UUID], str]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What the hooks of a higher floor were told."""
    heard: list[Call] = []

    def stopped(_session: HospitalSession, patient_ids: list[UUID], reason: str, _now: datetime) -> None:
        heard.append(("stopped", patient_ids, reason))

    def restored(_session: HospitalSession, patient_ids: list[UUID], reason: str, _now: datetime) -> None:
        heard.append(("restored", patient_ids, reason))

    monkeypatch.setattr(suppression, "_suppressed_hooks", [])
    monkeypatch.setattr(suppression, "_lifted_hooks", [])
    suppression.on_suppressed(stopped)
    suppression.on_suppressed(stopped)  # wiring twice is wiring once
    suppression.on_lifted(restored)
    return heard


def enrolments(session: HospitalSession, patient: Patient) -> list[tuple[date, date | None, str | None]]:
    rows = session.execute(
        select(Enrolment.started_on, Enrolment.ended_on, Enrolment.end_reason)
        .where(Enrolment.patient_id == patient.id)
        .order_by(Enrolment.started_on)
    )
    return [(row.started_on, row.ended_on, row.end_reason) for row in rows]


@pytest.mark.parametrize("reason", REASONS)
def test_suppressing_ends_the_enrolment_today_and_lifting_restores_it(
    world: World, calls: list[Call], reason: str
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        before = enrolments(session, patient)
        row = suppress(session, patient.id, reason, note="says so", source="card", now=NOW)
        assert (row.reason, row.started_by, row.source) == (reason, "陈静", "card")
        assert enrolments(session, patient) == [(before[0][0], TODAY, reason)]
        assert active_reasons(session, patient.id) == [reason]
        lifted = lift(session, row.id, now=NOW + timedelta(days=3))
        assert (lifted.lifted_by, active_reasons(session, patient.id)) == ("陈静", [])
        assert enrolments(session, patient) == before
    assert calls == [("stopped", [patient.id], reason), ("restored", [patient.id], reason)]


def test_contacts_come_back_with_the_last_of_several_suppressions(world: World, calls: list[Call]) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        refused = suppress(session, patient.id, "refused", source="call", now=NOW)
        dispute = suppress(session, patient.id, "dispute", source="case", now=NOW + timedelta(hours=1))
        lift(session, refused.id, now=NOW + timedelta(days=1))
        assert active_reasons(session, patient.id) == ["dispute"]
        assert enrolments(session, patient)[0][1:] == (TODAY, "refused")
        assert [call[0] for call in calls] == ["stopped", "stopped"]
        lift(session, dispute.id, now=NOW + timedelta(days=2))
        assert enrolments(session, patient)[0][1:] == (None, None)
        assert calls[-1] == ("restored", [patient.id], "dispute")


def test_suppressing_and_lifting_twice_is_once(world: World, calls: list[Call]) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        first = suppress(session, patient.id, "cured", source="card", now=NOW)
        second = suppress(session, patient.id, "cured", source="call", now=NOW + timedelta(days=1))
        assert (second.id, second.started_at) == (first.id, NOW)
        lift(session, first.id, now=NOW)
        lift(session, first.id, now=NOW + timedelta(days=9))
        assert first.lifted_at == NOW
        actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)).all()
        assert actions == ["patients.suppressed", "patients.suppression_lifted"]
    assert len(calls) == 2


def test_a_cancelled_enrolment_does_not_come_back_with_a_lift(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        enrolment = session.scalars(select(Enrolment).where(Enrolment.patient_id == patient.id)).one()
        enrolment.cancelled_on, enrolment.end_reason = TODAY, "cancelled"
        session.flush()
        row = suppress(session, patient.id, "hospital", source="card", now=NOW)
        lift(session, row.id, now=NOW)
        session.refresh(enrolment)
        assert enrolment.cancelled_on == TODAY
        assert len(enrolments(session, patient)) == 1


def test_who_was_discharged_while_suppressed_is_enrolled_when_it_is_lifted(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, enrolled=False)
        row = suppress(session, patient.id, "refused", source="card", now=NOW)
        assert enrolments(session, patient) == []
        lift(session, row.id, now=NOW)
        assert [start for start, _, _ in enrolments(session, patient)] == [TODAY - timedelta(days=2)]


def test_death_in_a_later_list_ends_the_enrolment_on_the_day_of_death(
    world: World, calls: list[Call]
) -> None:
    head = "病案号,住院次数,姓名,联系电话,入院日期,出院日期,离院方式\n"
    with world.hospital(world.heqing) as session:
        for line in ("A1,1,王芳,13912345678,20260801,20260805,医嘱离院", "A1,2,王芳,,20260901,20260910,死亡"):
            import_file(session, (head + line).encode(), "list.csv", by="陈静", now=NOW)
        patient = session.scalars(select(Patient).where(Patient.record_number == "A1")).one()
        assert enrolments(session, patient) == [(date(2026, 8, 5), date(2026, 9, 10), "deceased")]
        assert active_reasons(session, patient.id) == ["deceased"]
        assert calls == [("stopped", [patient.id], "deceased")]


def test_many_are_suppressed_at_once_and_only_the_new_ones_are_told(world: World, calls: list[Call]) -> None:
    with world.hospital(world.heqing) as session:
        patients = [world.patient(session) for _ in range(5)]
        suppress(session, patients[0].id, "deceased", source="call", now=NOW)
        new = suppress_many(session, [p.id for p in patients], "deceased", source="import", now=NOW)
        assert set(new) == {p.id for p in patients[1:]}
        assert set(calls[-1][1]) == set(new)
        assert all(enrolments(session, p)[0][1] == TODAY for p in patients)


def test_another_hospital_can_neither_suppress_nor_lift(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        row = suppress(session, patient.id, "refused", source="card", now=NOW)
    with world.hospital(world.yunling) as session:
        with pytest.raises(UnknownPatient):
            suppress(session, patient.id, "cured", source="card", now=NOW)
        with pytest.raises(UnknownSuppression):
            lift(session, row.id, now=NOW)
        assert suppress_many(session, [], "cured", source="card", now=NOW) == []
    with world.hospital(world.heqing) as session:
        assert active_reasons(session, patient.id) == ["refused"]


def test_a_reason_of_ones_own_is_refused(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        with pytest.raises(UnknownReason):
            suppress(session, patient.id, "busy", source="card", now=NOW)


def test_ten_at_once_make_one_suppression(engine_db: Database, engine_world: World) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)

    def work(_number: int) -> UUID:
        with world.hospital(world.heqing) as session:
            return suppress(session, patient.id, "refused", source="call", now=NOW).id

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(work, range(10)))) == 1
    with world.hospital(world.heqing) as session:
        assert len(session.scalars(select(Suppression)).all()) == 1
