"""Taking in the sample lists: exact counts, nothing changed the second time, nothing shared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from world import NOW, TestHospital, World

from foundation import audit, files
from foundation.audit import AuditEvent
from foundation.bulk import whole_sets
from foundation.database import Database, HospitalSession
from foundation.scope import Actor, HospitalScope
from patients.feeds.messages import UnreadableFile
from patients.import_report import ImportReport
from patients.importing import import_file
from patients.models import ContactPoint, DataImport, DataProblem, Encounter, Enrolment, Patient, Suppression
from tenants.keys import data_key
from tenants.models import Department

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
DISCHARGES = sorted(name for name in EXPECTED if "discharges" in name)
TABLES = (Department, Patient, ContactPoint, Encounter, Enrolment, Suppression, DataProblem)
HEADER = (
    "病案号,住院次数,姓名,性别,出生日期,联系电话,联系人姓名,与患者关系,联系人电话,"
    "入院日期,出院日期,出院科室,离院方式"
)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def rows(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


def run(session: HospitalSession, content: bytes, name: str = "list.csv", **options: Any) -> ImportReport:
    return import_file(session, content, name, by="陈静", now=options.pop("now", NOW), **options)


def everything(session: HospitalSession) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.__tablename__: sorted(
            tuple(row)
            for row in session.execute(
                select(*table.__table__.columns).where(table.tenant_id == session.tenant_id)
            )
        )
        for table in TABLES
    }


def count(session: HospitalSession, table: type[Any], *conditions: Any) -> int:
    found = session.scalar(
        select(func.count()).select_from(table).where(table.tenant_id == session.tenant_id, *conditions)
    )
    return found or 0


@pytest.mark.parametrize("name", DISCHARGES)
def test_the_samples_report_exactly_what_is_expected(world: World, name: str) -> None:
    expected = EXPECTED[name]
    with world.hospital(world.heqing) as session:
        report = run(session, sample(name), name)
        assert report.rows == expected["rows"]
        assert (report.created, report.updated, report.unchanged) == (
            expected["created"], expected["updated"], expected["unchanged"],
        )  # fmt: skip
        assert report.rejected == expected["rejected_total"]
        assert report.reject_reasons == expected["rejected"]
        assert report.warnings == expected["warnings"]
        assert count(session, Patient) == expected["patients"]
        assert count(session, Encounter) == expected["encounters"]
        assert count(session, Suppression) == expected["suppressed_deceased"] == report.suppressed
        assert count(session, DataProblem, DataProblem.kind == "no_phone_at_all") == 3


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_same_file_again_changes_nothing(world: World, name: str) -> None:
    with world.hospital(world.heqing) as session:
        run(session, sample(name), name)
        before = everything(session)
        again = run(session, sample(name), name, now=NOW + timedelta(days=1))
        assert (again.created, again.updated) == (0, 0)
        assert again.unchanged == again.rows - again.rejected
        assert everything(session) == before
        assert count(session, DataImport) == 2


def test_outpatients_are_kept_for_the_sample_and_not_enrolled(world: World) -> None:
    name = "heqing_outpatients_202609.csv"
    with world.hospital(world.heqing) as session:
        report = run(session, sample(name), name)
        assert (report.created, report.rejected, report.enrolled) == (3000, 0, 0)
        assert count(session, Encounter, Encounter.kind == "outpatient") == 3000
        assert count(session, Enrolment) == 0


def test_all_discharged_who_can_be_reached_are_enrolled_from_the_day_of_discharge(world: World) -> None:
    name = "heqing_discharges_202609.csv"
    with world.hospital(world.heqing) as session:
        report = run(session, sample(name), name)
        enrolled = select(Enrolment.patient_id).where(Enrolment.tenant_id == session.tenant_id)
        dead = select(Suppression.patient_id).where(Suppression.tenant_id == session.tenant_id)
        assert count(session, Patient, Patient.id.in_(enrolled), Patient.id.in_(dead)) == 0
        assert count(session, Patient, Patient.id.in_(enrolled), Patient.contact_state != "reachable") == 0
        left_out = 414 - report.enrolled
        assert left_out == count(
            session, Patient, Patient.id.in_(dead) | (Patient.contact_state != "reachable")
        )
        starts = session.execute(
            select(Enrolment.started_on, Encounter.discharged_on).join(
                Encounter,
                (Encounter.tenant_id == Enrolment.tenant_id) & (Encounter.id == Enrolment.encounter_id),
            )
        ).all()
        assert len(starts) == report.enrolled
        assert all(started == discharged for started, discharged in starts)


def test_a_dry_run_reports_the_same_and_writes_nothing(world: World) -> None:
    name = "heqing_discharges_202609.csv"
    with world.hospital(world.heqing) as session:
        before = everything(session)
        events = count(session, AuditEvent)
        dry = run(session, sample(name), name, dry_run=True)
        assert everything(session) == before
        assert count(session, AuditEvent) == events
        assert (count(session, DataImport), count(session, files.StoredFile)) == (0, 0)
        assert (dry.import_id, dry.rejected_file_id) == (None, None)
        wet = run(session, sample(name), name)
    same = ("rows", "created", "updated", "unchanged", "rejected", "warnings", "suppressed", "enrolled")
    assert [dry.as_dict()[key] for key in same] == [wet.as_dict()[key] for key in same]
    assert len(dry.sample) == 20
    first = dry.sample[0]
    assert first.record is not None
    assert first.record.record_number in first.cells


def test_the_same_file_in_two_hospitals_shares_nobody(world: World) -> None:
    name = "heqing_discharges_202609.csv"
    found: dict[str, dict[str, Any]] = {}
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            assert run(session, sample(name), name).created == 421
            found[hospital.code] = {
                "patients": set(session.scalars(select(Patient.id))),
                "numbers": set(session.scalars(select(ContactPoint.number_index))),
                "ids": set(session.scalars(select(Patient.id_number_index))) - {None},
                "digests": set(session.scalars(select(Encounter.content_digest))),
                "known": count(session, Patient),
            }
    heqing, yunling = found["heqing"], found["yunling"]
    assert heqing["known"] == yunling["known"] == 414
    for kind in ("patients", "numbers", "ids", "digests"):
        assert heqing[kind]
        assert yunling[kind]
        assert not heqing[kind] & yunling[kind]


def test_numbers_stand_encrypted_and_open_only_with_the_hospitals_key(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(
            session,
            rows("A1,1,王芳,女,19800101,13912345678,王强,配偶,13712345678,20260901,20260905,骨科,医嘱离院"),
        )
        points = session.scalars(select(ContactPoint).order_by(ContactPoint.position)).all()
        assert [p.number_masked for p in points] == ["139****5678", "137****5678"]
        assert [(p.holder, p.relation, p.name) for p in points] == [
            ("patient", "self", "王芳"), ("contact", "spouse", "王强"),
        ]  # fmt: skip
        assert all(b"1391234" not in p.number_cipher for p in points)
        assert data_key(session).decrypt(points[0].number_cipher) == "13912345678"


def test_rejected_rows_come_back_whole_with_the_reason(world: World) -> None:
    name = "beishan_discharges_202609.csv"
    with world.hospital(world.heqing) as session:
        report = run(session, sample(name), name)
        assert report.rejected_file_id is not None
        row, content = files.get(session, data_key(session), report.rejected_file_id)
        assert row.name == "beishan_discharges_202609-rejected.csv"
        lines = content.decode("gb18030").strip().splitlines()
        assert len(lines) == 1 + report.rejected
        assert any("No record number" in line for line in lines)
        stored = session.scalars(select(files.StoredFile.content)).all()
        assert not any("病案号".encode("gb18030") in content for content in stored)


def test_a_changed_row_updates_the_encounter_the_person_and_the_number(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, rows("A1,1,王芳,女,19800101,13912345678,,,,20260901,20260905,骨科,医嘱离院"))
        changed = run(
            session,
            rows("A1,1,王芳芳,女,19800101,13800000001,王强,配偶,13712345678,20260901,20260906,内科,医嘱离院"),
        )
        assert (changed.created, changed.updated, changed.unchanged) == (0, 1, 0)
        patient = session.scalars(select(Patient)).one()
        encounter = session.scalars(select(Encounter)).one()
        assert (patient.name, encounter.discharged_on) == ("王芳芳", date(2026, 9, 6))
        assert (
            session.scalar(select(Department.name).where(Department.id == encounter.department_id)) == "内科"
        )
        masks = session.scalars(select(ContactPoint.number_masked).order_by(ContactPoint.position)).all()
        assert masks == ["138****0001", "137****5678"]


def test_an_old_list_sent_late_does_not_bring_back_an_old_number(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, rows("A1,2,王芳,女,19800101,13800000001,,,,20260901,20260905,骨科,医嘱离院"))
        late = run(session, rows("A1,1,王芳,女,19800101,13912345678,,,,20260701,20260705,骨科,医嘱离院"))
        assert late.created == 1
        assert session.scalars(select(ContactPoint.number_masked)).all() == ["138****0001"]


def test_an_empty_cell_wipes_no_number_and_the_same_number_stays_invalid(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, rows("A1,1,王芳,女,19800101,13912345678,,,,20260801,20260805,骨科,医嘱离院"))
        point = session.scalars(select(ContactPoint)).one()
        point.invalid_since = NOW
        session.flush()
        run(session, rows("A1,2,王芳,女,19800101,,,,,20260901,20260905,骨科,医嘱离院"))
        run(session, rows("A1,3,王芳,女,19800101,13912345678,,,,20260907,20260909,骨科,医嘱离院"))
        assert (point.number_masked, point.invalid_since) == ("139****5678", NOW)
        run(session, rows("A1,4,王芳,女,19800101,13912345679,,,,20260910,20260912,骨科,医嘱离院"))
        assert point.number_masked == "139****5679"
        assert session.scalars(select(ContactPoint.invalid_since)).all() == [None]


def test_data_to_correct_leaves_the_list_when_it_is_corrected(world: World) -> None:
    with world.hospital(world.heqing) as session:
        first = run(session, rows("A1,1,王芳,女,19800101,1.38E+10,,,,20260801,20260805,骨科,医嘱离院"))
        assert first.enrolled == 0
        open_problems = select(DataProblem.kind).where(DataProblem.resolved_at.is_(None))
        assert sorted(session.scalars(open_problems)) == ["no_phone_at_all", "phone_damaged"]
        fixed = run(session, rows("A1,1,王芳,女,19800101,13812345678,,,,20260801,20260805,骨科,医嘱离院"))
        assert (fixed.updated, fixed.enrolled) == (1, 1)
        assert session.scalars(open_problems).all() == []


def test_the_last_of_several_rows_for_one_encounter_counts(world: World) -> None:
    content = rows(
        "A1,1,王芳,女,19800101,13800000001,,,,20260901,20260905,骨科,医嘱离院",
        "A1,1,王芳,女,19800101,13800000002,,,,20260901,20260905,骨科,医嘱离院",
        "A1,1,王芳,女,19800101,13800000002,,,,20260901,20260905,骨科,医嘱离院",
    )
    with world.hospital(world.heqing) as session:
        report = run(session, content)
        assert (report.created, report.unchanged, report.rows) == (1, 2, 3)
        assert report.warnings == {"superseded": 1}
        assert session.scalars(select(ContactPoint.number_masked)).all() == ["138****0002"]
        again = run(session, content)
        assert (again.created, again.updated, again.unchanged) == (0, 0, 3)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 nothing", "你好,世界\n1,2".encode(), b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_writes_nothing(world: World, content: bytes) -> None:
    with world.hospital(world.heqing) as session:
        before = everything(session)
        with pytest.raises(UnreadableFile):
            run(session, content)
        assert everything(session) == before
        assert count(session, DataImport) == 0


def test_the_import_leaves_a_trail_without_names_or_numbers(world: World) -> None:
    with world.hospital(world.heqing) as session:
        report = run(session, rows("A1,1,王芳,女,19800101,13912345678,,,,20260901,20260905,骨科,死亡"))
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
        assert [event.action for event in events] == ["patients.suppressed", "patients.imported"]
        assert events[-1].subject == f"import:{report.import_id}"
        assert events[-1].actor_name == "陈静"
        said = json.dumps([event.detail for event in events], ensure_ascii=False)
        assert "王芳" not in said
        assert "139" not in said.replace(str(report.import_id), "")
        assert audit.first_broken(session) is None


@contextmanager
def scoped(db: Database, hospital: TestHospital) -> Iterator[HospitalSession]:
    with db.hospital(HospitalScope(hospital.tenant_id, Actor.system("test"), "test")) as session:
        yield session


def _import_once(db: Database, hospital: TestHospital, content: bytes, name: str) -> ImportReport:
    with scoped(db, hospital) as session:
        return run(session, content, name)


def test_two_imports_of_one_hospital_at_once_make_no_duplicate(
    engine_db: Database, engine_world: World
) -> None:
    name = "yunling_discharges_202609.xlsx"
    work = partial(_import_once, engine_db, engine_world.yunling, sample(name), name)
    with ThreadPoolExecutor(3) as pool:
        reports = [future.result() for future in [pool.submit(work) for _ in range(3)]]
    assert sorted(report.created for report in reports) == [0, 0, 261]
    with scoped(engine_db, engine_world.yunling) as session:
        assert count(session, Encounter) == 261
        assert count(session, Patient) == 254
        assert audit.first_broken(session) is None
        leftovers = session.scalar(
            text("SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_%' AND relpersistence = 't'")
        )
        assert leftovers == 0


def test_an_import_of_many_rows_leaves_the_planner_as_it_was(world: World) -> None:
    name = "heqing_outpatients_202609.csv"
    with world.hospital(world.heqing) as session:
        run(session, sample(name), name)
        assert session.scalar(text("SHOW enable_nestloop")) == "on"


def test_a_block_of_whole_sets_leaves_the_planner_to_the_block_around_it(world: World) -> None:
    with world.hospital(world.heqing) as session:
        with whole_sets(session):
            with whole_sets(session):
                pass
            assert session.scalar(text("SHOW enable_nestloop")) == "off"
        assert session.scalar(text("SHOW enable_nestloop")) == "on"
