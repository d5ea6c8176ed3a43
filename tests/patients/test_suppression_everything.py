"""One stop ends everything of one patient in every table, and its undo brings back exactly what was there."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from suppression_world import changes, everything, full, live_things, nothing_wrong, touched
from world import NOW, World

from billing.models import Invoice, LedgerEntry
from feedback.models import CaseEvent
from foundation.database import HospitalSession
from outreach import queue
from outreach.models import ContactTask
from patients import restriction, suppression_effects
from patients.models import Enrolment, Patient, Suppression
from patients.suppression import REASONS, active_reasons, lift, lift_many, suppress, suppress_many

DAY = timedelta(days=1)


@pytest.mark.parametrize("reason", [*REASONS, "merged"])
def test_a_stop_ends_everything_and_its_undo_brings_back_every_row(world: World, reason: str) -> None:
    heqing, yunling = full(world, world.heqing), full(world, world.yunling)
    with world.hospital(world.heqing) as session:
        before = everything(session)
        kinds = {effect.name for effect in suppression_effects.of(session, heqing.patient_id)}
        assert kinds >= {"enrolment", "contact_task", "revisit_step", "response", "sample_slot"}
        assert nothing_wrong(session)
    with world.hospital(world.yunling) as session:
        elsewhere = everything(session)
    with world.hospital(world.heqing) as session:
        suppress_many(session, [heqing.patient_id], reason, source="card", now=NOW)
        stopped = everything(session)
        assert live_things(session, heqing.patient_id) == {}
        assert nothing_wrong(session)
        assert suppression_effects.of(session, heqing.patient_id) == []
        assert touched(before, stopped, heqing.neighbour_id) == {}
        assert set(touched(before, stopped, heqing.patient_id)) >= {
            "contact_task", "revisit_step", "response", "enrolment", "ledger_entry",
        }  # fmt: skip
        assert set(changes(before, stopped)) == {
            "contact_task", "revisit_step", "response", "enrolment", "ledger_entry", "sample_member",
        }  # fmt: skip
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(Suppression)).one()
        lift(session, row.id, now=NOW + DAY, by_request=True)
        assert changes(before, everything(session)) == {}
        assert nothing_wrong(session)
    with world.hospital(world.yunling) as session:
        assert changes(elsewhere, everything(session)) == {}
        assert live_things(session, yunling.patient_id)


def test_a_patient_on_a_card_is_taken_off_it_and_the_call_is_there_again_afterwards(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        session.execute(text("UPDATE contact_task SET appointment_at = NULL, appointment_agent = NULL"))
    with world.firm(world.agent2) as session:
        card = queue.draw(session, world.agent2, NOW)
        assert card is not None
    with world.hospital(world.heqing) as session:
        before = everything(session)
        row = suppress(session, card.patient_id, "refused", source="card", now=NOW)
        assert "card" not in live_things(session, card.patient_id)
        lift(session, row.id, now=NOW)
        # The lock is let go; everything else is as it was.
        assert set(changes(before, everything(session))) == {"patient_hold"}
    assert card.patient_id in (made.patient_id, made.neighbour_id)


def test_who_died_before_anybody_spoke_to_them_is_taken_off_the_open_invoices(world: World) -> None:
    made = full(world, world.heqing, spoken_to=False)
    with world.hospital(world.heqing) as session:
        before = everything(session)
        row = suppress(session, made.patient_id, "deceased", source="call", now=NOW)
        months = select(LedgerEntry.month, LedgerEntry.kind).where(LedgerEntry.patient_id == made.patient_id)
        assert {kind for _, kind in session.execute(months)} == {"cancelled"}
        assert set(session.scalars(select(Invoice.patients))) == {1}
        lift(session, row.id, now=NOW)
        after = everything(session)
        # A row that came back is written anew, and says the same.
        for picture in (before, after):
            picture["ledger_entry"] = {
                entry["month"].isoformat() + str(entry["patient_id"]): {
                    name: value for name, value in entry.items() if name not in {"id", "created_at"}
                }
                for entry in picture["ledger_entry"].values()
            }
        assert changes(before, after) == {}


def test_an_issued_month_is_not_touched(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        session.execute(text("UPDATE invoice SET state = 'issued', issued_at = now(), number = id"))
        before = everything(session)
        suppress(session, made.patient_id, "deceased", source="import", now=NOW)
        assert not {"ledger_entry", "invoice", "invoice_line"} & set(changes(before, everything(session)))


def test_what_passed_meanwhile_ends_by_its_own_tick(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        before = everything(session)
        row = suppress(session, made.patient_id, "hospital", source="card", now=NOW)
        lift(session, row.id, now=NOW + 40 * DAY)
        after = everything(session)
        assert {row["state"] for row in after["contact_task"].values()} == {"open"}
        assert changes(before, after).keys() <= {"ledger_entry"}  # October is not reached by either


def test_a_case_handled_while_nobody_might_call_is_asked_about_afterwards(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        session.execute(text("DELETE FROM call"))
        session.execute(text("DELETE FROM contact_task WHERE source = 'case'"))
        row = suppress(session, made.patient_id, "special", source="card", now=NOW)
        lift(session, row.id, now=NOW + DAY)
        asked = select(ContactTask.patient_id).where(ContactTask.source == "case")
        assert session.scalars(asked).all() == [made.patient_id]
        told = session.scalars(select(CaseEvent.kind).order_by(CaseEvent.at, CaseEvent.id)).all()
        assert told[-2:] == ["suppressed", "lifted"]


Step = tuple[str, str]
STEPS = st.lists(
    st.tuples(st.sampled_from(("stop", "lift")), st.sampled_from((*REASONS, "restricted"))), max_size=8
)


@given(steps=STEPS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stops_in_any_order_end_where_they_began_once_none_is_left(world: World, steps: list[Step]) -> None:
    with world.hospital(world.heqing) as session:
        found = session.scalars(select(Patient.id).order_by(Patient.id)).first()
    patient_id = found or full(world, world.heqing).patient_id
    with world.hospital(world.heqing) as session:
        before, active, moment = everything(session), set[str](), NOW
        for kind, reason in [*steps, *(("lift", reason) for reason in (*REASONS, "restricted"))]:
            moment += timedelta(minutes=1)
            _do(session, patient_id, kind, reason, moment)
            (active.add if kind == "stop" else active.discard)(reason)
            assert set(active_reasons(session, patient_id)) == active
            assert bool(live_things(session, patient_id)) == (not active)
            assert nothing_wrong(session)
        after = everything(session)
        _same_time(before, after)
        assert changes(before, after) == {}


def _do(session: HospitalSession, patient_id: object, kind: str, reason: str, moment: datetime) -> None:
    patient = session.get_one(Patient, (session.tenant_id, patient_id))
    if reason == "restricted":
        if kind == "stop":
            restriction.restrict(session, patient.id, now=moment)
        elif patient.restricted_at is not None:
            restriction.lift(session, patient.id, reason="asked", now=moment)
        return
    if kind == "stop":
        suppress(session, patient.id, reason, source="card", now=moment)
        return
    row = session.scalars(
        select(Suppression).filter_by(patient_id=patient.id, reason=reason, lifted_at=None)
    ).one_or_none()
    if row is not None:
        lift(session, row.id, now=moment)


def _same_time(before: dict[str, dict], after: dict[str, dict]) -> None:  # type: ignore[type-arg]
    """When a restricted patient's row was written last is told honestly."""
    for picture in (before, after):
        for row in picture["patient"].values():
            row.pop("updated_at")


