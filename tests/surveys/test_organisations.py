"""Organisations as contacts: stored like a person, asked with their own questionnaire, never a patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text, update
from world import NOW, TODAY, World

from careloop import wiring
from foundation import audit
from foundation.calendar import first_of_month, local_day_start
from foundation.database import HospitalSession
from outreach import facts, policy, queue
from outreach.models import ContactTask
from patients import duplicates, enrolment, organisations, suppression
from patients.models import ContactPoint, Encounter, Enrolment, Patient
from patients.organisations import Organisation, OrganisationRefused, UnknownOrganisation
from reporting import measures
from surveys import contact_queries, jobs, panel, replay, sample_queries, samples, service, waves
from surveys.models import Questionnaire, Response, SurveySample
from tenants.keys import data_key
from tenants.life.agreement import NotAgreed
from tenants.models import ProcessingAgreement
from workforce.service import assign

CENTRE = Organisation(
    contact_type="community_centre",
    name="社和社区卫生服务中心",
    person="林国强",
    position="预防保健科主任",
    number="13900001234",
    second="0311-88886666",
    since=date(2025, 3, 1),
)


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    wiring.wire()
    with world.hospital(world.heqing) as session:
        yield session


def add(session: HospitalSession, **changes: Any) -> Patient:
    return organisations.add(session, replace(CENTRE, **changes), today=TODAY, now=NOW)


def test_an_organisation_has_a_number_of_its_own_series_and_a_contact_person(heqing: HospitalSession) -> None:
    first, second = add(heqing), add(heqing, code="GOV/7", contact_type="government", name="卫健局")
    third = add(heqing, name="第三家", number="13900001235")
    assert [one.record_number for one in (first, second, third)] == ["ORG-0001", "GOV/7", "ORG-0002"]
    assert (first.birth_date, first.age_years, first.contact_state) == (None, None, "reachable")
    points = organisations.points_of(heqing, first.id)
    person, office = points["contact"], points["patient"]
    assert (person.name, person.relation, person.number_masked, person.position) == (
        "林国强", "预防保健科主任", "139****1234", 1,
    )  # fmt: skip
    assert data_key(heqing).decrypt(person.number_cipher) == "13900001234"
    assert (office.position, office.number_masked) == (2, "031****6666")
    (cooperation,) = heqing.scalars(select(Encounter).where(Encounter.patient_id == first.id))
    assert (cooperation.kind, cooperation.discharged_on) == ("cooperation", date(2025, 3, 1))
    line = contact_queries.organisation(heqing, first.id)
    assert line is not None
    assert (line.name, line.person, line.number) == ("社和社区卫生服务中心", "林**", "139****1234")
    assert contact_queries.counts(heqing) == {"community_centre": 2, "government": 1}
    with pytest.raises(OrganisationRefused, match="code_taken"):
        add(heqing, code="gov/7")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contact_type": "patient"}, "type"),
        ({"name": " "}, "name"),
        ({"name": "长" * 81}, "name"),
        ({"person": ""}, "person"),
        ({"position": "职" * 41}, "person"),
        ({"number": ""}, "number"),
        ({"number": "1.39E+10"}, "number"),
        ({"second": "88886"}, "second"),
        ({"code": "=1+1"}, "code"),
        ({"since": TODAY + timedelta(days=1)}, "since"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    heqing: HospitalSession, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OrganisationRefused) as refused:
        add(heqing, **changes)
    assert refused.value.reason == reason
    assert contact_queries.counts(heqing) == {}


def test_a_contact_person_falls_under_the_agreement(heqing: HospitalSession) -> None:
    own = ProcessingAgreement.tenant_id == heqing.tenant_id
    heqing.execute(update(ProcessingAgreement).where(own).values(fields=["identity", "phone"]))
    with pytest.raises(NotAgreed, match="21"):
        add(heqing)
    heqing.execute(update(ProcessingAgreement).where(own).values(purposes=["care_followup"]))
    with pytest.raises(NotAgreed):
        add(heqing)


def test_a_change_keeps_what_is_left_empty_and_a_new_number_is_dialled_again(
    heqing: HospitalSession,
) -> None:
    row = add(heqing, second="")
    heqing.execute(update(ContactPoint).where(ContactPoint.patient_id == row.id).values(invalid_since=NOW))
    heqing.execute(update(Patient).where(Patient.id == row.id).values(contact_state="no_number"))
    heqing.expire_all()
    kept = replace(CENTRE, number="", second="", person="周敏", name="社和街道卫生服务中心")
    organisations.change(heqing, row.id, kept, today=TODAY, now=NOW)
    points = organisations.points_of(heqing, row.id)
    assert (row.name, points["contact"].name, points["contact"].number_masked) == (
        "社和街道卫生服务中心", "周敏", "139****1234",
    )  # fmt: skip
    assert (row.contact_state, points["contact"].invalid_since) == ("no_number", NOW)
    organisations.change(heqing, row.id, replace(kept, number="13700009999"), today=TODAY, now=NOW)
    assert (row.contact_state, organisations.points_of(heqing, row.id)["contact"].invalid_since) == (
        "reachable", None,
    )  # fmt: skip
    assert row.record_number == "ORG-0001"


def test_a_patient_is_no_organisation_and_the_other_hospital_has_none(
    world: World, heqing: HospitalSession
) -> None:
    patient = world.patient(heqing)
    with pytest.raises(UnknownOrganisation):
        organisations.change(heqing, patient.id, CENTRE, today=TODAY, now=NOW)
    assert contact_queries.organisation(heqing, patient.id) is None
    row = add(heqing)
    with world.hospital(world.yunling) as other:
        assert contact_queries.organisations(other)[0] == []
        with pytest.raises(UnknownOrganisation):
            organisations.end(other, row.id, "hospital", now=NOW)
        assert organisations.add(other, CENTRE, today=TODAY, now=NOW).record_number == "ORG-0001"


def test_an_organisation_is_never_counted_as_a_patient(world: World, heqing: HospitalSession) -> None:
    before = measures.month_figures(heqing, TODAY, cut=NOW)
    row = add(heqing, since=TODAY)
    twin = add(heqing, name="社和社区卫生服务中心", since=TODAY)
    assert enrolment.enrol(heqing, [row.id, twin.id], now=NOW) == []
    assert heqing.scalars(select(Enrolment).where(Enrolment.patient_id == row.id)).all() == []
    duplicates.find(heqing, [row.id, twin.id], now=NOW)
    assert heqing.scalar(text("SELECT count(*) FROM possible_duplicate")) == 0
    jobs.sample(heqing, NOW)
    for audience in ("inpatient", "outpatient"):
        assert samples.find_sample(heqing, TODAY, audience=audience) is None
    answer(world, heqing, row, 6)
    after = measures.month_figures(heqing, TODAY, cut=NOW + timedelta(days=1))
    assert (after.encounters, after.satisfaction) == (before.encounters, before.satisfaction)
    assert (after.collection, after.collection_inpatient) == (before.collection, before.collection_inpatient)


def start(session: HospitalSession, *types: str) -> SurveySample:
    sample, _made = waves.start(session, types or organisations.TYPES, now=NOW)
    return sample


def wave_task(session: HospitalSession, row: Patient) -> ContactTask:
    return session.scalars(
        select(ContactTask).where(
            ContactTask.tenant_id == session.tenant_id, ContactTask.patient_id == row.id
        )
    ).one()


def answer(world: World, session: HospitalSession, row: Patient, level: int) -> Response:
    """A wave, and this organisation's whole questionnaire at one level."""
    start(session)
    task = wave_task(session, row)
    response = service.open_response(session, task, agent=world.agent, mode="phone", now=NOW)
    codes = [one.code for one in service.unanswered(session, response)]
    service.record_answers(session, response.id, dict.fromkeys(codes, level), NOW)
    return service.finish_response(session, response.id, now=NOW)


