"""Two records that were one are two again, whatever came in between: each is stopped by what is its own."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from imported import DIED, HEADER
from imported import row as line
from sqlalchemy import select
from world import NOW, TODAY, World

from careloop.wiring import wire
from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach.models import ContactTask
from patients import enrolment, joining, suppression, suppression_check, suppression_queries
from patients.importing import import_file
from patients.models import Encounter, Enrolment, Patient, PatientMerge, Suppression
from revisits import planning
from revisits.models import RevisitStep

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _wired() -> None:
    wire()


def listed(session: HospitalSession, *lines: str, at: int) -> None:
    data = "\n".join([HEADER, *lines]).encode()
    import_file(session, data, "list.csv", by="陈静", now=NOW + at * HOUR)


def number(session: HospitalSession, record_number: str) -> UUID:
    return session.scalars(select(Patient.id).where(Patient.record_number == record_number)).one()


def plan(session: HospitalSession, *, at: int) -> None:
    planning.materialise(session, TODAY, now=NOW + at * HOUR)
    planning.open_tasks(session, now=NOW + at * HOUR)


def merged(session: HospitalSession) -> tuple[UUID, UUID, PatientMerge]:
    """K1001 with G2001 in it, both on the way to a call."""
    listed(session, line("K1001", "王芳"), line("G2001", "王芳", left="2026-09-10"), at=0)
    kept, gone = number(session, "K1001"), number(session, "G2001")
    plan(session, at=0)
    return kept, gone, joining.merge(session, kept, gone, reason="同名", now=NOW + HOUR)


def dead(record_number: str) -> str:
    return line(record_number, "王芳", stay=2, since="2026-09-11", left="2026-09-13", way=DIED)


def second_stay(record_number: str) -> str:
    return line(record_number, "王芳", stay=2, since="2026-09-11", left="2026-09-13")


def broken(session: HospitalSession) -> dict[str, int]:
    return {name: count for name, count in suppression_check.look(session).items() if count}


def open_things(session: HospitalSession, patient_id: UUID) -> set[str]:
    found = {
        "enrolment": select(Enrolment.id).filter_by(patient_id=patient_id, ended_on=None, cancelled_on=None),
        "task": select(ContactTask.id).filter_by(patient_id=patient_id, state="open"),
        "step": select(RevisitStep.id).where(
            RevisitStep.patient_id == patient_id, RevisitStep.state.in_(("planned", "tasked"))
        ),
    }
    return {name for name, query in found.items() if session.scalars(query).first()}


def test_a_death_listed_under_the_other_number_goes_with_that_record(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone, merge = merged(session)
        listed(session, dead("G2001"), at=2)
        assert suppression.active_reasons(session, kept) == ["deceased"]
        joining.undo(session, merge.id, now=NOW + 3 * HOUR)
        assert suppression.active_reasons(session, kept) == []
        assert suppression.active_reasons(session, gone) == ["deceased"]
        stop = session.scalars(select(Suppression).filter_by(patient_id=gone, reason="deceased")).one()
        assert (stop.source, stop.confirmed_at is not None) == ("import", True)
        owners = select(Encounter.patient_id).where(Encounter.record_number == "G2001")
        assert set(session.scalars(owners)) == {gone}
        assert open_things(session, gone) == set()
        assert {"enrolment", "step"} <= open_things(session, kept)
        assert broken(session) == {}
        with pytest.raises(enrolment.CannotEnrol):
            enrolment.enrol_by_hand(session, gone, reason="x", now=NOW + 4 * HOUR)
        listed(session, dead("G2001"), at=5)
        assert suppression.active_reasons(session, kept) == []
        assert suppression.active_reasons(session, gone) == ["deceased"]


def test_a_new_stay_under_the_other_number_goes_with_its_plan(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone, merge = merged(session)
        listed(session, line("G2001", "王芳", stay=2, since="2026-09-11", left="2026-09-13"), at=2)
        plan(session, at=2)
        stay = session.scalars(select(Encounter).filter_by(record_number="G2001", admission_count=2)).one()
        joining.undo(session, merge.id, now=NOW + 3 * HOUR)
        assert stay.patient_id == gone
        for kind in (RevisitStep, ContactTask, Enrolment):
            assert set(session.scalars(select(kind.patient_id).filter_by(encounter_id=stay.id))) <= {gone}
        assert open_things(session, kept) >= {"enrolment"}
        assert open_things(session, gone) >= {"enrolment", "step"}


def test_who_refused_while_merged_has_nothing_open_afterwards_and_the_other_one_has(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone, merge = merged(session)
        suppression.suppress(session, kept, "refused", source="card", now=NOW + 2 * HOUR)
        joining.undo(session, merge.id, now=NOW + 3 * HOUR)
        assert (suppression.active_reasons(session, kept), open_things(session, kept)) == (["refused"], set())
        assert suppression.active_reasons(session, gone) == []
        assert open_things(session, gone) >= {"enrolment", "step"}
        assert broken(session) == {}
        row = session.scalars(select(Suppression).filter_by(patient_id=kept, lifted_at=None)).one()
        suppression.lift(session, row.id, now=NOW + 4 * HOUR)
        assert open_things(session, kept) >= {"enrolment", "step"}


def test_a_confirmation_of_the_copy_is_one_of_the_report_itself(world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        listed(session, line("K1001", "王芳"), line("G2001", "王芳"), at=0)
        kept, gone = number(session, "K1001"), number(session, "G2001")
        suppression.suppress(session, gone, "deceased", source="call", now=NOW)
    with world.hospital(world.heqing, world.admin) as session:
        merge = joining.merge(session, kept, gone, reason="同名", now=NOW + HOUR)
        copy = session.scalars(select(Suppression).filter_by(patient_id=kept)).one()
        suppression.confirm_death(session, copy.id, now=NOW + 2 * HOUR)
        joining.undo(session, merge.id, now=NOW + 3 * HOUR)
        assert suppression.active_reasons(session, kept) == []
        original = session.scalars(select(Suppression).filter_by(patient_id=gone, lifted_at=None)).one()
        assert (original.reason, original.confirmed_at) == ("deceased", NOW + 2 * HOUR)
        assert broken(session) == {}


@pytest.mark.parametrize("renamed", [False, True])
def test_a_merge_makes_no_second_person_of_whoever_reported_the_death(world: World, renamed: bool) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        listed(session, line("K1001", "王芳"), line("G2001", "王芳"), line("L3001", "王芳"), at=0)
        kept, gone, last = (number(session, name) for name in ("K1001", "G2001", "L3001"))
        suppression.suppress(session, gone, "deceased", source="call", now=NOW)
    with world.hospital(world.heqing, world.admin) as session:
        joining.merge(session, kept, gone, reason="同名", now=NOW + HOUR)
        joining.merge(session, last, kept, reason="同名", now=NOW + 2 * HOUR)
        copy = session.scalars(select(Suppression).filter_by(patient_id=last)).one()
    reporter = Actor("person", world.agent.id, "李小敏") if renamed else world.agent
    with world.hospital(world.heqing, reporter) as session:
        with pytest.raises(suppression.SamePerson):
            suppression.confirm_death(session, copy.id, now=NOW + 3 * HOUR)
        assert [row.mine for row in suppression_queries.to_confirm(session)] == [True]
    with world.hospital(world.heqing, world.admin) as session:
        suppression.confirm_death(session, copy.id, now=NOW + 3 * HOUR)


def test_numbers_in_the_reason_of_a_merge_are_masked(world: World) -> None:
    with world.hospital(world.heqing) as session:
        kept, gone = world.patient(session).id, world.patient(session).id
        merge = joining.merge(session, kept, gone, reason="本人 13612349873 来电", now=NOW)
        assert merge.reason == "本人 136****9873 来电"


BEFORE = st.lists(st.sampled_from(("stop", "stop_gone", "lift")), max_size=2)
BETWEEN = st.lists(
    st.sampled_from(
        ("stop", "died", "lift", "lift", "dead_g", "dead_k", "back_g", "stay_g", "stay_k", "plan")
    ),
    min_size=1,
    max_size=5,
)


@given(before=BEFORE, between=BETWEEN)
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_came_in_between_nobody_is_contacted_who_must_not_be(
    world: World, before: list[str], between: list[str]
) -> None:
    with world.hospital(world.heqing) as session:
        listed(session, line("K1001", "王芳"), line("G2001", "王芳", left="2026-09-10"), at=0)
        kept, gone = number(session, "K1001"), number(session, "G2001")
        plan(session, at=0)
        for at, what in enumerate(before, 1):
            _do(session, what, kept, gone, at)
        merge = joining.merge(session, kept, gone, reason="同名", now=NOW + 10 * HOUR)
        assert broken(session) == {}
        for at, what in enumerate(between, 11):
            _do(session, what, kept, gone, at)
        assert broken(session) == {}
        joining.undo(session, merge.id, now=NOW + 20 * HOUR)
        assert broken(session) == {}
        plan(session, at=21)
        assert broken(session) == {}
        owners = select(Encounter.record_number, Encounter.patient_id)
        assert {(row[0], row[1]) for row in session.execute(owners)} == {("K1001", kept), ("G2001", gone)}
        for patient_id in (kept, gone):
            if "deceased" not in suppression.active_reasons(session, patient_id):
                stays = select(Encounter.disposition).where(Encounter.patient_id == patient_id)
                assert "lift" in between or "died" not in set(session.scalars(stays))
        session.rollback()


def _do(session: HospitalSession, what: str, kept: UUID, gone: UUID, at: int) -> None:
    match what:
        case "stop" | "stop_gone":
            whom = gone if what == "stop_gone" else kept
            suppression.suppress(session, whom, "refused", source="card", now=NOW + at * HOUR)
        case "died":
            suppression.suppress(session, kept, "deceased", source="call", now=NOW + at * HOUR)
        case "lift":
            query = select(Suppression.id).filter_by(patient_id=kept, lifted_at=None)
            suppression.lift_many(session, list(session.scalars(query)), now=NOW + at * HOUR)
        case "dead_g" | "dead_k":
            listed(session, dead("G2001" if what == "dead_g" else "K1001"), at=at)
        case "back_g" | "stay_g":
            listed(session, second_stay("G2001"), at=at)
        case "stay_k":
            listed(session, second_stay("K1001"), at=at)
        case _:
            plan(session, at=at)
