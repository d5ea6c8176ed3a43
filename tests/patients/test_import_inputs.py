"""What hospitals' spreadsheets do to a list arrives as it was meant, and goes out harmless."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from world import NOW, World

from foundation import files
from foundation.database import HospitalSession
from patients.import_report import ImportReport
from patients.importing import import_file
from patients.models import ContactPoint, Encounter, Patient
from tenants.keys import data_key

HEADER = "病案号,住院次数,姓名,联系电话,出院日期,离院方式"


def run(session: HospitalSession, text: str, encoding: str = "utf-8", **options: Any) -> ImportReport:
    return import_file(session, text.encode(encoding), "a.csv", by="陈静", now=NOW, **options)


@pytest.mark.parametrize(
    ("cells", "masked", "day"),
    [
        ("A1,1,王芳,13800138000,46270,医嘱离院", "138****8000", date(2026, 9, 5)),
        ('A1,1,王芳,"=""13800138000""",2026/9/5,医嘱离院', "138****8000", date(2026, 9, 5)),
        (
            "Ａ１,１,王芳,１３８００１３８０００,２０２６－０９－０５,医嘱离院",
            "138****8000",
            date(2026, 9, 5),
        ),
        ("A1,第1次,王芳,+86 138-0013-8000,2026年9月5日,医嘱离院", "138****8000", date(2026, 9, 5)),
    ],
)
def test_a_spreadsheets_forms_are_stored_as_what_they_mean(
    world: World, cells: str, masked: str, day: date
) -> None:
    with world.hospital(world.heqing) as session:
        report = run(session, f"{HEADER}\n{cells}\n")
        assert (report.created, report.warnings) == (1, {})
        assert session.scalars(select(ContactPoint.number_masked)).one() == masked
        encounter = session.scalars(select(Encounter)).one()
        assert (encounter.record_number, encounter.admission_count) == ("A1", 1)
        assert encounter.discharged_on == day


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("name", ["𠮷䶮", "王·阿不都", "欧阳𬭊"])
def test_rare_characters_of_a_name_are_stored_as_they_are(world: World, name: str, encoding: str) -> None:
    with world.hospital(world.heqing) as session:
        run(session, f"{HEADER}\nA1,1,{name},13800138000,20260905,医嘱离院\n", encoding)
        assert session.scalars(select(Patient.name)).one() == name


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "\t=", " ="])
def test_no_file_that_goes_out_holds_a_formula(world: World, start: str) -> None:
    formula = start + "HYPERLINK(0)"
    with world.hospital(world.heqing) as session:
        report = run(session, f"{HEADER}\n{formula},1,{formula},13800138000,某日,医嘱离院\n")
        assert report.rejected == 1
        for file_id in (report.rejected_file_id, report.verdicts_file_id):
            assert file_id is not None
            content = files.get(session, data_key(session), file_id)[1].decode("utf-8-sig")
            cells = [cell for row in csv.reader(io.StringIO(content)) for cell in row]
            assert any("HYPERLINK" in cell for cell in cells)
            assert not any(cell.lstrip().startswith(tuple("=+-@＝")) for cell in cells)
