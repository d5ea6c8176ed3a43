"""Who is followed, from when: the rule, and the same rule as the statement that applies it to thousands."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.database import HospitalSession
from patients import service
from patients.enrolment import Facts, NotEnrolled, cancel, enrol, is_free, open_enrolment, refusal
from patients.importing import import_file
from patients.models import ContactPoint, DataProblem, Encounter, Enrolment, Patient
from patients.queries import card
from patients.suppression import suppress

HEADER = (
    "病案号,住院次数,姓名,出生日期,联系电话,联系人姓名,与患者关系,联系人电话,入院日期,出院日期,离院方式\n"
)
BASE = Facts("inpatient", "home", "reachable", suppressed=False, open_enrolment=False, discharged_on=TODAY)


def take_in(session: HospitalSession, *lines: str) -> int:
    content = (HEADER + "\n".join(lines)).encode()
    return import_file(session, content, "list.csv", by="陈静", now=NOW).enrolled


def test_every_reachable_inpatient_who_lived_is_enrolled() -> None:
    assert refusal(BASE) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "outpatient"}, "not_inpatient"),
        ({"kind": "checkup"}, "not_inpatient"),
        ({"disposition": "died"}, "died"),
        ({"suppressed": True}, "suppressed"),
        ({"contact_state": "no_number"}, "no_number"),
        ({"contact_state": "no_guardian_number"}, "no_number"),
        ({"open_enrolment": True}, "already_enrolled"),
        ({"last_end": TODAY}, "before_last_end"),
        ({"last_end": TODAY - timedelta(days=1)}, None),
    ],
)
def test_who_is_not_enrolled_and_why(change: dict[str, object], why: str | None) -> None:
    values = {field: getattr(BASE, field) for field in Facts.__slots__} | change
    assert refusal(Facts(**values)) == why


def test_the_statement_decides_as_the_rule_does(world: World) -> None:
    """All combinations at once: what the rule accepts is enrolled, and nobody else."""
    kinds = ("inpatient", "outpatient")
    dispositions = ("home", "died", None)
    states = ("reachable", "no_number", "no_guardian_number")
    earlier = (None, "open", "ended", "ended_before")
    with world.hospital(world.heqing) as session:
        wanted: dict[bool, list[object]] = {True: [], False: []}
        for kind, disposition, state, suppressed, before in product(
            kinds, dispositions, states, (False, True), earlier
        ):
            patient = world.patient(
                session, kind=kind, contact_state=state, enrolled=before is not None, discharged_on=TODAY
            )
            encounter = session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()
            encounter.disposition = disposition
            last_end = {"ended": TODAY, "ended_before": TODAY - timedelta(days=9)}.get(before or "")
            if last_end:
                enrolment = session.scalars(select(Enrolment).where(Enrolment.patient_id == patient.id)).one()
                enrolment.started_on, enrolment.ended_on = last_end - timedelta(days=30), last_end
                enrolment.end_reason = "cancelled"
            session.flush()
            if suppressed:
                suppress(session, patient.id, "special", source="card", now=NOW)
            facts = Facts(kind, disposition, state, suppressed, before == "open", TODAY, last_end)
            wanted[refusal(facts) is None].append(patient.id)
        everybody = [patient_id for ids in wanted.values() for patient_id in ids]
        assert set(enrol(session, everybody, now=NOW)) == set(wanted[True])  # type: ignore[arg-type]
        assert enrol(session, everybody, now=NOW) == []  # type: ignore[arg-type]


def test_a_readmission_keeps_the_open_enrolment(world: World) -> None:
    with world.hospital(world.heqing) as session:
        assert take_in(session, "A1,1,王芳,19800101,13912345678,,,,20260801,20260805,医嘱离院") == 1
        assert take_in(session, "A1,2,王芳,19800101,13912345678,,,,20260901,20260910,医嘱离院") == 0
        enrolment = session.scalars(select(Enrolment)).one()
        assert (enrolment.started_on, enrolment.ended_on) == (date(2026, 8, 5), None)


def test_of_two_discharges_in_one_list_the_first_starts_the_enrolment(world: World) -> None:
    with world.hospital(world.heqing) as session:
        lines = [
            "A1,2,王芳,19800101,13912345678,,,,20260901,20260910,医嘱离院",
            "A1,1,王芳,19800101,13912345678,,,,20260801,20260805,医嘱离院",
        ]
        assert take_in(session, *lines) == 1
        assert session.scalars(select(Enrolment.started_on)).all() == [date(2026, 8, 5)]


@pytest.mark.parametrize(
    ("born", "own", "guardian", "state", "dialled"),
    [
        ("20120916", "13912345678", "", "no_guardian_number", []),
        ("20120916", "13912345678", "13712345678", "reachable", ["contact"]),
        ("20120916", "", "13712345678", "reachable", ["contact"]),
        ("20120915", "13912345678", "", "reachable", ["patient"]),
        ("20120915", "13912345678", "13712345678", "reachable", ["patient", "contact"]),
        ("20120915", "", "", "no_number", []),
    ],
)
def test_the_guardian_answers_until_the_14th_birthday(
    world: World, born: str, own: str, guardian: str, state: str, dialled: list[str]
) -> None:
    with world.hospital(world.heqing) as session:
        line = f"A1,1,王小,{born},{own},王强,父母,{guardian},20260910,20260915,医嘱离院"
        assert take_in(session, line) == (state == "reachable")
        patient = session.scalars(select(Patient)).one()
        shown = card(session, patient.id)
        assert (patient.contact_state, [number.holder for number in shown.numbers]) == (state, dialled)


def test_on_the_14th_birthday_the_patient_can_be_reached_and_is_enrolled(world: World) -> None:
    with world.hospital(world.heqing) as session:
        take_in(session, "A1,1,王小,20120916,13912345678,,,,20260910,20260915,医嘱离院")
        assert service.come_of_age(session, date(2026, 9, 15), now=NOW) == []
        patient = session.scalars(select(Patient)).one()
        assert service.come_of_age(session, date(2026, 9, 16), now=NOW) == [patient.id]
        assert open_enrolment(session, patient.id) is not None
        assert session.scalars(select(DataProblem).where(DataProblem.resolved_at.is_(None))).all() == []
        shown = card(session, patient.id, today=date(2026, 9, 16))
        assert [number.holder for number in shown.numbers] == ["patient"]


def test_cancelled_within_seven_days_counts_as_never_made(world: World) -> None:
    with world.hospital(world.heqing) as session:
        early, late = (world.patient(session, discharged_on=TODAY) for _ in range(2))
        first = cancel(session, early.id, reason="asked", now=NOW + timedelta(days=7))
        second = cancel(session, late.id, reason="asked", now=NOW + timedelta(days=8))
        assert (first.cancelled_on, first.ended_on) == (TODAY + timedelta(days=7), None)
        assert (second.cancelled_on, second.ended_on) == (None, TODAY + timedelta(days=8))
        with pytest.raises(NotEnrolled):
            cancel(session, early.id, reason="again", now=NOW)
        assert enrol(session, [early.id, late.id], now=NOW) == []
        actions = session.scalars(select(AuditEvent.action)).all()
        assert actions == ["patients.enrolment_cancelled"] * 2


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 400))
def test_free_means_seven_days_and_no_more(made: date, days: int) -> None:
    assert is_free(made, made + timedelta(days=days)) == (days <= 7)


def test_a_wrong_number_is_dialled_no_more_and_is_to_be_corrected(world: World) -> None:
    with world.hospital(world.heqing) as session:
        take_in(session, "A1,1,王芳,19800101,13912345678,王强,配偶,13912345678,20260801,20260805,医嘱离院")
        point = session.scalars(select(ContactPoint).where(ContactPoint.holder == "patient")).one()
        assert len(service.report_wrong_number(session, point.id, now=NOW)) == 2
        patient = session.scalars(select(Patient)).one()
        assert (patient.contact_state, card(session, patient.id).numbers) == ("no_number", ())
        open_problems = select(DataProblem.kind).where(DataProblem.resolved_at.is_(None))
        assert session.scalars(open_problems).all() == ["wrong_number"]
        take_in(session, "A1,1,王芳,19800101,13900000001,王强,配偶,13900000002,20260801,20260805,医嘱离院")
        assert patient.contact_state == "reachable"
        assert session.scalars(open_problems).all() == []
    with world.hospital(world.yunling) as session, pytest.raises(service.UnknownNumber):
        service.report_wrong_number(session, point.id, now=NOW)
