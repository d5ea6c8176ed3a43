"""One record for one person: known by record number, then as an alias, then by ID number with the name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from world import NOW, World

from foundation.database import HospitalSession
from patients import restriction, suppression
from patients.import_report import ImportReport
from patients.importing import import_file
from patients.initials import initials_of
from patients.models import (
    ContactPoint,
    Encounter,
    Enrolment,
    Patient,
    PossibleDuplicate,
    RecordAlias,
    Suppression,
)

HEADER = "病案号,住院次数,姓名,性别,出生日期,身份证号,联系电话,出院日期,离院方式"
ID_NUMBER, OTHER_ID = "11010519491231002X", "110105194912310046"
LATER = NOW + timedelta(days=1)


def run(session: HospitalSession, *lines: str, **options: Any) -> ImportReport:
    content = "\n".join([HEADER, *lines]).encode()
    return import_file(session, content, "a.csv", by="陈静", now=options.pop("now", NOW), **options)


def numbers(session: HospitalSession) -> dict[str, list[str]]:
    """Record numbers of encounters by that of the patient whom they belong to."""
    found: dict[str, list[str]] = {}
    rows = session.execute(
        select(Patient.record_number, Encounter.record_number)
        .join(Encounter, (Encounter.tenant_id == Patient.tenant_id) & (Encounter.patient_id == Patient.id))
        .order_by(Encounter.record_number)
    )
    for patient, encounter in rows:
        found.setdefault(patient, []).append(encounter)
    return found


def aliases(session: HospitalSession) -> dict[str, str]:
    return {row.record_number: row.why for row in session.scalars(select(RecordAlias))}


def test_a_new_record_number_with_a_known_id_and_name_is_the_same_patient(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A1,1,王芳,女,19491231,{ID_NUMBER},13912345678,20260801,医嘱离院")
        report = run(session, f"B7,1,王 芳,女,19491231,{ID_NUMBER},13912345678,20260905,医嘱离院", now=LATER)
        assert (report.created, report.enrolled) == (1, 0)
        assert numbers(session) == {"A1": ["A1", "B7"]}
        assert aliases(session) == {"B7": "id_number"}
        assert session.scalar(select(func.count()).select_from(Enrolment)) == 1


def test_an_alias_is_known_without_the_id_number_from_then_on(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A1,1,王芳,女,,{ID_NUMBER},13912345678,20260801,医嘱离院")
        run(session, f"B7,1,王芳,女,,{ID_NUMBER},13912345678,20260805,医嘱离院")
        run(session, "B7,2,王芳,女,,,13912345679,20260905,医嘱离院")
        assert numbers(session) == {"A1": ["A1", "B7", "B7"]}
        assert aliases(session) == {"B7": "id_number"}


def test_two_numbers_of_one_file_with_one_id_and_name_are_one_patient(world: World) -> None:
    lines = (
        f"C3,1,王芳,女,,{ID_NUMBER},13912345678,20260905,医嘱离院",
        f"A1,1,王芳,女,,{ID_NUMBER},13912345677,20260801,医嘱离院",
        f"B2,1,王芳,女,,{ID_NUMBER},13912345676,20260701,医嘱离院",
        "D4,1,王芳,女,,,13912345675,20260701,医嘱离院",
    )
    with world.hospital(world.heqing) as session:
        report = run(session, *lines)
        assert (report.created, report.enrolled) == (4, 2)
        assert numbers(session) == {"C3": ["A1", "B2", "C3"], "D4": ["D4"]}
        assert aliases(session) == {"A1": "id_number", "B2": "id_number"}
        again = run(session, *lines)
        assert (again.created, again.updated, again.unchanged) == (0, 0, 4)


def test_a_known_number_leads_the_new_ones_of_its_file(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,女,,,13912345678,20260701,医嘱离院")
        run(
            session,
            f"B2,1,王芳,女,,{ID_NUMBER},13912345678,20260801,医嘱离院",
            f"A1,2,王芳,女,,{ID_NUMBER},13912345678,20260905,医嘱离院",
        )
        assert numbers(session) == {"A1": ["A1", "A1", "B2"]}


@pytest.mark.parametrize(
    "line",
    [
        f"B7,1,李强,男,,{ID_NUMBER},13800000000,20260905,医嘱离院",
        f"B7,1,,女,,{ID_NUMBER},13800000000,20260905,医嘱离院",
        f"B7,1,王芳,女,,{OTHER_ID},13800000000,20260905,医嘱离院",
    ],
)
def test_an_id_under_another_name_joins_nobody(world: World, line: str) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A1,1,王芳,女,,{ID_NUMBER},13912345678,20260801,医嘱离院")
        run(session, line)
        assert numbers(session) == {"A1": ["A1"], "B7": ["B7"]}
        assert aliases(session) == {}


def test_an_id_under_another_name_is_parked_for_a_person_to_decide(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A1,1,王芳,女,,{ID_NUMBER},13912345678,20260801,医嘱离院")
        run(session, f"B7,1,李强,男,,{ID_NUMBER},13800000000,20260905,医嘱离院")
        assert [pair.reason for pair in session.scalars(select(PossibleDuplicate))] == ["same_id_number"]


def test_the_number_of_a_merged_record_is_the_kept_ones(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept = world.patient(session, name="王芳", record_number="A1")
        gone = world.patient(session, name="王芳", record_number="B2")
        gone.merged_at = NOW
        session.add(RecordAlias(
            tenant_id=session.tenant_id, patient_id=kept.id, record_number="B2", why="merge", created_at=NOW
        ))  # fmt: skip
        session.flush()
        run(session, "B2,1,王芳,女,,,13912345678,20260905,医嘱离院")
        encounter = session.scalars(select(Encounter).where(Encounter.record_number == "B2")).one()
        assert encounter.patient_id == kept.id


@pytest.mark.parametrize("erased", [False, True])
def test_nobody_comes_back_under_an_alias(world: World, *, erased: bool) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A100001,1,王芳,女,,{ID_NUMBER},13912345678,20260801,医嘱离院")
        run(session, f"B700001,1,王芳,女,,{ID_NUMBER},13912345678,20260805,医嘱离院")
        patient = session.scalars(select(Patient)).one()
        (restriction.erase if erased else restriction.restrict)(session, patient.id, now=NOW)
        report = run(session, "b700001-2,2,别名,女,,,13800000009,20260905,医嘱离院")
        assert report.reject_reasons == {("erased" if erased else "restricted") + "_on_request": 1}
        assert session.scalar(select(func.count()).select_from(Patient)) == 1


def test_initials_are_stored_with_the_name_and_change_with_it(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王小明,男,,,13912345678,20260801,医嘱离院")
        patient = session.scalars(select(Patient)).one()
        assert patient.initials == initials_of("王小明") == "wxm"
        run(session, "A1,2,李明,男,,,13912345678,20260901,医嘱离院")
        assert (patient.name, patient.initials) == ("李明", "lm")
        run(session, "A1,3,,男,,,13912345678,20260902,医嘱离院")
        assert (patient.name, patient.initials) == ("李明", "lm")


def correct(session: HospitalSession, **wanted: Any) -> Patient:
    patient = session.scalars(select(Patient)).one()
    restriction.correct(session, patient.id, restriction.Correction(**wanted), now=NOW)
    return patient


def masks(session: HospitalSession) -> list[str]:
    return list(session.scalars(select(ContactPoint.number_masked).order_by(ContactPoint.position)))


def test_what_was_put_right_by_hand_stands_until_a_list_says_something_new(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"A1,1,王方,男,,{OTHER_ID},13912345678,20260801,医嘱离院")
        patient = correct(session, name="王芳", sex="F", phone="13800000001", id_number=ID_NUMBER)
        index = patient.id_number_index
        run(session, f"A1,2,王方,男,,{OTHER_ID},13912345678,20260901,医嘱离院")
        assert (patient.name, patient.initials, patient.sex) == ("王芳", "wf", "F")
        assert (masks(session), patient.id_number_index) == (["138****0001"], index)
        run(session, "A1,3,王芬,男,,,13700000002,20260902,医嘱离院")
        assert (patient.name, patient.sex, masks(session)) == ("王芬", "F", ["137****0002"])
        run(session, "A1,4,王方,男,,,13912345678,20260903,医嘱离院")
        assert (patient.name, patient.sex, masks(session)) == ("王方", "F", ["139****5678"])


def test_a_number_put_right_twice_is_still_compared_with_what_the_list_said(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,女,,,13912345678,20260801,医嘱离院")
        correct(session, phone="13800000001")
        correct(session, phone="13800000002")
        run(session, "A1,2,王芳,女,,,13912345678,20260901,医嘱离院")
        assert masks(session) == ["138****0002"]
        run(session, "A1,3,王芳,女,,,13800000001,20260902,医嘱离院")
        assert masks(session) == ["138****0001"]


def test_a_death_holds_when_a_list_leaves_the_way_of_leaving_out(world: World) -> None:
    with world.hospital(world.heqing) as session:
        first = run(session, "A1,1,王芳,女,,,13912345678,20260901,死亡")
        assert (first.suppressed, first.enrolled) == (1, 0)
        run(session, "A1,1,王芳,女,,,13912345678,20260901,")
        note = session.scalars(select(Suppression)).one()
        assert note.lifted_at is None, "an empty cell takes no death back"


def test_a_corrected_way_of_leaving_starts_the_follow_up(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,女,,,13912345678,20260901,死亡")
        report = run(session, "A1,1,王芳,女,,,13912345678,20260901,医嘱离院", now=LATER)
        assert (report.updated, report.enrolled) == (1, 1)
        assert session.scalars(select(Suppression.lifted_at)).one() == LATER
        again = run(session, "A1,1,王芳,女,,,13912345678,20260901,死亡", now=LATER)
        assert again.suppressed == 1


def test_a_death_that_a_person_noted_is_not_lifted_by_a_list(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,女,,,13912345678,20260901,医嘱离院")
        patient = session.scalars(select(Patient)).one()
        suppression.suppress(session, patient.id, "deceased", source="call", now=NOW)
        run(session, "A1,1,王芳,女,,,13912345678,20260901,死亡")
        run(session, "A1,1,王芳,女,,,13912345678,20260901,医嘱离院")
        assert session.scalars(select(Suppression.lifted_at)).one() is None
