"""Every row has its verdict, and what an import made and changed is on its trail."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from world import NOW, World

from foundation import files
from foundation.database import HospitalSession
from patients import importing, restriction
from patients.feeds.files import read_table
from patients.feeds.headers import recognise
from patients.feeds.messages import UnreadableFile
from patients.feeds.tables_of_fields import of_fields
from patients.import_report import ImportReport
from patients.importing import import_file, take_in
from patients.models import (
    ContactPoint,
    DataImport,
    DataProblem,
    Encounter,
    Enrolment,
    ImportBefore,
    ImportTrail,
    Patient,
    Suppression,
)
from tenants.keys import data_key
from tenants.models import Department

HEADER = "病案号,住院次数,姓名,联系电话,出院日期,出院科室,离院方式"
LATER = NOW + timedelta(days=1)
MIXED = (
    "A1,1,王芳,13800000001,20260905,疼痛科,医嘱离院",
    "A1,1,王芳,13800000002,20260905,疼痛科,医嘱离院",
    "=A2,1,李强,1.38E+10,20260905,疼痛科,死亡",
    ",1,赵敏,13800000003,20260905,疼痛科,医嘱离院",
    "A4,1,钱伟,13800000004,待定,疼痛科,医嘱离院",
)


def listed(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


def run(session: HospitalSession, *lines: str, **options: Any) -> ImportReport:
    return import_file(session, listed(*lines), "a.csv", by="陈静", now=options.pop("now", NOW), **options)


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_verdicts_name_every_row_and_add_up_with_the_counts(world: World) -> None:
    with world.hospital(world.heqing) as session:
        report = run(session, *MIXED)
        assert report.verdicts_file_id is not None
        _, content = files.get(session, data_key(session), report.verdicts_file_id)
        heading, *rows = read(content)
        assert heading == ["Row", "Record number", "Verdict", "Reason", "Warnings"]
        assert [row[:3] for row in rows] == [
            ["2", "A1", "Unchanged"],
            ["3", "A1", "Created"],
            ["4", "'=A2", "Created"],
            ["5", "", "Rejected"],
            ["6", "A4", "Rejected"],
        ]
        assert rows[0][4] == "Replaced by a later row for the same encounter"
        assert rows[2][4].count("；") == 1
        assert [row[3] for row in rows[3:]] == [
            "No record number", "The discharge or visit date cannot be read",
        ]  # fmt: skip
        counted = Counter(row[2] for row in rows)
        assert counted == {
            "Created": report.created, "Unchanged": report.unchanged, "Rejected": report.rejected,
        }  # fmt: skip
        warned = sum(len(row[4].split("；")) for row in rows if row[4])
        assert warned == sum(report.warnings.values())


def test_the_verdicts_speak_the_readers_language(world: World) -> None:
    words = {"Row": "行", "Created": "新增", "Rejected": "拒收", "No record number": "没有病案号"}
    with world.hospital(world.heqing) as session:
        report = run(session, *MIXED, dry_run=True, translate=lambda text: words.get(text, text))
        rows = read(report.verdicts)
        assert rows[0][0] == "行"
        assert [row[2] for row in rows[2:5]] == ["新增", "新增", "拒收"]
        assert rows[4][3] == "没有病案号"


def test_a_dry_run_shows_the_first_rows_before_and_after(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,13800000001,20260905,骨科,医嘱离院")
        report = run(
            session,
            "A1,1,王芳芳,13800000002,20260906,内科,医嘱离院",
            "B2,1,李强,13800000003,20260905,骨科,医嘱离院",
            ",1,赵敏,13800000004,20260905,骨科,医嘱离院",
            dry_run=True,
        )
        changed, new, rejected = report.sample
        assert changed.verdict == "updated"
        assert changed.before is not None
        assert changed.after is not None
        assert [(side["name"], side["phone"], side["discharged_on"], side["department"]) for side in (
            changed.before, changed.after,
        )] == [
            ("王芳", "13800000001", "2026-09-05", "骨科"),
            ("王芳芳", "13800000002", "2026-09-06", "内科"),
        ]  # fmt: skip
        assert (new.verdict, new.before) == ("created", None)
        assert new.after is not None
        assert new.after["name"] == "李强"
        assert (rejected.verdict, rejected.reason, rejected.after) == ("rejected", "no_record_number", None)
        assert rejected.cells[2] == "赵敏"
        json.dumps([changed.before, new.after])
        assert session.scalars(select(Patient.name)).all() == ["王芳"]


def test_a_dry_run_fills_in_counts_on_the_import_and_writes_nothing_else(world: World) -> None:
    with world.hospital(world.heqing) as session:
        content = listed(*MIXED)
        row = importing.new_import(session, content, "a.csv", by="陈静", now=NOW, source="api")
        row.state = "checking"
        session.add(row)
        session.flush()
        table = read_table(content, "a.csv")
        report = take_in(session, table, recognise(table.header), row=row, now=NOW, dry_run=True)
        session.flush()
        session.refresh(row)
        assert (row.rows, row.created, row.rejected, row.state) == (5, 2, 2, "checking")
        assert (row.verdicts_file_id, report.import_id) == (None, None)
        for kind in (Patient, Encounter, ImportTrail, files.StoredFile):
            assert session.scalar(select(func.count()).select_from(kind)) == 0


def test_progress_runs_through_three_phases_and_stops_the_import(world: World) -> None:
    seen: list[tuple[str, int, int]] = []

    class Stop(Exception):
        pass

    def stop(phase: str, done: int, of: int) -> None:
        seen.append((phase, done, of))
        if [name for name, _, _ in seen].count("writing") == 8:
            raise Stop

    with world.hospital(world.heqing) as session:
        run(session, *MIXED, progress=lambda *said: seen.append(said))
        assert list(dict.fromkeys(phase for phase, _, _ in seen)) == ["reading", "comparing", "writing"]
        assert all(0 <= done <= of for _, done, of in seen)
        seen.clear()
        with pytest.raises(Stop):
            run(session, "B1,1,王芳,13800000001,20260905,骨科,医嘱离院", progress=stop)
        assert session.scalar(select(func.count()).where(Patient.record_number == "B1")) == 0
        assert session.scalar(select(func.count()).select_from(DataImport)) == 1


def trail(session: HospitalSession, import_id: object) -> dict[str, int]:
    rows = session.scalars(select(ImportTrail).where(ImportTrail.import_id == import_id))
    return {row.table_name: len(row.row_ids) for row in rows}


def test_what_an_import_made_is_on_its_trail(world: World) -> None:
    with world.hospital(world.heqing) as session:
        report = run(session, *MIXED)
        assert trail(session, report.import_id) == {
            "department": 1, "patient": 2, "encounter": 2, "contact_point": 1, "enrolment": 1,
            "suppression": 1, "data_problem": 2,
        }  # fmt: skip
        for row in session.scalars(select(ImportTrail)):
            kinds = {k.__tablename__: k for k in (
                Department, Patient, Encounter, ContactPoint, Enrolment, Suppression, DataProblem,
            )}  # fmt: skip
            found = set(session.scalars(select(kinds[row.table_name].id)))
            assert set(row.row_ids) <= found
        again = run(session, *MIXED)
        assert trail(session, again.import_id) == {}


def images(session: HospitalSession, import_id: object) -> dict[str, dict[str, Any]]:
    key = data_key(session)
    rows = session.scalars(select(ImportBefore).where(ImportBefore.import_id == import_id))
    return {row.table_name: json.loads(key.decrypt(row.row_cipher)) for row in rows}


def test_what_an_import_changed_is_kept_as_it_was_encrypted(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,13800000001,20260905,骨科,医嘱离院", "B2,1,李强,13800000003,20260905,骨科,")
        encounter = session.scalars(select(Encounter).where(Encounter.record_number == "A1")).one()
        digest = encounter.content_digest
        changed = run(session, "A1,1,王芳芳,13800000002,20260906,内科,医嘱离院", now=LATER)
        before = images(session, changed.import_id)
        assert sorted(before) == ["contact_point", "encounter", "patient"]
        assert before["patient"]["name"] == "王芳"
        assert before["contact_point"]["number_masked"] == "138****0001"
        assert before["encounter"]["discharged_on"] == "2026-09-05"
        assert before["encounter"]["content_digest"] == "\\x" + digest.hex()
        stored = session.scalars(select(ImportBefore.row_cipher)).all()
        assert not any("王芳".encode() in cipher for cipher in stored)
        unchanged = run(session, "A1,1,王芳芳,13800000002,20260906,内科,医嘱离院", now=LATER)
        assert images(session, unchanged.import_id) == {}


def test_a_changed_encounter_alone_keeps_no_image_of_the_person(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A1,1,王芳,13800000001,20260905,骨科,医嘱离院")
        changed = run(session, "A1,1,王芳,13800000001,20260905,内科,医嘱离院", now=LATER)
        assert sorted(images(session, changed.import_id)) == ["encounter"]


def test_rows_given_by_field_are_taken_in_like_a_list(world: World) -> None:
    given = [
        {"record_number": "A1", "name": "王芳", "phone": "13800000001", "discharged_on": "2026-09-05"},
        {},
        {"record_number": "合计", "name": "李强", "discharged_on": "2026-09-05"},
    ]
    with world.hospital(world.heqing) as session:
        table, layout = of_fields(given, "inpatient")
        row = importing.new_import(session, b"", "feed", by="HIS", now=NOW, source="hl7")
        report = take_in(session, table, layout, row=row, now=NOW)
        assert (report.rows, report.created, report.rejected) == (3, 2, 1)
        assert (row.layout, row.visit, row.source) == ("fields", "inpatient", "hl7")
        again = take_in(
            session, *of_fields(given, "inpatient"), now=NOW,
            row=importing.new_import(session, b"", "feed", by="HIS", now=NOW, source="hl7"),
        )  # fmt: skip
        assert again.unchanged == 2
    with pytest.raises(KeyError):
        of_fields([{"visited_on": "2026-09-05"}], "inpatient")


def test_people_who_asked_to_stay_out_are_rejected_without_a_word(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, "A100001,1,王芳,13800000001,20260905,骨科,医嘱离院")
        patient = session.scalars(select(Patient)).one()
        restriction.restrict(session, patient.id, now=NOW)
        report = run(session, "A100001,2,王芳,13800000001,20260915,骨科,医嘱离院")
        assert report.rejected == 1
        for file_id in (report.rejected_file_id, report.verdicts_file_id):
            assert file_id is not None
            said = files.get(session, data_key(session), file_id)[1].decode("utf-8-sig")
            assert "王芳" not in said
            assert "A100001" not in said


@pytest.mark.parametrize("content", [HEADER + "\n", HEADER, "出院患者一览\n" + HEADER + "\n合计,0\n"])
def test_a_header_without_a_row_is_refused(world: World, content: str) -> None:
    with world.hospital(world.heqing) as session:
        for dry_run in (True, False):
            with pytest.raises(UnreadableFile) as caught:
                import_file(session, content.encode(), "a.csv", by="陈静", now=NOW, dry_run=dry_run)
            assert caught.value.code == "no_rows"
        assert session.scalar(select(func.count()).select_from(DataImport)) == 0


ROW = "A1,1,王芳,13800000001,20260905,骨科,医嘱离院"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (f"云岭妇幼保健院2026年9月出院患者\n{HEADER}\n{ROW}", "云岭妇幼保健院"),
        (f"2026年9月河清市第二人民医院出院患者一览\n{HEADER}\n{ROW}", "河清市第二人民医院"),
        (f"医院名称,{HEADER}\n北山县中医院,{ROW}", "北山县中医院"),
        (f"河清市第一人民医院2026年9月出院患者\n{HEADER}\n{ROW}", None),
        (f"河清市一医院出院患者\n{HEADER}\n{ROW}", None),
        (f"智业医院信息系统导出\n{HEADER}\n{ROW}", None),
        (f"医院名称,{HEADER}\n河清市第一人民医院（东院区）,{ROW}", None),
        (f"{HEADER}\n{ROW.replace('骨科', '云岭妇幼保健院')}", None),
    ],
)
def test_a_list_that_names_another_hospital_asks_for_a_second_look(
    world: World, content: str, named: str | None
) -> None:
    with world.hospital(world.heqing) as session:
        for dry_run in (True, False):
            report = import_file(session, content.encode(), "a.csv", by="陈静", now=NOW, dry_run=dry_run)
            assert [alarm["name"] for alarm in report.alarms] == ([named] if named else [])
        row = session.scalars(select(DataImport)).one()
        assert row.alarms == ([{"code": "other_hospital", "name": named}] if named else [])
