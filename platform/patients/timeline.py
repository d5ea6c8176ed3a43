"""What happened to one patient, in one list (患者时间轴, S1-14): stays, lists, enrolment, suppression,
consent and merges; calls, answers and cases from above.

Higher floors register a source; the page asks all of them. Only what the hospital's own session sees stands
here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import or_, select

from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.languages import mark
from patients import consent_labels, labels
from patients.models import Consent, DataImport, Encounter, Enrolment, PatientMerge, Suppression
from tenants.models import Department
from tenants.rights import Action

LIMIT = 500
PAGE = 40  # entries; a day is never cut
# The kinds of entries as the filter of the page names them, in its order.
KINDS = {
    "encounter": mark("Stays and visits"),
    "call": mark("Calls"),
    "response": mark("Answered questionnaires"),
    "case": mark("Complaints and praise"),
    "message": mark("Messages"),
    "suppression": mark("Stops"),
    "enrolment": mark("Programme"),
    "consent": mark("Consent"),
    "import": mark("Lists"),
    "merge": mark("Merges"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `title` and `detail` are in the reader's language.

    `tone` is that of a badge: neutral, good, warn, bad, info. `path` leads to the thing, relative to the
    hospital's own address (`cases/<id>`); `needs` is the right without which it is no link. `whole_day`: only
    the day is known.
    """

    at: datetime
    kind: str
    title: str
    detail: str = ""
    tone: str = "neutral"
    path: str | None = None
    needs: Action | None = None
    whole_day: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the history: days, the newest first, each with its entries; `counts` are those of the kinds.

    `older` is the day before which the next page goes on, None at the end.
    """

    days: tuple[tuple[date, tuple[Entry, ...]], ...]
    counts: dict[str, int]
    older: date | None


Source = Callable[[HospitalSession, UUID], list[Entry]]
_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Add a source, or replace the one of that name."""
    _sources[name] = source


def of(session: HospitalSession, patient_id: UUID, *, limit: int = LIMIT) -> list[Entry]:
    """Everything that all sources know of a patient, the newest first."""
    entries = [entry for source in (_own, *_sources.values()) for entry in source(session, patient_id)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def page(entries: list[Entry], *, kind: str = "", before: date | None = None) -> Page:
    """A page of entries that `of` gave: of one kind, older than a day; grouped by days of China."""
    counts = {known: sum(entry.kind == known for entry in entries) for known in KINDS}
    wanted = [entry for entry in entries if kind in ("", entry.kind)]
    days: list[tuple[date, tuple[Entry, ...]]] = []
    shown = 0
    for day, group in groupby(wanted, key=lambda entry: local_date(entry.at)):
        if before is not None and day >= before:
            continue
        if shown >= PAGE:
            return Page(tuple(days), counts, days[-1][0])
        days.append((day, tuple(group)))
        shown += len(days[-1][1])
    return Page(tuple(days), counts, None)


def _own(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    return [
        *_encounters(session, patient_id),
        *_enrolments(session, patient_id),
        *_suppressions(session, patient_id),
        *_consents(session, patient_id),
        *_imports(session, patient_id),
        *_merges(session, patient_id),
    ]


def _encounters(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.execute(
        select(Encounter, Department.name)
        .outerjoin(
            Department,
            (Department.tenant_id == Encounter.tenant_id) & (Department.id == Encounter.department_id),
        )
        .where(Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient_id)
    )
    entries = []
    for row, department in rows:
        title = _("Discharged") if row.kind == "inpatient" else labels.of(labels.KINDS, row.kind)
        how = labels.of(labels.DISPOSITIONS, row.disposition)
        entries.append(
            Entry(
                at=local_day_start(row.discharged_on),
                kind="encounter",
                title=_("Discharge taken back") if row.withdrawn_at is not None else title,
                detail=" · ".join(part for part in (department, row.ward, how) if part),
                tone="bad" if row.disposition == "died" else "neutral",
                whole_day=True,
            )
        )
    return entries


def _enrolments(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(Enrolment).where(Enrolment.tenant_id == session.tenant_id, Enrolment.patient_id == patient_id)
    )
    entries = []
    for row in rows:
        entries.append(_on_day(row.started_on, _("Enrolled"), tone="good"))
        if row.cancelled_on is not None:
            entries.append(_on_day(row.cancelled_on, _("Enrolment cancelled, free of charge")))
        elif row.ended_on is not None:
            reason = labels.of(labels.END_REASONS, row.end_reason)
            entries.append(_on_day(row.ended_on, _("Enrolment ended"), reason))
    return entries


def _on_day(day: date, title: str, detail: str = "", tone: str = "neutral") -> Entry:
    return Entry(local_day_start(day), "enrolment", title, detail, tone, whole_day=True)


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
        if row.reason == "deceased" and row.confirmed_at is not None:
            by = row.confirmed_by or ""
            entries.append(Entry(row.confirmed_at, "suppression", _("Death confirmed"), by, tone="warn"))
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
            detail=consent_labels.of(consent_labels.PURPOSES, row.purpose),
            tone="good" if row.given else "warn",
        )
        for row in rows
    ]


def _imports(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(DataImport).where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.id.in_(
                select(Encounter.import_id).where(
                    Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient_id
                )
            ),
        )
    )
    return [
        Entry(
            at=row.imported_at,
            kind="import",
            title=_("Came in with a list"),
            detail=row.file_name or row.source,
            path=f"imports/{row.id}",
            needs=Action.IMPORT_PATIENTS,
        )
        for row in rows
    ]


def _merges(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    rows = session.scalars(
        select(PatientMerge).where(
            PatientMerge.tenant_id == session.tenant_id,
            or_(PatientMerge.kept_id == patient_id, PatientMerge.gone_id == patient_id),
        )
    )
    entries = []
    for row in rows:
        entries.append(Entry(row.merged_at, "merge", _("Two records became one"), row.reason, tone="info"))
        if row.undone_at is not None:
            entries.append(Entry(row.undone_at, "merge", _("Two records again"), row.undone_by or ""))
    return entries
