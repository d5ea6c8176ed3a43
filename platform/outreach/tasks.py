"""Making, cancelling and bringing back contact tasks, many at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select, text, update

from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import mark
from outreach import facts as contact_facts
from outreach.models import ContactTask, PatientHold
from outreach.policy import ContactFacts, TaskFacts, verdict
from patients import suppression
from patients.models import Suppression
from patients.suppression_effects import Live, register_live
from tenants.life import agreement

SUPPRESSED = "suppressed:"
# Contacts of every kind: calls of plans and surveys, callbacks and promises of complaints; and open cards.
LIVE = (
    Live(
        "contact_task",
        mark("Calls waiting"),
        """SELECT count(*) FROM contact_task t WHERE t.tenant_id = :tenant_id AND t.state = 'open'
           AND t.patient_id IN ({patients})""",
    ),
    Live(
        "patient_hold",
        mark("Open call cards"),
        """SELECT count(*) FROM patient_hold o WHERE o.tenant_id = :tenant_id AND o.id IN ({patients})""",
        previewed=None,
    ),
)


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A contact that a higher floor wants made. `rank` is one of `outreach.ranks.Rank`.

    `label` names it for the card in both languages ({"zh", "en"}); `closes_at` is when it is too late;
    `not_by` is the person who may not make it (the handler of a case does not ask whether the case was
    handled well).
    """

    patient_id: UUID
    encounter_id: UUID | None
    kind: str
    purpose: str
    source: str
    source_id: UUID
    label: dict[str, str]
    rank: int
    opens_at: datetime
    due_at: datetime
    closes_at: datetime
    not_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What became of the requests: made now, there already, refused by the policy (reason → how many)."""

    made: int
    existing: int
    refused: dict[str, int] = field(default_factory=dict)


_INSERT = text("""
INSERT INTO contact_task (tenant_id, id, patient_id, encounter_id, kind, purpose, source, source_id, label,
    rank, opens_at, due_at, closes_at, next_try_at, attempts, not_by, state, created_at)
SELECT :tenant_id, r.id, r.patient_id, r.encounter_id, r.kind, r.purpose, r.source, r.source_id, r.label,
    r.rank, r.opens_at, r.due_at, r.closes_at, r.opens_at, 0, r.not_by, 'open', :now
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, patient_id uuid, encounter_id uuid, kind text,
    purpose text, source text, source_id uuid, label jsonb, rank bigint, opens_at timestamptz,
    due_at timestamptz, closes_at timestamptz, not_by uuid)
ON CONFLICT (tenant_id, source, source_id) DO NOTHING
RETURNING id
""")


def make_tasks(session: HospitalSession, requests: Sequence[TaskRequest], now: datetime) -> Made:
    """Make the tasks that the policy allows; asking twice for one source makes one.

    Three statements whatever the number: the agreement, the facts, then one insert. A patient unknown in this
    hospital counts as refused with `unknown_patient`, a purpose outside the agreement with `not_agreed`
    (PIPL 21).
    """
    purposes = {request.purpose for request in requests}
    agreed = agreement.covered(session, purposes, doing="outreach.make_tasks", now=now)
    known = contact_facts.load(session, {request.patient_id for request in requests}, now)
    refused: Counter[str] = Counter()
    wanted: dict[tuple[str, UUID], TaskRequest] = {}
    surveyed: set[UUID] = set()
    for request in requests:
        key = (request.source, request.source_id)
        reason = "survey_cap" if request.patient_id in surveyed and key not in wanted else None
        reason = reason or (None if request.purpose in agreed else "not_agreed")
        reason = reason or _refusal(known.get(request.patient_id), request, now)
        if reason is not None:
            refused[reason] += 1
            continue
        wanted[key] = request
        if request.kind == "survey":
            surveyed.add(request.patient_id)
    made = _insert(session, wanted.values(), now)
    return Made(made, len(requests) - refused.total() - made, dict(refused))


def cancel_tasks(session: HospitalSession, patient_ids: Sequence[UUID], because: str, now: datetime) -> int:
    """Cancel all open tasks of these patients and take them off every card; returns how many tasks.

    `because` is kept as the outcome; with `suppressed:<reason>` the tasks can be brought back.
    """
    cancelled = session.scalars(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.patient_id, patient_ids),
            ContactTask.state == "open",
        )
        .values(state="cancelled", outcome=because, closed_at=now)
        .returning(ContactTask.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    session.execute(
        delete(PatientHold).where(
            PatientHold.tenant_id == session.tenant_id, among(PatientHold.id, patient_ids)
        )
    )
    return len(cancelled)


def restore_tasks(session: HospitalSession, patient_ids: Sequence[UUID]) -> int:
    """Undo of a suppression: exactly the tasks it cancelled are open again, as they were (S4-15).

    A patient with another suppression still active stays silent; lifting that one brings the tasks back.
    """
    still_suppressed = exists(
        select(1).where(
            Suppression.tenant_id == ContactTask.tenant_id,
            Suppression.patient_id == ContactTask.patient_id,
            Suppression.lifted_at.is_(None),
        )
    )
    session.flush()
    restored = session.scalars(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.patient_id, patient_ids),
            ContactTask.state == "cancelled",
            ContactTask.outcome.startswith(SUPPRESSED),
            ~still_suppressed,
        )
        .values(state="open", outcome=None, closed_at=None)
        .returning(ContactTask.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    return len(restored)


def register() -> None:
    """Follow the patients' suppressions: cancel when one begins, bring back when it is undone."""
    suppression.on_suppressed(_cancel_suppressed)
    suppression.on_lifted(_restore_lifted)
    for live in LIVE:
        register_live(live)


def _cancel_suppressed(
    session: HospitalSession, patient_ids: Sequence[UUID], reason: str, now: datetime
) -> None:
    cancel_tasks(session, patient_ids, SUPPRESSED + reason, now)


def _restore_lifted(
    session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime
) -> None:
    restore_tasks(session, patient_ids)


def _refusal(known: ContactFacts | None, request: TaskRequest, now: datetime) -> str | None:
    if known is None:
        return "unknown_patient"
    task = TaskFacts(kind=request.kind, source_id=request.source_id)
    return verdict(known, request.purpose, "made", now, task=task).reason


def _insert(session: HospitalSession, requests: Iterable[TaskRequest], now: datetime) -> int:
    rows = [_row(request) for request in requests]
    if not rows:
        return 0
    inserted = session.execute(
        _INSERT,
        {"tenant_id": session.tenant_id, "now": now, "rows": json.dumps(rows, ensure_ascii=False)},
    )
    return len(inserted.all())


def _row(request: TaskRequest) -> dict[str, Any]:
    return {
        "id": str(new_id()),
        "patient_id": str(request.patient_id),
        "encounter_id": None if request.encounter_id is None else str(request.encounter_id),
        "kind": request.kind,
        "purpose": request.purpose,
        "source": request.source,
        "source_id": str(request.source_id),
        "label": request.label,
        "rank": int(request.rank),
        "opens_at": request.opens_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "closes_at": request.closes_at.isoformat(),
        "not_by": None if request.not_by is None else str(request.not_by),
    }
