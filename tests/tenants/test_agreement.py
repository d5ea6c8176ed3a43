"""The processing agreement: what it lets happen, what it stops, and who signs it (PIPL 21, 55)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from world import NOW, TODAY, TestHospital, World

from foundation.audit import AuditEvent
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.web.errors import UserMistake
from outreach import calls, queue
from outreach.errors import ContactRefused
from outreach.models import ContactTask
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients.importing import import_file
from patients.models import ContactPoint, Encounter, Patient
from reporting import benchmark
from surveys import jobs as survey_jobs
from surveys import samples
from tenants.life import agreement, agreement_drafts
from tenants.life.agreement import NotAgreed, Version, takes_part
from tenants.models import Hospital, ProcessingAgreement

DAY = timedelta(days=1)
HEADER = "病案号,住院次数,姓名,联系电话,身份证号,入院日期,出院日期,出院科室,主要诊断,离院方式"
ROW = "R900001,1,王一,13812345678,,2026-09-01,2026-09-13,骨科,骨折,1"
MAY = date(2026, 5, 1)
PDF = b"%PDF-1.7 a signed paper\n%%EOF\n"


def expire(world: World, hospital: TestHospital, last: date = TODAY - DAY, **changes: Any) -> None:
    """The hospital's agreement held until this day."""
    with world.hospital(hospital) as session:
        session.execute(
            update(ProcessingAgreement)
            .where(ProcessingAgreement.tenant_id == hospital.tenant_id)
            .values(**({"valid_to": last} | changes))
        )


def refusals(world: World, hospital: TestHospital) -> list[str]:
    """What the hospital's trail says was refused."""
    with world.hospital(hospital) as session:
        return [
            event.detail["doing"]
            for event in session.scalars(
                select(AuditEvent)
                .where(AuditEvent.tenant_id == hospital.tenant_id, AuditEvent.action == "agreement.refused")
                .order_by(AuditEvent.seq)
            )
        ]


def request(patient_id: UUID, purpose: str = "care_followup") -> TaskRequest:
    return TaskRequest(
        patient_id=patient_id, encounter_id=None, kind="revisit", purpose=purpose, source="revisit",
        source_id=new_id(), label={"zh": "回访", "en": "Revisit"}, rank=Rank.FIRST_CALL, opens_at=NOW - DAY,
        due_at=NOW, closes_at=NOW + 4 * DAY,
    )  # fmt: skip


def file(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


# ------------------------------------------------------------------------------------------- what holds


def test_the_last_day_is_included_and_the_day_after_is_not(world: World) -> None:
    expire(world, world.heqing, TODAY)
    with world.hospital(world.heqing) as session:
        assert agreement.in_force(session, TODAY) is not None
        assert agreement.in_force(session, TODAY + DAY) is None
        assert agreement.in_force(session, date(2019, 12, 31)) is None


def test_an_agreement_ended_early_holds_no_more_at_once(world: World) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.versions(session)[0]
        with pytest.raises(UserMistake):
            agreement_drafts.end(session, row.id, reason=" ", now=NOW)
        agreement_drafts.end(session, row.id, reason="合作结束", now=NOW)
        assert agreement.in_force(session, TODAY) is None
        with pytest.raises(NotAgreed):
            agreement.require(session, "care_followup", doing="test", now=NOW)
    assert refusals(world, world.heqing) == ["test"]


def test_the_usual_agreement_is_signed_once(world: World) -> None:
    with world.hospital(world.heqing) as session:
        first = agreement.sign_usual(session, by="命令行", now=NOW)
        assert first.version == 1
        assert len(agreement_drafts.versions(session)) == 1


# ------------------------------------------------------------------------------------------- what it stops


def test_an_expired_agreement_stops_the_import_there_and_nowhere_else(world: World) -> None:
    expire(world, world.heqing)
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        import_file(session, file(ROW), "list.csv", by="陈静", now=NOW)
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(Patient.id).where(Patient.tenant_id == session.tenant_id)) is None
    assert refusals(world, world.heqing) == ["patients.import"]
    with world.hospital(world.yunling) as session:
        assert import_file(session, file(ROW), "list.csv", by="陈静", now=NOW).created == 1
    assert refusals(world, world.yunling) == []


