"""What patients ask about their own data (个人信息权利请求, PIPL 44 to 50): a copy, a correction, erasure,
a restriction.

Anybody who speaks with patients takes a request down; the hospital decides, within 15 days, after the
identity was checked, and a refusal says why (PIPL 50). Nothing is handed out before. A copy is made in the
background, can be taken once, and is gone then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import delete, exists, func, select

from foundation import audit, extracts, files, outbox
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.files import StoredFile
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import restriction, suppression
from patients.models import Encounter, Patient, SubjectRequest
from patients.restriction import Correction
from patients.service import patient_or_raise
from tenants.keys import data_key
from tenants.models import Hospital

Kind = Literal["copy", "correction", "erasure", "restriction"]
Requester = Literal["patient", "guardian", "relative"]
Channel = Literal["telephone", "counter", "letter", "online"]
KINDS: tuple[Kind, ...] = get_args(Kind)
REQUESTERS: tuple[Requester, ...] = get_args(Requester)
CHANNELS: tuple[Channel, ...] = get_args(Channel)
# How somebody showed who they are.
PROOFS = ("id_card", "known_number", "household", "authorisation")
# The hospital's own deadline (regulation C1, rows 44-50).
DAYS = 15
COPY_JOB = "patients.subject_copy"
LONGEST = 1_000


class UnknownRequest(LookupError):
    """No such request in this hospital."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request in a list, with the patient it is about."""

    row: SubjectRequest
    name: str
    record_number: str
    restricted: bool
    erased: bool


def register(
    session: HospitalSession,
    patient_id: UUID,
    *,
    kind: str,
    requester: str,
    channel: str,
    wish: str,
    asked_on: date,
    now: datetime,
) -> SubjectRequest:
    """Take a request down; its clock is 15 days from the day it was made.

    Raises `UserMistake`, `patients.suppression.UnknownPatient`.
    """
    patient = patient_or_raise(session, patient_id)
    if kind not in KINDS or requester not in REQUESTERS or channel not in CHANNELS:
        raise UserMistake(_("Choose what is asked, by whom, and how it came in."))
    if patient.erased_at is not None:
        raise UserMistake(_("The data of this patient is erased already."))
    if asked_on > local_date(now):
        raise UserMistake(_("The day of the request lies in the future."))
    # PIPL 49: near relatives may ask for themselves once the patient has died.
    if requester == "relative" and not _has_died(session, patient_id):
        raise UserMistake(_("Near relatives can ask only for a patient who has died."))
    row = SubjectRequest(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient_id,
        kind=kind,
        requester=requester,
        channel=channel,
        wish_cipher=data_key(session).encrypt(wish.strip()[:LONGEST]),
        asked_on=asked_on,
        due_on=asked_on + timedelta(days=DAYS),
        state="open",
        reason="",
        taken_by=session.scope.actor.name,
        counts={},
        created_at=now,
    )
    session.add(row)
    session.flush()
    _record(session, row, "request_registered", now, kind=kind, requester=requester)
    return row


def confirm_identity(session: HospitalSession, request_id: UUID, *, proof: str, now: datetime) -> None:
    """Whoever asks has shown who they are. Raises `UserMistake`, `UnknownRequest`."""
    row = open_request(session, request_id)
    if proof not in PROOFS:
        raise UserMistake(_("Say how the identity was checked."))
    row.identity_checked_by, row.identity_checked_at = session.scope.actor.name, now
    session.flush()
    _record(session, row, "request_identity_checked", now, proof=proof)


def refuse(session: HospitalSession, request_id: UUID, *, reason: str, now: datetime) -> None:
    """Decline, with the reason that is told (PIPL 50). Raises `UserMistake`, `UnknownRequest`."""
    row = open_request(session, request_id)
    if not reason.strip():
        raise UserMistake(_("A refusal needs its reason (PIPL 50)."))
    _drop_result(session, row)
    _decide(session, row, "refused", reason.strip()[:LONGEST], now)
    _record(session, row, "request_refused", now)