def test_a_wave_asks_every_organisation_of_the_chosen_kinds_once(
    world: World, heqing: HospitalSession
) -> None:
    rows = {name: add(heqing, name=name, number=f"1390001{n:04d}") for n, name in enumerate("甲乙丙丁")}
    add(heqing, contact_type="company", name="某厂", number="13611112222")
    organisations.end(heqing, rows["丁"].id, "special", now=NOW)
    heqing.execute(update(Patient).where(Patient.id == rows["丙"].id).values(contact_state="no_number"))
    world.patient(heqing)
    sample, made = waves.start(heqing, ["community_centre"], now=NOW, days=10)
    assert (sample.audience, sample.month, sample.rate) == ("organisation", first_of_month(TODAY), Decimal(1))
    assert (sample.frame_size, sample.drawn_size, made.made) == (4, 2, 2)
    task = wave_task(heqing, rows["甲"])
    assert (task.kind, task.purpose, task.source) == ("survey", "satisfaction", "sample")
    assert task.closes_at == local_day_start(TODAY + timedelta(days=10))
    line = sample_queries.one(heqing, sample.id)
    assert line is not None
    assert line.excluded == {"no_number": 1, "suppressed": 1}
    assert replay.draw_again(heqing, sample).identical
    with pytest.raises(waves.WaveRefused, match="this_month"):
        waves.start(heqing, ["company"], now=NOW + timedelta(days=3))