def test_columns_outside_the_agreed_kinds_are_dropped_and_named(world: World) -> None:
    kinds = ["identity", "phone", "stay", "disposition"]
    expire(world, world.heqing, TODAY, fields=kinds)
    with world.hospital(world.heqing) as session:
        report = import_file(session, file(ROW), "list.csv", by="陈静", now=NOW)
        assert report.dropped_columns == ("身份证号", "主要诊断")
        assert session.scalars(select(Encounter.diagnosis)).one() == ""
    with world.hospital(world.yunling) as session:
        assert import_file(session, file(ROW), "list.csv", by="陈静", now=NOW).dropped_columns == ()


def test_no_contact_is_made_drawn_or_dialled_without_an_agreement(world: World) -> None:
    made: dict[str, UUID] = {}
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            patient = world.patient(session)
            assert make_tasks(session, [request(patient.id)], NOW).made == 1
            made[hospital.code] = patient.id
    with world.firm(world.agent, world.heqing) as firm:
        card = queue.draw(firm, world.agent, NOW)
    assert card is not None
    expire(world, world.heqing)
    with world.hospital(world.heqing) as session:
        assert make_tasks(session, [request(made["heqing"])], NOW).refused == {"not_agreed": 1}
    with (
        pytest.raises(ContactRefused, match="not_agreed"),
        world.hospital(world.heqing, world.agent) as session,
    ):
        calls.dial(session, card.task_id, own_number(session, card.patient_id), world.agent, NOW)
    assert refusals(world, world.heqing) == ["outreach.make_tasks", "outreach.dial"]
    with world.firm(world.agent2) as firm:
        other = queue.draw(firm, world.agent2, NOW)
    assert other is not None
    assert other.tenant_id == world.yunling.tenant_id
    with world.firm(world.agent2, world.heqing) as firm:
        assert queue.draw(firm, world.agent2, NOW + timedelta(hours=1)) is None


def test_only_the_agreed_purposes_are_served(world: World) -> None:
    expire(world, world.heqing, TODAY, purposes=["care_followup"])
    with world.hospital(world.heqing) as session:
        first, second = world.patient(session), world.patient(session)
        wanted = [request(first.id), request(second.id, "satisfaction")]
        result = make_tasks(session, wanted, NOW)
        assert (result.made, result.refused) == (1, {"not_agreed": 1})
        open_tasks = session.scalars(select(ContactTask).where(ContactTask.tenant_id == session.tenant_id))
        assert [task.purpose for task in open_tasks] == ["care_followup"]


def test_without_telephone_nobody_is_drawn(world: World) -> None:
    with world.hospital(world.heqing) as session:
        assert make_tasks(session, [request(world.patient(session).id)], NOW).made == 1
    expire(world, world.heqing, TODAY, channels=["sms"])
    with world.firm(world.agent, world.heqing) as firm:
        assert queue.draw(firm, world.agent, NOW) is None


def test_a_refusal_that_the_scheduler_repeats_is_on_record_once_a_day(world: World) -> None:
    expire(world, world.heqing)
    for minutes in (0, 10, 20):
        with world.hospital(world.heqing) as session:
            patient = world.patient(session)
            make_tasks(session, [request(patient.id)], NOW + timedelta(minutes=minutes))
    assert refusals(world, world.heqing) == ["outreach.make_tasks"]
    with world.hospital(world.heqing) as session:
        make_tasks(session, [request(world.patient(session).id)], NOW + DAY)
    assert refusals(world, world.heqing) == ["outreach.make_tasks"] * 2