def prepare_copy(session: HospitalSession, request_id: UUID, *, now: datetime) -> None:
    """Let the copy be made in the background. Raises `UserMistake`, `UnknownRequest`."""
    row = _to_decide(session, request_id, "copy")
    if row.result_file_id is not None:
        raise UserMistake(_("The copy is ready already."))
    row.decided_by, row.decided_at = session.scope.actor.name, now
    session.flush()
    outbox.enqueue(session, COPY_JOB, now=now, tenant_id=str(session.tenant_id), request_id=str(request_id))
    _record(session, row, "request_copy_ordered", now)


def make_copy(session: HospitalSession, request_id: UUID, *, now: datetime) -> bool:
    """Make the copy that was ordered: this patient's data, nobody else's. False when not wanted any more."""
    row = _locked(session, request_id)
    if row is None or row.state != "open" or row.decided_at is None or row.result_file_id is not None:
        return False
    hospital = session.get_one(Hospital, session.tenant_id)
    whom = extracts.Whom(hospital.code, hospital.name, hospital.name_en, row.patient_id)
    key = data_key(session)
    with extracts.spool() as target:
        made = extracts.write(session, key, whom, target, now=now)
        target.seek(0)
        row.result_file_id = files.put(
            session,
            key,
            name=f"{hospital.code}-{row.id}.zip",
            media_type=extracts.MEDIA_TYPE,
            content=target.read(),
            now=now,
        )
    row.counts = row.counts | {"rows": sum(made.counts.values()), "files": made.files}
    session.flush()
    _record(session, row, "request_copy_made", now, rows=row.counts["rows"])
    return True


def hand_out(session: HospitalSession, request_id: UUID, *, reason: str, now: datetime) -> tuple[str, bytes]:
    """The copy, this once: name and content. It is not kept afterwards, and the request is done.

    Raises `UserMistake`, `UnknownRequest`.
    """
    row = _to_decide(session, request_id, "copy")
    if not reason.strip():
        raise UserMistake(_("Say to whom and how the copy is handed over."))
    if row.result_file_id is None:
        raise UserMistake(_("The copy is not ready yet."))
    stored, content = files.get(session, data_key(session), row.result_file_id)
    name = stored.name
    _drop_result(session, row)
    _decide(session, row, "done", "", now)
    _record(session, row, "request_copy_handed_out", now, reason=reason.strip()[:LONGEST])
    return name, content


def correct(session: HospitalSession, request_id: UUID, wanted: Correction, *, now: datetime) -> list[str]:
    """Put data right and close the request; returns the fields. Raises `UserMistake`, `UnknownRequest`."""
    row = _to_decide(session, request_id, "correction")
    fields = restriction.correct(session, row.patient_id, wanted, now=now)
    _decide(session, row, "done", "", now)
    _record(session, row, "request_done", now, fields=fields)
    return fields


def restrict(session: HospitalSession, request_id: UUID, *, now: datetime) -> None:
    """Keep the data and use it no more. Raises `UserMistake`, `UnknownRequest`.

    An erasure that is held back may be restricted meanwhile (PIPL 47); that request stays open.
    """
    row = open_request(session, request_id)
    if row.kind not in {"restriction", "erasure"}:
        raise UserMistake(_("The request asks for something else."))
    _identity(row)
    restriction.restrict(session, row.patient_id, now=now)
    if row.kind == "restriction":
        _decide(session, row, "done", "", now)
    _record(session, row, "request_restricted", now)


def erase(session: HospitalSession, request_id: UUID, *, now: datetime) -> dict[str, int]:
    """Erase the patient's data. Raises `UserMistake` naming what holds it back, `UnknownRequest`."""
    row = _to_decide(session, request_id, "erasure")
    held = restriction.holds(session, row.patient_id, local_date(now))
    if held:
        raise UserMistake(_("It cannot be erased yet: {holds}", holds=" ".join(held)))
    _decide(session, row, "done", "", now)
    touched = restriction.erase(session, row.patient_id, now=now)
    session.refresh(row)
    _record(session, row, "request_done", now)
    return touched


def wish_of(session: HospitalSession, row: SubjectRequest) -> str:
    """What is asked for, in the words of whoever asks."""
    return data_key(session).decrypt(row.wish_cipher)