@pytest.mark.parametrize(
    ("types", "days", "reason"),
    [((), 21, "types"), (("patient",), 21, "types"), (("ngo",), 2, "days"), (("ngo",), 21, "nobody")],
)
def test_a_wave_of_nobody_is_refused(
    heqing: HospitalSession, types: tuple[str, ...], days: int, reason: str
) -> None:
    with pytest.raises(waves.WaveRefused) as refused:
        waves.start(heqing, types, days=days, now=NOW)
    assert refused.value.reason == reason


def test_the_card_of_an_organisation_asks_its_own_questionnaire(
    world: World, heqing: HospitalSession
) -> None:
    row = add(heqing)
    start(heqing)
    known = facts.load(heqing, [row.id], NOW)[row.id]
    assert not known.minor
    assert [number.holder for number in policy.dialable(known)] == ["contact", "patient"]
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
        card = queue.draw(firm, world.agent, NOW + timedelta(minutes=1))
    assert card is not None
    task = wave_task(heqing, row)
    assert card.task_id == task.id
    assert service.carries_survey(heqing, task)
    shown = panel.values(heqing, task, "zh_Hans")
    assert (shown["title"], shown["total"]) == ("合作单位满意度问卷", 7)
    assert "合作" in shown["opening"]


def test_the_answers_stand_in_the_table_of_the_wave_and_in_the_list(
    world: World, heqing: HospitalSession
) -> None:
    row = add(heqing)
    response = answer(world, heqing, row, 4)
    assert (response.state, response.index_value) == ("complete", Decimal(60))
    asked = heqing.get_one(Questionnaire, (heqing.tenant_id, response.questionnaire_id))
    assert (asked.code, asked.audience) == ("organisation", "organisation")
    sample = samples.find_sample(heqing, TODAY, audience="organisation")
    assert sample is not None
    results = contact_queries.wave_results(heqing, sample.id)
    assert [(one.name, one.outcome, one.index) for one in results.lines] == [
        ("社和社区卫生服务中心", "answered", Decimal(60))
    ]
    assert (results.mean, results.complete) == (Decimal(60), 1)
    assert [one.mean for one in results.dimensions] == [Decimal(60)] * 4
    (line,), _after = contact_queries.organisations(heqing)
    assert (line.last_index, line.open_contacts) == (Decimal(60), 1)


def test_a_cooperation_that_rests_stops_the_wave_and_takes_it_up_again(heqing: HospitalSession) -> None:
    row = add(heqing)
    start(heqing)
    with pytest.raises(OrganisationRefused):
        organisations.end(heqing, row.id, "deceased", now=NOW)
    organisations.end(heqing, row.id, "hospital", note="合同到期", now=NOW)
    assert suppression.active_reasons(heqing, row.id) == ["hospital"]
    assert wave_task(heqing, row).state == "cancelled"
    assert organisations.resume(heqing, row.id, reason="续签", now=NOW + timedelta(days=1)) == 1
    heqing.expire_all()
    assert wave_task(heqing, row).state == "open"
    actions = heqing.scalars(
        select(audit.AuditEvent.action).where(audit.AuditEvent.subject == f"patient:{row.id}")
    ).all()
    assert actions == ["patients.organisation_added", "patients.suppressed", "patients.suppression_lifted"]


def test_who_answered_lately_is_not_asked_again_in_the_next_wave(
    world: World, heqing: HospitalSession
) -> None:
    answer(world, heqing, add(heqing), 5)
    october = datetime.fromisoformat("2026-10-09T10:00:00+08:00")
    sample, made = waves.start(heqing, organisations.TYPES, now=october)
    line = sample_queries.one(heqing, sample.id)
    assert line is not None
    assert (line.excluded, made.made) == ({"surveyed_recently": 1}, 0)
