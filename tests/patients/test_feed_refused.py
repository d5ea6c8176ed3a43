"""What is not taken by interface: events of the future, and anything while the hospital is paused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from adt_messages import adt, bundle
from sqlalchemy import func, select, update
from web_client import browsing
from world import NOW, World

from careloop import wiring
from foundation.clock import SetClock
from foundation.database import Database, HospitalSession
from foundation.scope import Actor, HospitalScope
from patients import feed_alarms, feed_inbox, feed_labels, intake, intake_labels, intake_run, receiving
from patients.adt import json_visits
from patients.adt.events import BadMessage
from patients.adt.json_visits import VisitRow
from patients.models import DataImport, Encounter, FeedMessage, Patient, Suppression
from tenants.models import Hospital

LIST = "病案号,姓名,手机号,出院日期,出院科室,离院方式\n{},张𠮷,13800138000,2026-09-08,骨科,1\n"
LEFT = adt("A03", "20260908103000", discharged="20260908100000")


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    wiring.wire()
    with world.hospital(world.heqing) as session:
        yield session


def send(session: HospitalSession, message: str, *, late: timedelta = timedelta(0)) -> feed_inbox.Fate:
    (fate,) = feed_inbox.receive(session, "hl7", message.encode(), name="mllp", now=NOW + late).fates
    return fate


def test_an_event_of_the_future_is_refused_and_hides_nothing_that_comes_after(
    heqing: HospitalSession,
) -> None:
    fate = send(heqing, adt("A03", "20991231000000", discharged="20260908100000"))
    assert (fate.state, fate.refused) == ("rejected", False)
    assert feed_labels.reason(fate.reason) == "事件时间晚于当前时间。"
    assert heqing.scalar(select(func.count()).select_from(Encounter)) == 0
    died = adt("A03", "20260910090000", discharged="20260908100000", disposition="5")
    assert send(heqing, died).state == "applied"
    assert heqing.scalars(select(Suppression.reason)).one() == "deceased"


def test_a_wrong_clock_in_the_event_yields_to_the_time_of_the_message(heqing: HospitalSession) -> None:
    wrong = LEFT.replace("EVN|A03|20260908103000", "EVN|A03|20991231000000")
    assert send(heqing, wrong).state == "applied"
    assert heqing.scalars(select(FeedMessage.event_at)).one() < NOW


def test_what_lay_in_the_future_is_taken_when_its_day_has_come(heqing: HospitalSession) -> None:
    ahead = adt("A03", "20260918103000", discharged="20260908100000")
    assert send(heqing, ahead).state == "rejected"
    fate = send(heqing, ahead, late=timedelta(days=3))
    assert (fate.state, fate.reason) == ("applied", "")
    row = heqing.scalars(select(FeedMessage)).one()
    assert (row.event, row.record_number) == ("discharge", "H0001")


def test_reports_of_the_future_are_refused_by_every_way(heqing: HospitalSession) -> None:
    with pytest.raises(BadMessage, match="in_future"):
        feed_inbox.receive(heqing, "fhir", bundle("finished", "2099-09-08T10:30:00+08:00"), name="x", now=NOW)
    row = VisitRow("H1", recorded_at=NOW + timedelta(days=2), discharged_on="2026-09-08")
    with pytest.raises(BadMessage, match="in_future"):
        feed_inbox.take(heqing, "json", json_visits.heard([row], now=NOW), name="x", now=NOW)
    assert heqing.scalar(select(func.count()).select_from(FeedMessage)) == 0


def stage(session: HospitalSession, state: str) -> None:
    session.execute(update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(state=state))


@pytest.mark.parametrize("state", ["suspended", "leaving", "left"])
def test_a_paused_hospital_receives_no_message(heqing: HospitalSession, state: str) -> None:
    stage(heqing, state)
    with pytest.raises(receiving.HospitalPaused):
        send(heqing, LEFT)
    with pytest.raises(receiving.HospitalPaused):
        feed_inbox.take(heqing, "json", [], name="x", now=NOW)
    assert heqing.scalar(select(func.count()).select_from(FeedMessage)) == 0


@pytest.fixture
def run(engine_db: Database, engine_world: World) -> Callable[[DataImport], DataImport]:
    wiring.wire()
    scope = HospitalScope(engine_world.heqing.tenant_id, Actor.system("worker"), "job")

    def once(row: DataImport) -> DataImport:
        intake_run.run(engine_db, scope, row.id, clock=SetClock(NOW))
        with engine_db.hospital(scope) as session:
            return session.get_one(DataImport, (scope.tenant_id, row.id))

    return once


def test_a_queued_import_stops_with_the_hospital_and_can_be_tried_again(
    engine_world: World, run: Callable[[DataImport], DataImport]
) -> None:
    with engine_world.hospital(engine_world.heqing) as session:
        arrival = intake.Arrival("upload", "x", NOW, go=True)
        row = intake.receive(session, LIST.format("H1").encode(), "a.csv", arrival)
        stage(session, "suspended")
    row = run(row)
    assert (row.state, row.failure) == ("failed", {"code": "hospital_paused"})
    assert "暂停" in intake_labels.failure(row.failure)
    with engine_world.hospital(engine_world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
        stage(session, "active")
        intake.try_again(session, row.id, now=NOW)
    assert run(row).state == "checked"


def test_a_header_that_names_another_hospital_is_taken_and_raises_an_alarm(heqing: HospitalSession) -> None:
    other = LEFT.replace("|HIS|河清|", "|HIS|云岭妇幼保健院|")
    assert send(heqing, other).state == "applied"
    row = heqing.scalars(select(DataImport)).one()
    assert row.alarms == [{"code": "other_hospital", "name": "云岭妇幼保健院", "by": "message"}]
    assert "云岭妇幼保健院" in intake_labels.alarm(row.alarms[0])
    send(heqing, adt("A01", "20260912080000", visit="V2").replace("|HQ|2", "|云岭妇幼保健院|2"))
    assert len(row.alarms) == 1
    assert feed_alarms.recent(heqing, NOW) == row.alarms


def test_a_message_that_waits_raises_the_alarm_as_well(heqing: HospitalSession) -> None:
    assert send(heqing, adt("A01", "20260912080000").replace("|HQ|2", "|云岭妇幼保健院|2")).state == "waiting"
    assert len(heqing.scalars(select(DataImport)).one().alarms) == 1


def test_the_hospitals_own_name_and_short_codes_raise_none(heqing: HospitalSession) -> None:
    name = heqing.scalars(select(Hospital.name)).one()
    send(heqing, LEFT.replace("|HIS|河清|", f"|HIS|{name}|"))
    assert heqing.scalars(select(DataImport)).one().alarms == []


def test_the_alarm_stands_on_the_pages(db: Database, world: World) -> None:
    with world.hospital(world.heqing) as session:
        wiring.wire()
        send(session, LEFT.replace("|HIS|河清|", "|HIS|云岭妇幼保健院|"))
    with browsing(db, clock=SetClock(NOW)) as made:
        browser = made.enter(world.people["operations"], "en")
        assert "Messages name another hospital: 云岭妇幼保健院." in browser.get("/h/heqing/feeds").text
        assert "Look twice" in browser.get("/h/heqing/imports").text
