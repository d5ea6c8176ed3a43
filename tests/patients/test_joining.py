"""Two records become one person, and two again: nothing is lost, nothing is doubled, the undo is exact."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from every_table import fill_hospital, fill_patient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from world import NOW, TODAY, World

from careloop.wiring import wire
from foundation import catalogue
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.web.errors import UserMistake
from outreach.models import ContactTask, PatientHold
from patients import consent, duplicates, joining, restriction, suppression
from patients.models import (
    ContactPoint,
    Encounter,
    Enrolment,
    Patient,
    PatientMerge,
    PossibleDuplicate,
    RecordAlias,
    Suppression,
)
from patients.service import set_must_not_say
from revisits import planning
from revisits.models import RevisitStep
from tenants.keys import unseal

ASIDE = {"audit_event", "patient_merge"}
REASON = "同一人两个病案号"


@pytest.fixture(autouse=True)
def _wired() -> None:
    wire()


def everything(session: HospitalSession) -> dict[str, dict[str, Any]]:
    """Every row of every table of the hospital."""
    session.flush()
    found: dict[str, dict[str, Any]] = {}
    for table in catalogue.tenant_tables():
        if table.name not in ASIDE and "id" in table.c:
            rows = session.execute(
                select(table.c.id, func.to_jsonb(table.table_valued())).where(
                    table.c.tenant_id == session.tenant_id
                )
            )
            found[table.name] = {str(row_id): image for row_id, image in rows}
    return found


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The tables that differ, with the rows that do."""
    return {
        name: {
            key: (before[name].get(key), after[name].get(key))
            for key in before[name].keys() | after[name].keys()
            if before[name].get(key) != after[name].get(key)
        }
        for name in before
        if before[name] != after[name]
    }


def two(world: World, session: HospitalSession, **of_gone: Any) -> tuple[UUID, UUID]:
    kept = world.patient(session, discharged_on=TODAY - timedelta(days=9))
    gone = world.patient(session, **({"discharged_on": TODAY - timedelta(days=2)} | of_gone))
    return kept.id, gone.id


def open_enrolments(session: HospitalSession, patient_id: UUID) -> int:
    query = select(func.count()).where(
        Enrolment.patient_id == patient_id, Enrolment.ended_on.is_(None), Enrolment.cancelled_on.is_(None)
    )
    return session.execute(query).scalar_one()


def plan(session: HospitalSession) -> None:
    planning.materialise(session, TODAY, now=NOW)
    planning.open_tasks(session, now=NOW)


HAS = st.fixed_dictionaries(
    {
        "enrolled": st.booleans(),
        "stops": st.lists(st.sampled_from(suppression.REASONS), unique=True, max_size=2),
        "lifted": st.booleans(),
        "days": st.integers(1, 60),
        "words": st.sampled_from(["", "不要提肿瘤", "不要提住院费"]),
        "contact": st.booleans(),
        "consent": st.sampled_from([None, True, False]),
        "bare": st.booleans(),
    }
)


def person_with(world: World, session: HospitalSession, has: dict[str, Any]) -> Patient:
    bare: dict[str, Any] = {"sex": None, "birth_date": None, "age_years": None} if has["bare"] else {}
    patient = world.patient(
        session, discharged_on=TODAY - timedelta(days=has["days"]), enrolled=has["enrolled"], **bare
    )
    set_must_not_say(session, patient.id, has["words"], now=NOW)
    if has["contact"]:
        point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient.id)).one()
        point.holder, point.relation = "contact", "daughter"
    if has["consent"] is not None:
        consent.record(session, patient.id, "satisfaction", given=has["consent"], source="paper", now=NOW)
    session.flush()
    plan(session)
    for reason in has["stops"]:
        row = suppression.suppress(session, patient.id, reason, source="card", now=NOW)
        if has["lifted"]:
            suppression.lift(session, row.id, now=NOW)
    return patient


