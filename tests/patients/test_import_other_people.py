"""Whose row it is: a record number given out again, newborns under one card, deaths that are taken back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from imported import DIED, HEADER, HOME, patient
from sqlalchemy import select
from world import NOW, World

from foundation import files
from foundation.database import HospitalSession
from foundation.languages import gettext
from foundation.web.errors import UserMistake
from patients import consent, importing, intake, intake_labels, restriction, suppression
from patients.identity import check_digit
from patients.import_report import ImportReport
from patients.models import DataImport, Encounter, Patient, PossibleDuplicate, RecordAlias
from patients.restriction import Correction
from tenants.keys import data_key


def id_of(first_17: str) -> str:
    return first_17 + check_digit(first_17)


OLD, YOUNG = id_of("11010519500101122"), id_of("11010519900606123")
MOTHER = id_of("11010519900307122")


def line(
    number: str, name: str, *, stay: int = 1, sex: str = "女", born: str = "", card: str = "",
    phone: str = "13911112222", left: str = "2026-09-12", way: str = HOME,
) -> str:  # fmt: skip
    cells = [number, str(stay), name, sex, born, card, phone, "", "", "", "2026-09-01", left, "骨科", way]
    return ",".join(cells)


def run(session: HospitalSession, *lines: str, days: int = 0, dry_run: bool = False) -> ImportReport:
    content, now = "\n".join([HEADER, *lines]).encode(), NOW + timedelta(days=days)
    return importing.import_file(
        session, content, "list.csv", by="陈静", now=now, dry_run=dry_run, translate=gettext
    )


def known(session: HospitalSession) -> None:
    run(session, line("R001", "王芳", born="1950-01-01", card=OLD), days=-3)


def test_a_number_given_out_again_hands_on_no_consent_and_no_death(world: World) -> None:
    with world.hospital(world.heqing) as session:
        known(session)
        held = patient(session, "R001").id
        consent.record(session, held, "marketing", given=True, source="paper", now=NOW)
        report = run(
            session,
            line("R001", "张强", stay=2, sex="男", born="1990-06-06", card=YOUNG, phone="12", way=DIED),
            line("R002", "李雷", born="1980-02-03"),
        )
        assert (report.created, report.reject_reasons) == (1, {"other_person": 1})
        assert report.warnings == {}, "what was found in a row that is refused counts no more"
        assert suppression.active_reasons(session, held) == []
        stored = session.get_one(Patient, (session.tenant_id, held))
        assert (stored.name, stored.birth_date) == ("王芳", date(1950, 1, 1))
        assert report.rejected_file_id is not None
        _, returned = files.get(session, data_key(session), report.rejected_file_id)
        assert "该病案号" in returned.decode("utf-8-sig") or "another person" in returned.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("row", "taken"),
    [
        (line("R001", "王方", born="1950-01-01", card=OLD), True),
        (line("R001", "王方", born="1950-01-01"), True),
        (line("R001", "王芳", born="1990-06-06", card=YOUNG), True),
        (line("R001", "张强", born="1990-06-06"), False),
        (line("R001", "张强", card=YOUNG), False),
        (line("R001", "张强", stay=2, born="1990-06-06"), True),
    ],
)
def test_a_slip_is_put_right_and_another_person_is_not(world: World, row: str, *, taken: bool) -> None:
    with world.hospital(world.heqing) as session:
        known(session)
        report = run(session, row)
        assert report.reject_reasons == ({} if taken else {"other_person": 1})
        assert report.updated + report.created == taken


def test_of_two_people_under_one_number_of_a_file_the_earlier_counts(world: World) -> None:
    lines = (
        line("R009", "张强", stay=2, card=YOUNG, left="2026-09-14"),
        line("R009", "王芳", card=OLD),
    )
    with world.hospital(world.heqing) as session:
        first = run(session, *lines)
        assert (first.created, first.reject_reasons) == (1, {"other_person": 1})
        assert patient(session, "R009").name == "王芳"
        again = run(session, *lines)
        assert (again.unchanged, again.reject_reasons) == (1, {"other_person": 1})


def test_a_child_that_gets_its_name_and_a_correction_by_hand_are_no_other_people(world: World) -> None:
    with world.hospital(world.heqing) as session:
        run(session, line("N001", "李娜之女", card=MOTHER), days=-3)
        assert run(session, line("N001", "王小美", stay=2, card=YOUNG)).created == 1
        known(session)
        restriction.correct(session, patient(session, "R001").id, Correction(name="王方方"), now=NOW)
        row = session.scalars(select(Patient).where(Patient.record_number == "R001")).one()
        row.id_number_index = data_key(session).blind_index(YOUNG)
        session.flush()
        assert run(session, line("R001", "王芳", stay=2, card=OLD)).created == 1


@pytest.mark.parametrize(
    "name", ["李娜之女", "李娜之子B1", "李娜婴", "李娜B", "李娜之大", "李娜双胞胎", "李娜毛毛"]
)
def test_newborns_under_their_mothers_card_are_each_a_patient(world: World, name: str) -> None:
    twins = [line(f"N00{n}", name, born="2026-09-05", card=MOTHER, left=f"2026-09-1{n}") for n in (1, 2)]
    with world.hospital(world.heqing) as session:
        run(session, twins[0].replace(HOME, DIED))
        run(session, twins[1], line("N003", name, card=MOTHER))
        assert session.scalars(select(RecordAlias)).all() == []
        assert len(session.scalars(select(Patient)).all()) == 3
        assert suppression.active_reasons(session, patient(session, "N002").id) == []


@pytest.mark.parametrize(
    "row",
    [
        line("R002", "王芳", sex="男", born="1950-01-01", card=OLD),
        line("R002", "王芳", born="1951-01-01", card=OLD),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_the_same_card_and_name_with_a_contradiction_is_parked(
    world: World, row: str, *, together: bool
) -> None:
    first = line("R001", "王芳", born="1950-01-01", card=OLD)
    with world.hospital(world.heqing) as session:
        for lines in ([first, row],) if together else ([first], [row]):
            run(session, *lines)
        assert session.scalars(select(RecordAlias)).all() == []
        assert [pair.reason for pair in session.scalars(select(PossibleDuplicate))] == ["same_id_number"]


def test_a_death_taken_back_asks_for_a_second_look(world: World) -> None:
    dead, alive = line("R001", "王芳", way=DIED), line("R001", "王芳")
    with world.hospital(world.heqing) as session:
        run(session, dead, days=-1)
        assert run(session, dead).alarms == ()
        checked = run(session, alive, dry_run=True)
        assert checked.alarms == ({"code": "death_taken_back", "count": 1},)
        assert "1" in intake_labels.alarm(checked.alarms[0])
        assert suppression.active_reasons(session, patient(session, "R001").id) == ["deceased"]
        row = importing.new_import(session, b"x", "list.csv", by="陈静", now=NOW, source="upload")
        row.state, row.alarms = "checked", list(checked.alarms)
        session.add(row)
        session.flush()
        with pytest.raises(UserMistake):
            intake.confirm(session, row.id, despite_alarms=False, now=NOW)
        done = run(session, alive)
        assert done.as_dict()["alarms"] == [{"code": "death_taken_back", "count": 1}]
        stored = session.get_one(DataImport, (session.tenant_id, done.import_id))
        assert stored.alarms == list(done.alarms)


@pytest.mark.parametrize(
    ("left", "taken"), [("99999", False), ("2062-09-10", False), ("2026-10-20", True), ("2027-09-01", True)]
)
def test_a_discharge_lies_no_year_ahead(world: World, left: str, *, taken: bool) -> None:
    with world.hospital(world.heqing) as session:
        report = run(session, line("F001", "王芳", left=left))
        assert report.reject_reasons == ({} if taken else {"bad_discharge_date": 1})
        assert len(session.scalars(select(Encounter)).all()) == taken
