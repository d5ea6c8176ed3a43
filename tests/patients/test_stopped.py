"""A list brings nobody back who had themselves restricted or erased, however it spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from world import NOW, World

from foundation import files
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext
from patients import importing, restriction
from patients.import_report import ImportReport
from patients.models import Patient, RecordAlias
from patients.stopped import plain_number
from tenants.keys import data_key

HEADER = "姓名,病案号,身份证号,手机号,联系人电话,入院日期,出院日期,出院科室,住院次数"
ID_NUMBER = "11010519491231002X"
WIDE = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})


def imported(session: HospitalSession, *rows: str) -> ImportReport:
    content = "\n".join([HEADER, *(f"{row},2026-09-01,2026-09-10,骨科,1" for row in rows)]).encode()
    return importing.import_file(session, content, "a.csv", by="t", now=NOW, translate=gettext)


@pytest.mark.parametrize(
    "row",
    [
        f"别名,NEW0001,{ID_NUMBER},13900000009,",
        "李秀英,NEW0001,,13812345678,",
        "李秀英,NEW0001,,13900000009,13812345678",
        "别名,k7000001,,13900000009,",
        "别名,K7000001-2,,13900000009,",
    ],
)
def test_a_restricted_patient_is_known_by_person_not_by_number_alone(world: World, row: str) -> None:
    with world.hospital(world.heqing) as session:
        key = data_key(session)
        patient = world.patient(
            session, name="李秀英", phone="13812345678", record_number="K7000001",
            id_number_cipher=key.encrypt(ID_NUMBER), id_number_index=key.blind_index(ID_NUMBER),
        )  # fmt: skip
        restriction.restrict(session, patient.id, now=NOW)
        report = imported(session, row, "李秀英,NEW0002,,13900000008,", "王芳,NEW0003,,13812345678,")
        assert report.reject_reasons == {"restricted_on_request": 1}
        assert report.created == 2, "a namesake, and somebody else with the same telephone"
        numbers = set(session.scalars(select(Patient.record_number)))
        assert numbers == {"K7000001", "NEW0002", "NEW0003"}


@pytest.mark.parametrize(
    "number", ["K7000001", "k7000001", "Ｋ７０００００１", "K7000001-2", " k7000001-12 ", "K7000001－2"]
)
def test_an_erased_patient_is_known_by_the_number_in_any_spelling(world: World, number: str) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="李秀英", record_number="K7000001-1")
        restriction.erase(session, patient.id, now=NOW)
        report = imported(session, f"李秀英,{number},,13812345678,", "李秀英,K7000002,,13812345678,")
        assert report.reject_reasons == {"erased_on_request": 1}
        assert report.created == 1, "under another number the person is a new patient"


@pytest.mark.parametrize("number", ["2026-1", "ZY-000123", "ZY2026-000123", "123456-100", "123456-0"])
def test_a_number_that_holds_a_hyphen_stays_whole(number: str) -> None:
    assert plain_number(number) == number


@given(st.from_regex(r"[A-Z]{0,2}[0-9]{6,9}", fullmatch=True), st.integers(1, 99))
def test_every_spelling_is_one_number(number: str, stay: int) -> None:
    for spelt in (number.lower(), f" {number} ", number.translate(WIDE), f"{number}-{stay}"):
        assert plain_number(spelt) == number


def test_no_list_overwrites_an_organisation_and_the_other_hospital_has_its_own(world: World) -> None:
    with world.hospital(world.heqing) as session:
        centre = world.patient(
            session, name="社和社区卫生服务中心", record_number="ORG-0001", contact_type="community_centre"
        )
        session.add(
            RecordAlias(
                tenant_id=session.tenant_id, id=new_id(), patient_id=centre.id, record_number="GOV/7",
                why="merge", created_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        people = ("李秀英,ORG-0001,,13812345678,", "王芳,GOV/7,,13812345679,", "陈刚,C100001,,13812345670,")
        report = imported(session, *people)
        assert (report.reject_reasons, report.created) == ({"number_of_organisation": 2}, 1)
        assert report.verdicts_file_id is not None
        told = files.get(session, data_key(session), report.verdicts_file_id)[1].decode()
        assert told.count("该病案号属于合作单位") == 2
        session.refresh(centre)
        assert centre.name == "社和社区卫生服务中心"
        assert session.scalar(select(func.count()).select_from(Patient)) == 2
    with world.hospital(world.yunling) as session:
        assert imported(session, *people).created == 3, "the number of an organisation elsewhere"
