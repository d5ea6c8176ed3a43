"""Messages of a hospital's system against the database: what stands afterwards, whatever the order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from adt_messages import adt, bundle
from sqlalchemy import func, select, update
from world import NOW, World

from careloop import wiring
from foundation.database import HospitalSession
from patients import feed_inbox, feed_queries, golive_checks
from patients.importing import import_file
from patients.models import (
    DataImport,
    Encounter,
    Enrolment,
    FeedMessage,
    ImportTrail,
    Patient,
    RecordAlias,
    Suppression,
)
from revisits.models import RevisitStep
from revisits.planning import materialise, open_tasks

ADMITTED = adt("A01", "20260901080000")
MOVED = adt("A08", "20260903080000", phone="13700137000", department="康复科")
DISCHARGED = adt("A03", "20260908103000", discharged="20260908100000", phone="", department="康复科")
UNDONE = adt("A13", "20260909120000", department="康复科")
AGAIN = adt("A03", "20260910090000", discharged="20260910090000", department="康复科", phone="")
DIED = adt(
    "A03", "20260910090000", discharged="20260910090000", disposition="5", department="康复科", phone=""
)
NEVER = adt("A11", "20260911090000")


@pytest.fixture(autouse=True)
def _wired() -> None:
    wiring.wire()


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing) as session:
        yield session


def send(session: HospitalSession, *messages: str) -> list[feed_inbox.Answer]:
    return [
        feed_inbox.receive(session, "hl7", one.encode(), name="mllp", now=NOW + timedelta(seconds=n))
        for n, one in enumerate(messages)
    ]


def states(answers: list[feed_inbox.Answer]) -> list[str]:
    return [answer.fates[0].state for answer in answers]


def stays(session: HospitalSession) -> list[Any]:
    return list(
        session.execute(
            select(
                Encounter.kind, Encounter.record_number, Encounter.admission_count, Encounter.discharged_on,
                Encounter.disposition, Encounter.withdrawn_at.is_not(None),
            ).where(Encounter.tenant_id == session.tenant_id).order_by(Encounter.discharged_on)
        )
    )  # fmt: skip


def test_an_admission_waits_and_the_discharge_takes_the_stay_in(heqing: HospitalSession) -> None:
    answers = send(heqing, ADMITTED, MOVED)
    assert states(answers) == ["waiting", "waiting"]
    assert stays(heqing) == []
    (answer,) = send(heqing, DISCHARGED)
    assert (answer.fates[0].state, answer.counts["created"], answer.counts["rows"]) == ("applied", 1, 1)
    assert stays(heqing) == [("inpatient", "H0001", 1, date(2026, 9, 8), "home", False)]
    patient = heqing.scalars(select(Patient)).one()
    assert (patient.name, patient.contact_state) == ("张𠮷", "reachable")
    assert heqing.scalars(select(Enrolment)).one().started_on == date(2026, 9, 8)
    assert set(heqing.scalars(select(FeedMessage.state))) == {"applied"}


def test_the_same_message_again_changes_nothing_and_is_answered_the_same(heqing: HospitalSession) -> None:
    send(heqing, ADMITTED, DISCHARGED)
    before = heqing.scalars(select(DataImport)).one().rows
    again = send(heqing, ADMITTED, DISCHARGED)
    assert states(again) == ["applied", "applied"]
    assert [answer.fates[0].again for answer in again] == [True, True]
    row = heqing.scalars(select(DataImport)).one()
    assert row.rows == before
    assert heqing.scalar(select(func.count()).select_from(FeedMessage)) == 2


def test_every_order_of_a_history_ends_in_the_same(world: World) -> None:
    ends = set()
    for order in list(itertools.permutations([ADMITTED, MOVED, DISCHARGED, UNDONE, AGAIN]))[::17]:
        with world.hospital(world.heqing) as session:
            savepoint = session.begin_nested()
            send(session, *order)
            enrolled = session.scalars(
                select(Enrolment.ended_on).where(Enrolment.cancelled_on.is_(None))
            ).all()
            phone = session.scalars(select(FeedMessage.state).distinct()).all()
            ends.add((tuple(map(tuple, stays(session))), tuple(enrolled), tuple(phone)))
            savepoint.rollback()
    assert len(ends) == 1
    assert ends.pop()[0] == (("inpatient", "H0001", 1, date(2026, 9, 10), "home", False),)


def test_a_cancelled_discharge_takes_everything_back_and_the_next_one_brings_it(
    heqing: HospitalSession,
) -> None:
    send(heqing, ADMITTED, DISCHARGED)
    today = NOW.date()
    materialise(heqing, today, now=NOW)
    open_tasks(heqing, now=NOW)
    planned = heqing.scalars(select(RevisitStep.state).order_by(RevisitStep.number)).all()
    assert "tasked" in planned
    (answer,) = send(heqing, UNDONE)
    assert (answer.fates[0].state, answer.withdrawn) == ("waiting", 1)
    assert stays(heqing)[0][5]
    enrolment = heqing.scalars(select(Enrolment)).one()
    assert (enrolment.cancelled_on, enrolment.end_reason) == (today, "withdrawn")
    assert set(heqing.scalars(select(RevisitStep.state))) == {"cancelled"}
    assert materialise(heqing, today, now=NOW) == 0
    (answer,) = send(heqing, AGAIN)
    assert answer.counts["updated"] == 1
    assert stays(heqing) == [("inpatient", "H0001", 1, date(2026, 9, 10), "home", False)]
    heqing.refresh(enrolment)
    assert (enrolment.cancelled_on, enrolment.ended_on, enrolment.end_reason) == (None, None, None)
    assert heqing.scalars(select(RevisitStep.state).order_by(RevisitStep.number)).all() == planned


def test_a_death_that_came_with_a_discharge_goes_with_it(heqing: HospitalSession) -> None:
    send(heqing, ADMITTED, DIED)
    assert heqing.scalars(select(Suppression)).one().reason == "deceased"
    send(heqing, adt("A13", "20260911090000", department="康复科"))
    assert heqing.scalars(select(Suppression.lifted_at)).one() is not None
    assert heqing.scalars(select(Enrolment)).all() == []
    send(heqing, adt("A03", "20260912090000", discharged="20260912090000", department="康复科"))
    assert heqing.scalars(select(Enrolment.started_on)).one() == date(2026, 9, 12)


def test_a_cancelled_admission_withdraws_what_was_taken_in(heqing: HospitalSession) -> None:
    send(heqing, ADMITTED, DISCHARGED)
    (answer,) = send(heqing, NEVER)
    assert answer.withdrawn == 1
    assert stays(heqing)[0][5]


def test_a_second_stay_is_a_second_encounter_and_numbers_count_on(heqing: HospitalSession) -> None:
    second = adt("A03", "20260914100000", visit="V2", discharged="20260914100000", admitted="20260912100000")
    send(heqing, ADMITTED, DISCHARGED, second)
    assert [(row[2], row[3]) for row in stays(heqing)] == [(1, date(2026, 9, 8)), (2, date(2026, 9, 14))]
    row = heqing.scalars(select(DataImport)).one()
    assert (row.layout, row.source, row.rows, row.created) == ("hl7v2", "hl7", 2, 2)
    trail = {one.table_name: len(one.row_ids) for one in heqing.scalars(select(ImportTrail))}
    assert (trail["patient"], trail["encounter"]) == (1, 2)
    assert set(heqing.scalars(select(Encounter.import_id))) == {row.id}


CSV = (
    "病案号,住院次数,姓名,性别,出生日期,手机号,联系人姓名,与患者关系,联系人电话,入院日期,出院日期,出院科室,"
    "病区,主治医师,主要诊断,主要诊断编码,离院方式\n"
    "H0001,{count},张𠮷,男,1970-05-01,13800138000,张小妹,姐妹,13900139000,2026-09-01,2026-09-08,骨科,骨科一病区,"
    "李医生,股骨颈骨折,S72.0,1\n"
)


@pytest.mark.parametrize(("said", "count"), [("2", 2), ("", 3)])
def test_the_same_stay_in_a_list_and_a_message_is_one(heqing: HospitalSession, said: str, count: int) -> None:
    report = import_file(heqing, CSV.format(count=count).encode(), "a.csv", by="test", now=NOW)
    assert report.created == 1
    (answer,) = send(heqing, adt("A03", "20260908103000", discharged="20260908100000", count=said))
    assert (answer.counts["unchanged"], answer.counts["rows"]) == (1, 1)
    assert len(stays(heqing)) == 1


def test_the_same_stay_in_a_message_and_a_list_is_one(heqing: HospitalSession) -> None:
    send(heqing, adt("A03", "20260908103000", discharged="20260908100000", count="2"))
    report = import_file(heqing, CSV.format(count=2).encode(), "a.csv", by="test", now=NOW)
    assert report.unchanged == 1


def test_a_row_that_the_rules_reject_stays_visible_and_can_be_mended(heqing: HospitalSession) -> None:
    wrong = adt("A03", "20260908103000", discharged="20260801100000")
    (answer,) = send(heqing, wrong)
    assert (answer.fates[0].state, answer.fates[0].reason) == ("rejected", "discharge_before_admission")
    assert stays(heqing) == []
    row = heqing.scalars(select(DataImport)).one()
    assert (row.rows, row.rejected, row.reject_reasons) == (1, 1, {"discharge_before_admission": 1})
    send(heqing, adt("A08", "20260908110000", discharged="20260908100000"))
    assert len(stays(heqing)) == 1
    assert set(heqing.scalars(select(FeedMessage.state))) == {"applied"}


def test_what_cannot_be_read_is_kept_without_a_word_of_it(heqing: HospitalSession) -> None:
    (answer,) = send(heqing, adt("A02", "20260901080000"))
    assert (answer.fates[0].state, answer.fates[0].refused) == ("rejected", True)
    row = heqing.scalars(select(FeedMessage)).one()
    assert (row.content_cipher, row.record_number) == (None, "")


def test_from_casualty_to_a_bed_is_one_stay(heqing: HospitalSession) -> None:
    send(heqing, adt("A04", "20260901070000", kind="E"))
    assert [row[0] for row in stays(heqing)] == ["outpatient"]
    send(heqing, ADMITTED, DISCHARGED)
    assert sorted((row[0], row[5]) for row in stays(heqing)) == [("inpatient", False), ("outpatient", True)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_merge_is_by_the_senders_word_in_every_order(
    heqing: HospitalSession, order: tuple[int, ...]
) -> None:
    messages = [
        adt("A03", "20260908103000", discharged="20260908100000"),
        adt("A03", "20260912103000", number="H0002", visit="V2", discharged="20260912100000"),
        adt("A40", "20260913080000", gone="H0002"),
    ]
    send(heqing, *(messages[n] for n in order))
    living = heqing.scalars(select(Patient).where(Patient.merged_at.is_(None))).one()
    owners = set(heqing.scalars(select(Encounter.patient_id)))
    assert owners == {living.id}
    late = adt("A03", "20260914103000", number="H0002", visit="V3", discharged="20260914100000")
    send(heqing, late)
    assert set(heqing.scalars(select(Encounter.patient_id))) == {living.id}
    assert heqing.scalar(select(func.count()).select_from(RecordAlias)) == 1


def test_what_is_said_of_the_person_alone_changes_the_number_to_call(heqing: HospitalSession) -> None:
    send(heqing, ADMITTED, DISCHARGED)
    new = adt("A08", "20260912080000", visit="", admitted="", phone="13500135000")
    (answer,) = send(heqing, new)
    assert answer.counts["updated"] == 1
    assert len(stays(heqing)) == 1


def test_two_hospitals_with_one_number_never_touch(world: World) -> None:
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            send(session, ADMITTED, DISCHARGED)
    with world.hospital(world.yunling) as session:
        send(session, UNDONE)
        assert stays(session)[0][5]
    with world.hospital(world.heqing) as session:
        assert not stays(session)[0][5]
        assert len(session.scalars(select(Patient)).all()) == 1


def test_a_fhir_bundle_is_taken_and_its_next_state_too(heqing: HospitalSession) -> None:
    def report(status: str, updated: str) -> feed_inbox.Answer:
        return feed_inbox.receive(heqing, "fhir", bundle(status, updated), name="http", now=NOW)

    done = report("finished", "2026-09-08T10:30:00+08:00")
    assert (done.counts["created"], done.taken) == (1, True)
    assert report("in-progress", "2026-09-01T10:30:00+08:00").counts["rows"] == 1  # older: nothing new
    assert stays(heqing) == [("inpatient", "H0001", 1, date(2026, 9, 8), "home", False)]
    assert report("in-progress", "2026-09-09T10:30:00+08:00").withdrawn == 1
    assert stays(heqing)[0][5]
    assert report("finished", "2026-09-10T10:30:00+08:00").counts["rows"] == 1
    assert not stays(heqing)[0][5]


def test_ages_say_what_came_and_what_is_silent(heqing: HospitalSession) -> None:
    send(heqing, ADMITTED)
    (feed,) = feed_queries.ages(heqing, NOW + timedelta(hours=3))
    assert (feed.kind, feed.name, feed.late) == ("hl7", "mllp", False)
    assert feed.age == timedelta(hours=3)


def test_only_a_list_whose_rows_came_in_is_a_sign_of_life(heqing: HospitalSession) -> None:
    def told() -> tuple[str, list[str]]:
        colour = golive_checks.feed(heqing, NOW).tone
        return colour, [one.kind for one in feed_queries.ages(heqing, NOW)]

    content = "病案号,姓名,出院日期,联系电话\nA1,张建国,2026-09-01,13812345678\n".encode()
    import_file(heqing, content, "list.csv", by="陈静", now=NOW)
    assert told() == ("green", ["file"])
    for state in ("mapping", "checked", "running", "failed", "undone"):
        heqing.execute(update(DataImport).values(state=state))
        assert told() == ("red", []), state


def test_a_message_under_the_number_of_an_organisation_is_rejected_with_the_reason(
    world: World, heqing: HospitalSession
) -> None:
    centre = world.patient(heqing, name="社和社区卫生服务中心", record_number="H0009", contact_type="company")
    heqing.flush()
    [answer] = send(heqing, adt("A03", "20260908103000", number="H0009", discharged="20260908100000"))
    assert states([answer]) == ["rejected"]
    stored = heqing.scalars(select(FeedMessage)).one()
    assert (stored.state, stored.reason) == ("rejected", "number_of_organisation")
    heqing.refresh(centre)
    assert centre.name == "社和社区卫生服务中心"