def listed(
    session: HospitalSession, *, state: str = "open", patient_id: UUID | None = None
) -> Sequence[RequestLine]:
    """The requests of the hospital in this state, the most urgent first; or all of one patient."""
    query = (
        select(SubjectRequest, Patient)
        .join(
            Patient,
            (Patient.tenant_id == SubjectRequest.tenant_id) & (Patient.id == SubjectRequest.patient_id),
        )
        .where(SubjectRequest.tenant_id == session.tenant_id)
    )
    if patient_id is None:
        query = query.where(SubjectRequest.state == state).order_by(SubjectRequest.due_on, SubjectRequest.id)
    else:
        query = query.where(SubjectRequest.patient_id == patient_id).order_by(SubjectRequest.id.desc())
    return [_line(row, patient) for row, patient in session.execute(query.limit(500))]


def one(session: HospitalSession, request_id: UUID) -> RequestLine:
    """One request. Raises `UnknownRequest`."""
    row = session.get(SubjectRequest, (session.tenant_id, request_id))
    if row is None:
        raise UnknownRequest(str(request_id))
    return _line(row, patient_or_raise(session, row.patient_id))


def overdue_count(session: HospitalSession, today: date) -> int:
    """How many open requests are past their day."""
    return int(
        session.scalar(
            select(func.count()).where(
                SubjectRequest.tenant_id == session.tenant_id,
                SubjectRequest.state == "open",
                SubjectRequest.due_on < today,
            )
        )
        or 0
    )


def note_overdue(session: HospitalSession, today: date, *, now: datetime) -> int:
    """Put each request that has become overdue on record, once; returns how many."""
    rows = session.scalars(
        select(SubjectRequest).where(
            SubjectRequest.tenant_id == session.tenant_id,
            SubjectRequest.state == "open",
            SubjectRequest.due_on < today,
            SubjectRequest.counts["overdue"].is_(None),
        )
    ).all()
    for row in rows:
        row.counts = row.counts | {"overdue": today.isoformat()}
        _record(session, row, "request_overdue", now)
    return len(rows)


def open_request(session: HospitalSession, request_id: UUID) -> SubjectRequest:
    """The request, locked, while it can still be worked on. Raises `UserMistake`, `UnknownRequest`."""
    row = _locked(session, request_id)
    if row is None:
        raise UnknownRequest(str(request_id))
    if row.state != "open":
        raise UserMistake(_("This request is closed."))
    return row


def _to_decide(session: HospitalSession, request_id: UUID, kind: Kind) -> SubjectRequest:
    row = open_request(session, request_id)
    if row.kind != kind:
        raise UserMistake(_("The request asks for something else."))
    _identity(row)
    return row


def _identity(row: SubjectRequest) -> None:
    if row.identity_checked_at is None:
        raise UserMistake(_("Check the identity first."))


def _locked(session: HospitalSession, request_id: UUID) -> SubjectRequest | None:
    return session.scalar(
        select(SubjectRequest)
        .where(SubjectRequest.tenant_id == session.tenant_id, SubjectRequest.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _decide(session: HospitalSession, row: SubjectRequest, state: str, reason: str, now: datetime) -> None:
    row.state, row.reason = state, reason
    row.decided_by, row.decided_at = session.scope.actor.name, now
    session.flush()


def _drop_result(session: HospitalSession, row: SubjectRequest) -> None:
    file_id, row.result_file_id = row.result_file_id, None
    session.flush()
    session.execute(
        delete(StoredFile).where(StoredFile.tenant_id == session.tenant_id, StoredFile.id == file_id)
    )


def _has_died(session: HospitalSession, patient_id: UUID) -> bool:
    died = exists(
        select(1).where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.patient_id == patient_id,
            Encounter.disposition == "died",
            Encounter.withdrawn_at.is_(None),
        )
    )
    return "deceased" in suppression.active_reasons(session, patient_id) or bool(session.scalar(select(died)))


def _line(row: SubjectRequest, patient: Patient) -> RequestLine:
    erased = patient.erased_at is not None
    number = "" if erased else patient.record_number
    return RequestLine(row, patient.name, number, patient.restricted_at is not None, erased)


def _record(
    session: HospitalSession,
    row: SubjectRequest,
    action: str,
    now: datetime,
    *,
    reason: str = "",
    **detail: object,
) -> None:
    """On record under the request; which patient stands in the request itself."""
    audit.record(
        session, f"patients.{action}", now=now, subject=f"request:{row.id}", reason=reason, detail=detail
    )