def test_many_are_lifted_at_once_and_one_with_another_reason_stays_silent(world: World) -> None:
    made = full(world, world.heqing)
    both = [made.patient_id, made.neighbour_id]
    with world.hospital(world.heqing) as session:
        before = everything(session)
        suppress_many(session, both, "deceased", source="import", now=NOW)
        suppress(session, made.neighbour_id, "refused", source="call", now=NOW)
        deaths = list(session.scalars(select(Suppression.id).where(Suppression.reason == "deceased")))
        assert lift_many(session, deaths, now=NOW) == [made.patient_id]
        assert live_things(session, made.neighbour_id) == {}
        rest = list(session.scalars(select(Suppression.id).where(Suppression.lifted_at.is_(None))))
        assert lift_many(session, rest, now=NOW) == [made.neighbour_id]
        assert changes(before, everything(session)) == {}


def test_an_enrolment_that_came_with_a_merged_record_keeps_its_end(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        mine = session.scalars(select(Enrolment).where(Enrolment.patient_id == made.patient_id)).one()
        other = session.scalars(select(Enrolment).where(Enrolment.patient_id == made.neighbour_id)).one()
        other.ended_on, other.end_reason = other.started_on, "merged"
        other.patient_id = made.patient_id
        session.flush()
        row = suppress(session, made.patient_id, "hospital", source="card", now=NOW)
        lift(session, row.id, now=NOW)
        session.refresh(mine)
        session.refresh(other)
        assert (mine.ended_on, other.end_reason) == (None, "merged")