def test_nobody_is_sampled_where_surveys_are_not_agreed(world: World) -> None:
    expire(world, world.heqing, TODAY, purposes=["care_followup"])
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            world.patient(session, kind="outpatient", discharged_on=date(2026, 8, 20), enrolled=False)
            survey_jobs.sample(session, NOW)
            drawn = samples.find_sample(session, date(2026, 8, 1))
        assert (drawn is None) == (hospital is world.heqing)
    assert refusals(world, world.heqing) == ["surveys.sample"]
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        samples.draw_sample(session, date(2026, 8, 1), now=NOW)


def test_an_export_needs_an_agreement_or_a_departure(world: World) -> None:
    expire(world, world.heqing)
    with world.hospital(world.yunling) as session:
        agreement.require_for_export(session, doing="test", now=NOW)
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        agreement.require_for_export(session, doing="feedback.export", now=NOW)
    assert refusals(world, world.heqing) == ["feedback.export"]
    with world.hospital(world.heqing) as session:
        own = Hospital.tenant_id == session.tenant_id
        session.execute(update(Hospital).where(own).values(state="leaving"))
        agreement.require_for_export(session, doing="feedback.export", now=NOW)


def test_a_hospital_that_does_not_share_is_not_compared(world: World) -> None:
    expire(world, world.heqing, TODAY, benchmark="none")
    with world.firm() as firm:
        results = benchmark.results_of(benchmark.run(firm, MAY, by="何琳", now=NOW))
        assert [member.code for member in results.comparison.members] == ["yunling"]


@pytest.mark.parametrize(
    ("versions", "part"),
    [
        ([(date(2026, 1, 1), None, None, True)], True),
        ([(date(2026, 1, 1), None, None, False)], False),
        # Withdrawn inside May: May is still compared, as its period had begun.
        ([(date(2026, 1, 1), None, None, True), (date(2026, 5, 20), None, None, False)], True),
        # Withdrawn before May began.
        ([(date(2026, 1, 1), None, None, True), (date(2026, 5, 1), None, None, False)], False),
        # Agreed after May was over.
        ([(date(2026, 6, 1), None, None, True)], False),
        # Nothing in force today: not even the past is worked on.
        ([(date(2026, 1, 1), date(2026, 5, 31), None, True)], False),
        ([(date(2026, 1, 1), None, date(2026, 6, 10), True)], False),
    ],
)
def test_withdrawal_counts_from_the_next_period(
    versions: list[tuple[date, date | None, date | None, bool]], *, part: bool
) -> None:
    known = [Version(*version) for version in versions]
    assert takes_part(known, MAY, date(2026, 5, 31), date(2026, 6, 15)) is part


def test_data_goes_to_nobody_whom_the_hospital_has_not_approved(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for name in ("短信甲", "短信乙"):
            agreement_drafts.propose(session, "sms", name, now=NOW)
        first, second = agreement_drafts.sub_processors(session)
        agreement_drafts.decide(session, second.id, approve=True, now=NOW)
        agreement.require_sub_processor(session, "sms", second.name, now=NOW)
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        agreement.require_sub_processor(session, "sms", first.name, now=NOW)
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        agreement.require_sub_processor(session, "speech", second.name, now=NOW)
    with world.hospital(world.heqing) as session:
        agreement_drafts.decide(session, second.id, approve=False, now=NOW)
    with pytest.raises(NotAgreed), world.hospital(world.heqing) as session:
        agreement.require_sub_processor(session, "sms", second.name, now=NOW)
    assert refusals(world, world.heqing) == ["agreement.sub_processor"] * 3
    with pytest.raises(NotAgreed), world.hospital(world.yunling) as session:
        agreement.require_sub_processor(session, "sms", second.name, now=NOW)


def own_number(session: HospitalSession, patient_id: UUID) -> UUID:
    return session.scalars(
        select(ContactPoint.id).where(
            ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == patient_id
        )
    ).one()
