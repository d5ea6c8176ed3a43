"""What happened to one patient, in one list: stays, enrolment, suppression; calls and cases from above.

Higher floors register a source; the page asks all of them. Only what the hospital's own session sees stands
here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from patients import labels
from patients.models import Consent, Encounter, Enrolment, Suppression

LIMIT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `title` and `detail` are in the reader's language.

    `tone` is that of a badge: neutral, good, warn, bad, info. `path` leads to the thing, relative to the
    hospital's own address (`cases/<id>`).
    """

    at: datetime
    kind: str
    title: str
    detail: str = ""
    tone: str = "neutral"
    path: str | None = None


Source = Callable[[HospitalSession, UUID], list[Entry]]
_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Add a source, or replace the one of that name."""
    _sources[name] = source


def of(session: HospitalSession, patient_id: UUID, *, limit: int = LIMIT) -> list[Entry]:
    """Everything that all sources know of a patient, the newest first."""
    entries = [entry for source in (_own, *_sources.values()) for entry in source(session, patient_id)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def _own(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    return [
        *_encounters(session, patient_id),
        *_enrolments(session, patient_id),
        *_suppressions(session, patient_id),
        *_consents(session, patient_id),
    ]


def _encounters(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(Encounter).where(Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient_id)
    )
    return [
        Entry(
            at=local_day_start(row.discharged_on),
            kind="encounter",
            title=_("Discharged") if row.kind == "inpatient" else labels.of(labels.KINDS, row.kind),
            detail=labels.of(labels.DISPOSITIONS, row.disposition) if row.disposition else "",
            tone="bad" if row.disposition == "died" else "neutral",
        )
        for row in rows
    ]


def _enrolments(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(Enrolment).where(Enrolment.tenant_id == session.tenant_id, Enrolment.patient_id == patient_id)
    )
    entries = []
    for row in rows:
        entries.append(Entry(local_day_start(row.started_on), "enrolment", _("Enrolled"), tone="good"))
        if row.cancelled_on is not None:
            title = _("Enrolment cancelled, free of charge")
            entries.append(Entry(local_day_start(row.cancelled_on), "enrolment", title))
        elif row.ended_on is not None:
            reason = labels.of(labels.END_REASONS, row.end_reason)
            entries.append(Entry(local_day_start(row.ended_on), "enrolment", _("Enrolment ended"), reason))
    return entries


def _suppressions(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(Suppression).where(
            Suppression.tenant_id == session.tenant_id, Suppression.patient_id == patient_id
        )
    )
    entries = []
    for row in rows:
        reason = labels.of(labels.SUPPRESSION_REASONS, row.reason)
        entries.append(Entry(row.started_at, "suppression", _("Contacts stopped"), reason, tone="warn"))
        if row.lifted_at is not None:
            title = _("Contacts allowed again")
            entries.append(Entry(row.lifted_at, "suppression", title, reason, tone="good"))
    return entries


def _consents(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(Consent).where(Consent.tenant_id == session.tenant_id, Consent.patient_id == patient_id)
    )
    return [
        Entry(
            at=row.at,
            kind="consent",
            title=_("Consent given") if row.given else _("Consent refused"),
            detail=labels.of(labels.PURPOSES, row.purpose),
            tone="good" if row.given else "warn",
        )
        for row in rows
    ]
