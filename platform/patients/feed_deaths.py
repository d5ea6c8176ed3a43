"""Deaths that messages tell (已故): nobody is called, whatever becomes of the visit that they name.

Asked after the visits of a transaction are settled, and after its merges: the visit may wait for its
discharge, be of no interest, or be refused; the family is left alone all the same (S4-15).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation import audit
from foundation.database import HospitalSession
from patients import feed_store
from patients.adt.deaths import died
from patients.models import Encounter, FeedMessage, Patient, Suppression
from patients.suppression import lift_many, suppress_many

SOURCE = "feed"
CORRECTED = "corrected by a later message"


def settle(session: HospitalSession, numbers: Iterable[str], new: Collection[UUID], *, now: datetime) -> int:
    """Suppress whom the messages of these record numbers say to be dead; lift what an earlier one said and
    one of the `new` ones takes back. Returns how many are newly suppressed.

    A person who is not known yet is suppressed by the message that makes them known. Of a death that a person
    or a list noted, and of one that a stay still says, nothing is lifted.
    """
    people = feed_store.people(session, set(numbers) - {""})
    if not people:
        return 0
    known = {number for person in people.values() for number in person.numbers}
    rows = feed_store.of_numbers(session, known.union(people))
    events = feed_store.events_of(session, rows)
    dead: list[UUID] = []
    alive: list[UUID] = []
    for person in {person.patient_id: person for person in people.values()}.values():
        mine = [row for row in rows if row.record_number in _all(person, people)]
        emptied = max((row.event_at for row in mine if row.id not in events), default=None)
        told = [(row, (row.kind, events[row.id])) for row in mine if row.id in events]
        after = died((pair for _, pair in told), forgotten=emptied)
        before = died((pair for row, pair in told if row.id not in new), forgotten=emptied)
        if after:
            dead.append(person.patient_id)
        elif after is False and before is not False:
            alive.append(person.patient_id)
        if after is not None:
            _told(mine, person.patient_id)
    _lift(session, alive, now=now)
    return _suppress(session, dead, now=now)


def _all(person: feed_store.Person, people: dict[str, feed_store.Person]) -> set[str]:
    same = {number for number, other in people.items() if other.patient_id == person.patient_id}
    return same.union(person.numbers)


def _told(rows: Iterable[FeedMessage], patient_id: UUID) -> None:
    """What is said of a known person alone waits for nothing."""
    for row in rows:
        if not row.visit_number and row.state == "waiting":
            row.state, row.patient_id = "applied", patient_id


def _suppress(session: HospitalSession, patient_ids: list[UUID], *, now: datetime) -> int:
    if not patient_ids:
        return 0
    persons = session.scalars(
        select(Patient.id).where(
            Patient.tenant_id == session.tenant_id,
            Patient.id.in_(patient_ids),
            Patient.contact_type == "patient",
        )
    )
    new = suppress_many(session, list(persons), "deceased", source=SOURCE, now=now)
    if new:
        detail = {"source": SOURCE, "patients": [str(one) for one in new]}
        audit.record(session, "patients.suppressed", now=now, reason="deceased", detail=detail)
    return len(new)


def _lift(session: HospitalSession, patient_ids: list[UUID], *, now: datetime) -> None:
    if not patient_ids:
        return
    stands = select(Encounter.id).where(
        Encounter.tenant_id == session.tenant_id,
        Encounter.patient_id == Suppression.patient_id,
        Encounter.disposition == "died",
        Encounter.withdrawn_at.is_(None),
    )
    found = session.scalars(
        select(Suppression.id).where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.patient_id.in_(patient_ids),
            Suppression.reason == "deceased",
            Suppression.source == SOURCE,
            Suppression.lifted_at.is_(None),
            ~stands.exists(),
        )
    ).all()
    if found:
        lift_many(session, list(found), now=now, reason=CORRECTED)
