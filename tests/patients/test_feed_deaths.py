"""A death that a message tells is the person's: nobody is called, whatever becomes of the visit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from adt_messages import adt, bundle
from sqlalchemy import select
from world import NOW, World

from careloop import wiring
from foundation.database import HospitalSession
from patients import feed_inbox, suppression
from patients.importing import import_file
from patients.models import Enrolment, FeedMessage, Patient, Suppression

LIST = "病案号,姓名,手机号,出院日期,出院科室,离院方式\nH0001,张𠮷,13800138000,2026-09-08,骨科,1\n"


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    wiring.wire()
    with world.hospital(world.heqing) as session:
        yield session


@pytest.fixture
def known(heqing: HospitalSession) -> Patient:
    import_file(heqing, LIST.encode(), "a.csv", by="test", now=NOW - timedelta(days=1))
    return heqing.scalars(select(Patient)).one()


def send(session: HospitalSession, message: str) -> str:
    answer = feed_inbox.receive(session, "hl7", message.encode(), name="mllp", now=NOW)
    return answer.fates[0].state


def fhir(session: HospitalSession, content: bytes) -> list[str]:
    answer = feed_inbox.receive(session, "fhir", content, name="http", now=NOW)
    return [fate.state for fate in answer.fates]


def person_only(**said: Any) -> bytes:
    whole = json.loads(bundle("finished", "2026-09-08T10:30:00+08:00", patient=said))
    entry = [one for one in whole["entry"] if one["resource"]["resourceType"] == "Patient"]
    return json.dumps(whole | {"entry": entry, "timestamp": "2026-09-12T08:00:00+08:00"}).encode()


def reasons(session: HospitalSession, patient: Patient) -> list[str]:
    return suppression.active_reasons(session, patient.id)


@pytest.mark.parametrize(
    "message",
    [
        adt("A08", "20260912090000", visit="V77", dead="Y"),
        adt("A08", "20260912090000", visit="", admitted="", dead="Y"),
        adt("A01", "20260912090000", visit="V77", dead="Y"),
        adt("A04", "20260912090000", visit="V78", kind="O", dead="Y"),
        adt("A03", "20260912090000", visit="V77", admitted="20260912", discharged="20260801", dead="Y"),
    ],
    ids=["unknown visit", "person alone", "admission", "outpatient", "refused discharge"],
)
def test_whoever_is_said_to_be_dead_is_left_alone(
    heqing: HospitalSession, known: Patient, message: str
) -> None:
    assert reasons(heqing, known) == []
    send(heqing, message)
    assert reasons(heqing, known) == ["deceased"]
    row = heqing.scalars(select(Suppression)).one()
    assert row.confirmed_at is not None
    assert heqing.scalars(select(Enrolment.end_reason)).one() == "deceased"


def test_a_death_during_a_stay_is_not_waited_for(heqing: HospitalSession, known: Patient) -> None:
    assert send(heqing, adt("A01", "20260910090000", visit="V2")) == "waiting"
    assert send(heqing, adt("A08", "20260912090000", visit="V2", dead="Y")) == "waiting"
    assert reasons(heqing, known) == ["deceased"]
    send(heqing, adt("A11", "20260912100000", visit="V2"))
    assert reasons(heqing, known) == ["deceased"]


def test_a_later_word_lifts_the_death_that_a_message_told(heqing: HospitalSession, known: Patient) -> None:
    send(heqing, adt("A08", "20260912090000", visit="V77", dead="Y"))
    send(heqing, adt("A08", "20260911090000", visit="V77", dead="N"))  # recorded earlier
    assert reasons(heqing, known) == ["deceased"]
    send(heqing, adt("A08", "20260913090000", visit="V77", dead="N"))
    assert reasons(heqing, known) == []
    assert heqing.scalars(select(Enrolment.ended_on)).one() is None


def test_a_later_word_lifts_nothing_that_a_person_noted(heqing: HospitalSession, known: Patient) -> None:
    suppression.suppress(heqing, known.id, "deceased", source="card", now=NOW)
    send(heqing, adt("A08", "20260912090000", visit="V77", dead="Y"))
    assert heqing.scalars(select(Suppression.confirmed_at)).one() is not None
    send(heqing, adt("A08", "20260913090000", visit="V77", dead="N"))
    assert reasons(heqing, known) == ["deceased"]


def test_a_word_that_was_emptied_is_not_undone_by_an_older_one(
    heqing: HospitalSession, known: Patient
) -> None:
    send(heqing, adt("A08", "20260912090000", visit="", admitted="", dead="Y"))
    row = heqing.scalars(select(FeedMessage)).one()
    assert row.state == "applied"
    row.content_cipher = None
    send(heqing, adt("A08", "20260911090000", visit="V5", dead="N"))
    assert reasons(heqing, known) == ["deceased"]
    send(heqing, adt("A08", "20260914090000", visit="V5", dead="N"))
    assert reasons(heqing, known) == []


def test_a_death_of_somebody_unknown_is_remembered_until_they_are_known(heqing: HospitalSession) -> None:
    send(heqing, adt("A08", "20260907090000", visit="V1", dead="Y"))
    send(heqing, adt("A03", "20260914103000", visit="V2", discharged="20260914100000"))
    assert reasons(heqing, heqing.scalars(select(Patient)).one()) == ["deceased"]


def test_a_list_that_makes_somebody_known_hears_what_was_said_of_them(heqing: HospitalSession) -> None:
    """The message came first, the list with the stay before it comes after."""
    send(heqing, adt("A08", "20260910080000", number="L1", visit="V77", dead="Y"))
    rows = "病案号,姓名,联系电话,出院日期,离院方式\nL1,张三,13812345678,2026-09-08,1\n"
    rows += "L2,李四,13812345679,2026-09-08,1\n"
    report = import_file(heqing, rows.encode(), "a.csv", by="x", now=NOW)
    assert report.enrolled == 1
    patient = heqing.scalars(select(Patient).where(Patient.record_number == "L1")).one()
    assert reasons(heqing, patient) == ["deceased"]
    other = heqing.scalars(select(Patient).where(Patient.record_number == "L2")).one()
    assert reasons(heqing, other) == []


def test_a_death_under_the_number_that_a_merge_takes_is_the_persons(
    heqing: HospitalSession, known: Patient
) -> None:
    send(heqing, adt("A08", "20260912090000", number="H0002", visit="V77", dead="Y"))
    assert reasons(heqing, known) == []
    send(heqing, adt("A40", "20260913080000", gone="H0002"))
    assert reasons(heqing, known) == ["deceased"]
    send(heqing, adt("A08", "20260914090000", number="H0002", visit="V77", dead="N"))
    assert reasons(heqing, known) == []


def test_an_organisation_does_not_die(world: World, heqing: HospitalSession) -> None:
    centre = world.patient(heqing, name="社区卫生服务中心", record_number="H0009", contact_type="company")
    heqing.flush()
    send(heqing, adt("A08", "20260912090000", number="H0009", visit="V77", dead="Y"))
    assert reasons(heqing, centre) == []


def test_fhir_tells_a_death_with_or_without_an_encounter(heqing: HospitalSession, known: Patient) -> None:
    assert fhir(heqing, person_only(deceasedBoolean=True)) == ["applied"]
    assert reasons(heqing, known) == ["deceased"]
    later = json.loads(person_only(deceasedBoolean=False)) | {"timestamp": "2026-09-13T08:00:00+08:00"}
    fhir(heqing, json.dumps(later).encode())
    assert reasons(heqing, known) == []
    inside = bundle("in-progress", "2026-09-14T09:00:00+08:00", patient={"deceasedDateTime": "2026-09-14"})
    assert fhir(heqing, inside) == ["waiting"]
    assert reasons(heqing, known) == ["deceased"]


def test_a_patient_of_a_bundle_who_lives_is_no_message(heqing: HospitalSession, known: Patient) -> None:
    assert fhir(heqing, person_only()) == []
    assert reasons(heqing, known) == []