@settings(
    max_examples=12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(HAS, HAS, st.booleans())
def test_undo_brings_back_exactly_what_was_there(
    world: World, first: dict[str, Any], second: dict[str, Any], parked: bool
) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = (person_with(world, session, has) for has in (first, second))
        if parked:
            duplicates.find(session, [kept.id], now=NOW)
        before = everything(session)
        # Whoever's stop was lifted has been asked for by the rules: enrolled although nobody did it at first.
        enrolled = open_enrolments(session, kept.id) + open_enrolments(session, gone.id)
        later = NOW + timedelta(hours=1)
        merge = joining.merge(session, kept.id, gone.id, reason=REASON, now=later)
        stopped = bool(suppression.active_reasons(session, kept.id))
        assert stopped == any(has["stops"] and not has["lifted"] for has in (first, second))
        assert open_enrolments(session, kept.id) == (not stopped and enrolled > 0)
        assert session.scalar(select(func.count()).where(Encounter.patient_id == gone.id)) == 0
        joining.undo(session, merge.id, now=later)
        assert changed(before, everything(session)) == {}
        session.rollback()


def test_a_row_in_every_table_goes_over_and_comes_back(world: World) -> None:
    """Every table that leads to a patient: its row is the kept one's, or stays for a reason given here."""
    stays = {"patient_merge", "possible_duplicate", "import_before", "feed_message", "suppression"}
    stays |= {"number_block"}  # a number that is not called, whoever has it
    stays |= {"contact_point", "data_problem", "patient_hold", "ledger_entry", "ledger_credit"}
    with world.hospital(world.heqing) as session:
        hospital = fill_hospital(session, "H")
        made = fill_patient(session, "G", hospital)
        gone, kept = made["patient"], world.patient(session).id
        session.execute(update(PatientHold).values(until=NOW - timedelta(days=1)))
        session.execute(update(PatientMerge).values(undone_at=NOW))
        session.execute(update(Suppression).values(lifted_at=NOW))
        session.execute(update(PossibleDuplicate).values(second_id=kept))
        before = everything(session)
        merge = joining.merge(session, kept, gone, reason=REASON, now=NOW)
        for table in catalogue.patient_tables():
            points = [c for c, parent in catalogue.links(table) if parent == "patient"]
            if table.name not in stays and points and table.name != "patient":
                owner = session.scalar(select(table.c[points[0]]).where(table.c.id == made[table.name]))
                assert owner == kept, f"{table.name} stays with the record that went"
        joining.undo(session, merge.id, now=NOW)
        counted = {"invoice", "invoice_line", "ledger_entry", "ledger_credit"}  # by their own rules, anew
        assert changed(before, everything(session)).keys() <= counted


def test_what_came_after_the_merge_stays_with_the_kept_one(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        merge = joining.merge(session, kept, gone, reason=REASON, now=NOW)
        later = suppression.suppress(session, kept, "refused", source="call", now=NOW)
        joining.undo(session, merge.id, now=NOW)
        assert suppression.active_reasons(session, kept) == ["refused"]
        assert suppression.active_reasons(session, gone) == []
        assert session.get_one(Suppression, (session.tenant_id, later.id)).lifted_at is None


def test_the_earlier_of_two_enrolments_counts_and_the_plan_follows_the_latest_discharge(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        plan(session)
        joining.merge(session, kept, gone, reason=REASON, now=NOW)
        enrolments = session.scalars(
            select(Enrolment).where(Enrolment.patient_id == kept).order_by(Enrolment.started_on)
        ).all()
        assert [(e.started_on, e.end_reason) for e in enrolments] == [
            (TODAY - timedelta(days=9), None),
            (TODAY - timedelta(days=2), "merged"),
        ]
        latest = session.scalars(
            select(Encounter.id).where(Encounter.discharged_on == TODAY - timedelta(days=2))
        ).one()
        open_steps = session.scalars(
            select(RevisitStep.encounter_id).where(
                RevisitStep.patient_id == kept, RevisitStep.state.in_(("planned", "tasked"))
            )
        ).all()
        assert set(open_steps) == {latest}
        open_tasks = session.scalars(
            select(ContactTask.encounter_id).where(
                ContactTask.patient_id == kept, ContactTask.state == "open"
            )
        ).all()
        assert set(open_tasks) <= {latest}


def test_nothing_contacts_the_record_that_went_and_its_number_leads_to_the_kept_one(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        number = session.get_one(Patient, (session.tenant_id, gone)).record_number
        joining.merge(session, kept, gone, reason=REASON, now=NOW)
        assert suppression.active_reasons(session, gone) == ["merged"]
        assert joining.kept_of(session, gone) == kept
        assert joining.kept_of(session, kept) is None
        alias = session.scalars(select(RecordAlias).where(RecordAlias.record_number == number)).one()
        assert (alias.patient_id, alias.why) == (kept, "merge")
        third = world.patient(session).id
        joining.merge(session, third, kept, reason=REASON, now=NOW)
        assert joining.kept_of(session, gone) == third
        assert set(joining.merged_into(session, third)) == {kept, gone}


def test_what_stops_one_of_the_two_stops_the_other(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        suppression.suppress(session, gone, "deceased", source="import", note="家属告知", now=NOW)
        joining.merge(session, kept, gone, reason=REASON, now=NOW)
        stop = session.scalars(select(Suppression).where(Suppression.patient_id == kept)).one()
        assert stop.reason == "deceased"
        assert stop.note_cipher is not None


def test_the_kept_record_takes_over_what_it_lacks(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept = world.patient(session, sex=None, birth_date=None, must_not_say="不要提肿瘤").id
        gone = world.patient(session, must_not_say="不要提住院费", dialect="四川话").id
        joining.merge(session, kept, gone, reason=REASON, now=NOW)
        row = session.get_one(Patient, (session.tenant_id, kept))
        assert (row.sex, row.birth_date, row.dialect) == ("M", date(1970, 5, 1), "四川话")
        assert unseal(session, row.must_not_say_cipher) == "不要提肿瘤；不要提住院费"


@pytest.mark.parametrize("change", [{"restricted_at": NOW}, {"contact_type": "company"}, {"merged_at": NOW}])
def test_a_merge_is_refused_for_who_is_restricted_merged_or_no_patient(
    world: World, change: dict[str, Any]
) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session, **change)
        for pair in ((kept, gone), (gone, kept)):
            with pytest.raises(UserMistake):
                joining.merge(session, *pair, reason=REASON, now=NOW)


def test_nobody_is_merged_or_parted_under_the_hands_of_an_agent(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        plan(session)
        task = session.scalars(select(ContactTask).where(ContactTask.patient_id == gone)).first()
        assert task is not None
        hold = PatientHold(
            tenant_id=session.tenant_id,
            id=gone,
            task_id=task.id,
            agent_id=new_id(),
            drawn_at=NOW,
            until=NOW + timedelta(minutes=20),
            why="first_call",
        )
        session.add(hold)
        session.flush()
        with pytest.raises(UserMistake):
            joining.merge(session, kept, gone, reason=REASON, now=NOW)
        merge = joining.merge(session, kept, gone, reason=REASON, now=NOW + timedelta(hours=1))
        assert session.scalar(select(func.count()).select_from(PatientHold)) == 0
        session.add(
            PatientHold(
                tenant_id=session.tenant_id,
                id=kept,
                task_id=task.id,
                agent_id=new_id(),
                drawn_at=NOW,
                until=NOW + timedelta(hours=2),
                why="first_call",
            )
        )
        session.flush()
        with pytest.raises(UserMistake):
            joining.undo(session, merge.id, now=NOW + timedelta(hours=1))


def test_a_record_of_another_hospital_is_no_record(world: World) -> None:
    with world.hospital(world.yunling) as session:
        stranger = world.patient(session).id
    with world.hospital(world.heqing) as session:
        own = world.patient(session).id
        for pair in ((own, stranger), (stranger, own)):
            with pytest.raises(suppression.UnknownPatient):
                joining.merge(session, *pair, reason=REASON, now=NOW)


def test_merges_are_undone_the_last_one_first(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        third = world.patient(session).id
        before = everything(session)
        first = joining.merge(session, kept, gone, reason=REASON, now=NOW)
        second = joining.merge(session, kept, third, reason=REASON, now=NOW)
        with pytest.raises(UserMistake):
            joining.undo(session, first.id, now=NOW)
        assert [line.may_undo for line in joining.history(session, kept)] == [True, False]
        joining.undo(session, second.id, now=NOW)
        joining.undo(session, first.id, now=NOW)
        joining.undo(session, first.id, now=NOW)
        assert changed(before, everything(session)) == {}


def test_who_is_erased_is_erased_with_what_was_merged_into_them(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = two(world, session)
        joining.merge(session, kept, gone, reason=REASON, now=NOW)
        restriction.restrict(session, kept, now=NOW)
        assert session.get_one(Patient, (session.tenant_id, gone)).restricted_at == NOW
        restriction.lift(session, kept, reason="患者要求", now=NOW)
        assert session.get_one(Patient, (session.tenant_id, gone)).restricted_at is None
        restriction.erase(session, kept, now=NOW)
        for patient_id in (kept, gone):
            row = session.get_one(Patient, (session.tenant_id, patient_id))
            assert (row.erased_at, row.name) == (NOW, "")
        assert session.scalars(select(PatientMerge.moved)).one() == {}
