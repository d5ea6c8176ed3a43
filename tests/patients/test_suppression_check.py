"""The nightly look names whatever was left open for somebody who must be left alone."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select, text
from suppression_world import full
from world import NOW, World

from foundation import outbox, work
from foundation.audit import AuditEvent
from patients import jobs, suppression_check
from patients.models import SuppressionCheck
from patients.suppression import suppress
from tenants.models import DirectoryEntry

# How each thing is broken behind the program's back, by the name under which it must be told.
BREAKS = {
    "contact_task": "UPDATE contact_task SET state = 'open', outcome = NULL WHERE patient_id = :id"
    " AND source = 'case'",
    "revisit_step": "UPDATE revisit_step SET state = 'planned' WHERE id = (SELECT id FROM revisit_step"
    " WHERE patient_id = :id ORDER BY number DESC LIMIT 1)",
    "response": "UPDATE response SET state = 'in_progress' WHERE patient_id = :id",
    "sample_slot": "UPDATE sample_member m SET stopped_by_id = NULL FROM encounter e"
    " WHERE e.id = m.encounter_id AND e.patient_id = :id AND e.kind = 'outpatient' AND m.drawn",
    "patient_hold": "INSERT INTO patient_hold (tenant_id, id, task_id, agent_id, drawn_at, until, why)"
    " SELECT tenant_id, patient_id, id, id, now(), now(), 'rest' FROM contact_task"
    " WHERE patient_id = :id AND source = 'case'",
    "enrolment": "UPDATE enrolment SET ended_on = NULL, end_reason = NULL WHERE patient_id = :id",
    "billable_month": "UPDATE ledger_entry SET leaves = false WHERE patient_id = :id AND month = :month",
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_thing_left_open_is_named_and_counted(world: World, name: str) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        suppress(session, made.patient_id, "refused", source="call", now=NOW)
        assert suppression_check.run(session, now=NOW).broken == 0
        values = {"id": made.patient_id, "month": date(2026, 9, 1)}
        statement = text(BREAKS[name])
        broken = session.execute(statement, {k: v for k, v in values.items() if f":{k}" in BREAKS[name]})
        assert broken.rowcount == 1  # type: ignore[attr-defined]
        row = suppression_check.run(session, now=NOW)
        assert ({key: count for key, count in row.found.items() if count}, row.broken) == ({name: 1}, 1)
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(1)).one()
        assert (event.action, event.detail) == ("patients.suppression_broken", {"found": {name: 1}})
        told = select(DirectoryEntry.suppression_breaches).where(DirectoryEntry.code == "heqing")
        assert session.scalar(told) == 1


def test_a_message_that_names_a_suppressed_patient_is_seen_before_it_leaves(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        tenant = str(session.tenant_id)
        for patient_id in (made.patient_id, made.neighbour_id):
            outbox.enqueue(session, "messages.send", now=NOW, tenant_id=tenant, patient_id=str(patient_id))
        suppress(session, made.patient_id, "special", source="card", now=NOW)
        assert suppression_check.look(session)["queued_message"] == 1


def test_a_restricted_or_merged_record_needs_no_stop_to_be_looked_after(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        session.execute(text("UPDATE patient SET merged_at = now() WHERE id = :id"), {"id": made.patient_id})
        assert suppression_check.look(session)["contact_task"] > 0


def test_the_job_of_each_night_looks_and_a_clean_night_clears_the_number(world: World) -> None:
    made = full(world, world.heqing)
    assert work.JOBS["patients.suppression_check"].every is not None
    with world.hospital(world.heqing) as session:
        suppress(session, made.patient_id, "refused", source="call", now=NOW)
        session.execute(text("UPDATE directory_entry SET suppression_breaches = 7"))
        jobs.look_after_suppressions(session, NOW)
        assert session.scalars(select(SuppressionCheck.broken)).all() == [0]
        numbers = dict(
            session.execute(select(DirectoryEntry.code, DirectoryEntry.suppression_breaches)).all()
        )
        assert (numbers["heqing"], numbers["yunling"]) == (0, 7)


def test_what_another_floor_registers_is_looked_at_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_check, "_counts", {})
    suppression_check.register("letters", lambda _session: 3)
    with world.hospital(world.heqing) as session:
        row = suppression_check.run(session, now=NOW)
        assert (row.found["letters"], row.broken) == (3, 3)
