"""Writing, signing and ending a processing agreement, and the papers beside it (PIPL 21, 55, 56).

A draft belongs to the firm until both sides have signed; from then on it never changes: a change is a new
version, and the old one stays to be read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text

from foundation import audit, files
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.keys import data_key
from tenants.life import agreement
from tenants.models import ImpactAssessment, ProcessingAgreement, SubProcessor

PDF = "application/pdf"
MAGIC, END = b"%PDF-", b"%%EOF"
# The end of a PDF stands in its last kilobyte; behind it no other file begins.
END_WITHIN = 1024
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b\x08")
LARGEST = 10_000_000
# A day outside is a typing error.
EARLIEST, LATEST = date(2000, 1, 1), date(2200, 12, 31)
NAME_LENGTH, SUMMARY_LENGTH = 80, 4000


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be agreed, in the words of `tenants.life.agreement`; the days Asia/Shanghai, both in."""

    purposes: frozenset[str]
    fields: frozenset[str]
    channels: frozenset[str]
    benchmark: bool
    on_end: str
    valid_from: date
    valid_to: date | None


def versions(session: HospitalSession) -> Sequence[ProcessingAgreement]:
    """All versions, the newest first, an unsigned draft among them."""
    return session.scalars(
        select(ProcessingAgreement)
        .where(ProcessingAgreement.tenant_id == session.tenant_id)
        .order_by(ProcessingAgreement.version.desc())
    ).all()


def write(session: HospitalSession, draft: Draft, *, now: datetime) -> ProcessingAgreement:
    """Write the draft, over the one that is not signed yet if there is one; signatures on it are void.

    Raises `UserMistake` for what cannot be agreed.
    """
    _check(draft)
    _serialise(session)
    row = session.scalar(
        select(ProcessingAgreement)
        .where(ProcessingAgreement.tenant_id == session.tenant_id, ProcessingAgreement.signed_at.is_(None))
        .with_for_update()
    )
    if row is None:
        last = session.scalar(
            select(func.max(ProcessingAgreement.version)).where(
                ProcessingAgreement.tenant_id == session.tenant_id
            )
        )
        row = ProcessingAgreement(tenant_id=session.tenant_id, id=new_id(), version=(last or 0) + 1)
        session.add(row)
    row.purposes = _in_order(agreement.PURPOSES, draft.purposes)
    row.fields = _in_order(agreement.FIELDS, draft.fields)
    row.channels = _in_order(agreement.CHANNELS, draft.channels)
    row.benchmark = "full" if draft.benchmark else "none"
    row.on_end, row.valid_from, row.valid_to = draft.on_end, draft.valid_from, draft.valid_to
    row.signed_for_firm = row.signed_for_hospital = ""
    row.firm_signed_at = row.hospital_signed_at = None
    row.created_by, row.created_at = session.scope.actor.name, now
    session.flush()
    _record(session, "agreement.drafted", row, now)
    return row


def sign(session: HospitalSession, version_id: UUID, *, side: str, now: datetime) -> ProcessingAgreement:
    """Sign for the `firm` or for the `hospital` under the name of whoever does; signing twice is once.

    In force from its first day on once both have. Raises `NotFound`, `UserMistake` where it was ended.
    """
    _serialise(session)
    row = _locked(session, version_id)
    name = session.scope.actor.name
    if side == "firm" and row.firm_signed_at is None:
        row.signed_for_firm, row.firm_signed_at = name, now
    elif side == "hospital" and row.hospital_signed_at is None:
        row.signed_for_hospital, row.hospital_signed_at = name, now
    else:
        return row
    if row.firm_signed_at is not None and row.hospital_signed_at is not None:
        row.signed_at = now
    session.flush()
    _record(session, "agreement.signed", row, now, side=side)
    return row


def end(session: HospitalSession, version_id: UUID, *, reason: str, now: datetime) -> None:
    """The hospital ends a signed version at once: nothing is imported and nobody is called any more.

    Raises `NotFound`, `UserMistake` for a draft, without a reason, or where it had ended before.
    """
    row = _locked(session, version_id)
    if row.signed_at is None or row.ended_at is not None:
        raise UserMistake(_("Only a signed agreement that has not ended can be ended."))
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    row.ended_at, row.ended_by = now, session.scope.actor.name
    session.flush()
    audit.record(
        session,
        "agreement.ended",
        now=now,
        subject=f"agreement:{row.id}",
        reason=reason.strip(),
        detail={"version": row.version},
    )


def attach(session: HospitalSession, version_id: UUID, name: str, content: bytes, *, now: datetime) -> None:
    """Keep the paper of a version, encrypted; a signed version takes one once. Raises `UserMistake`."""
    row = _locked(session, version_id)
    if row.signed_at is not None and row.document_file_id is not None:
        raise UserMistake(_("A signed agreement keeps the document it has."))
    row.document_file_id = _keep(session, name, content, now)
    session.flush()
    _record(session, "agreement.document_kept", row, now)


def document(session: HospitalSession, file_id: UUID, *, now: datetime) -> tuple[str, bytes]:
    """Name and content of a kept paper; reading it is on record. Raises `NotFound`."""
    known = select(ProcessingAgreement.id).where(
        ProcessingAgreement.tenant_id == session.tenant_id, ProcessingAgreement.document_file_id == file_id
    )
    assessed = select(ImpactAssessment.id).where(
        ImpactAssessment.tenant_id == session.tenant_id, ImpactAssessment.document_file_id == file_id
    )
    if session.scalar(known) is None and session.scalar(assessed) is None:
        raise NotFound
    row, content = files.get(session, data_key(session), file_id)
    audit.record(session, "agreement.document_read", now=now, subject=f"stored_file:{file_id}")
    return row.name, content


def sub_processors(session: HospitalSession) -> Sequence[SubProcessor]:
    """Everybody proposed, approved or ended, by service and name."""
    return session.scalars(
        select(SubProcessor)
        .where(SubProcessor.tenant_id == session.tenant_id)
        .order_by(SubProcessor.service, SubProcessor.name)
    ).all()


def propose(session: HospitalSession, service: str, name: str, *, now: datetime) -> None:
    """Name somebody whom the firm wants to pass data on to; the hospital decides. Raises `UserMistake`."""
    plain = name.strip()[:NAME_LENGTH]
    if service not in agreement.SERVICES or not plain:
        raise UserMistake(_("Name the service and the company."))
    _serialise(session)
    row = session.scalar(
        select(SubProcessor).where(
            SubProcessor.tenant_id == session.tenant_id,
            SubProcessor.service == service,
            SubProcessor.name == plain,
        )
    )
    if row is not None and row.ended_at is None:
        raise UserMistake(_("{name} stands on the list already.", name=plain))
    if row is None:
        row = SubProcessor(tenant_id=session.tenant_id, id=new_id(), service=service, name=plain)
        session.add(row)
    row.proposed_by, row.proposed_at = session.scope.actor.name, now
    row.approved_by = row.approved_at = row.ended_by = row.ended_at = None
    session.flush()
    _record_sub(session, "agreement.sub_processor_proposed", row, now)


def decide(session: HospitalSession, sub_id: UUID, *, approve: bool, now: datetime) -> None:
    """The hospital approves a proposal, or ends an approval or a proposal at once. Raises `NotFound`."""
    row = session.scalar(
        select(SubProcessor)
        .where(SubProcessor.tenant_id == session.tenant_id, SubProcessor.id == sub_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound
    if row.ended_at is not None or (approve and row.approved_at is not None):
        return
    who = session.scope.actor.name
    if approve:
        row.approved_by, row.approved_at = who, now
    else:
        row.ended_by, row.ended_at = who, now
    session.flush()
    word = "approved" if approve else "ended"
    _record_sub(session, f"agreement.sub_processor_{word}", row, now)


def assessments(session: HospitalSession) -> Sequence[ImpactAssessment]:
    """All assessments, the newest first."""
    return session.scalars(
        select(ImpactAssessment)
        .where(ImpactAssessment.tenant_id == session.tenant_id)
        .order_by(ImpactAssessment.assessed_on.desc(), ImpactAssessment.id.desc())
    ).all()


def assess(
    session: HospitalSession,
    purpose: str,
    *,
    assessed_on: date,
    assessed_by: str,
    summary: str,
    now: datetime,
    paper: tuple[str, bytes] | None = None,
) -> ImpactAssessment:
    """Keep the assessment of one purpose; a later one stands beside the earlier. Raises `UserMistake`."""
    if purpose not in agreement.PURPOSES:
        raise UserMistake(_("Choose a purpose."))
    if assessed_on > local_date(now):
        raise UserMistake(_("An assessment cannot be made on a day to come."))
    if not assessed_by.strip() or not summary.strip():
        raise UserMistake(_("Say who assessed and what came of it."))
    row = ImpactAssessment(
        tenant_id=session.tenant_id,
        id=new_id(),
        purpose=purpose,
        assessed_on=assessed_on,
        assessed_by=assessed_by.strip()[:NAME_LENGTH],
        summary=summary.strip()[:SUMMARY_LENGTH],
        document_file_id=_keep(session, *paper, now) if paper else None,
        created_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "agreement.assessed",
        now=now,
        subject=f"impact_assessment:{row.id}",
        detail={"purpose": purpose},
    )
    return row


def _check(draft: Draft) -> None:
    known = (
        draft.purposes <= agreement.PURPOSES.keys()
        and draft.fields <= agreement.FIELDS.keys()
        and draft.channels <= agreement.CHANNELS.keys()
        and draft.on_end in agreement.ENDINGS
    )
    if not known or not draft.purposes or not draft.channels:
        raise UserMistake(_("Choose at least one purpose and one channel."))
    if lacking := agreement.ALWAYS_FIELDS - draft.fields:
        named = "、".join(_(agreement.FIELDS[one]) for one in sorted(lacking))
        raise UserMistake(_("Without these data no list can be read: {fields}", fields=named))
    if any(day is not None and not EARLIEST <= day <= LATEST for day in (draft.valid_from, draft.valid_to)):
        raise UserMistake(_("The days of an agreement lie between 2000 and 2200."))
    if draft.valid_to is not None and draft.valid_to < draft.valid_from:
        raise UserMistake(_("The last day lies before the first."))
    if draft.benchmark and "benchmark" not in draft.purposes:
        raise UserMistake(_("Who takes part in the comparison agrees to that purpose."))


def _locked(session: HospitalSession, version_id: UUID) -> ProcessingAgreement:
    row = session.scalar(
        select(ProcessingAgreement)
        .where(ProcessingAgreement.tenant_id == session.tenant_id, ProcessingAgreement.id == version_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound
    return row


def _serialise(session: HospitalSession) -> None:
    """Two who write an agreement at once follow each other: a first draft has no row to lock."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"agreement:{session.tenant_id}"},
    )


def _is_pdf(content: bytes) -> bool:
    """Whether it begins and ends as a PDF, is no archive to whoever reads it from its end (ZIP), and no other
    archive begins behind it.
    """
    end = content.rfind(END, max(0, len(content) - END_WITHIN))
    if not content.startswith(MAGIC) or end < 0 or any(mark in content[end:] for mark in ARCHIVES):
        return False
    return not zipfile.is_zipfile(io.BytesIO(content))


def _keep(session: HospitalSession, name: str, content: bytes, now: datetime) -> UUID:
    if not _is_pdf(content):
        raise UserMistake(_("Only a PDF document is kept."))
    if len(content) > LARGEST:
        raise UserMistake(_("The document is larger than 10 MB."))
    return files.put(session, data_key(session), name=name, media_type=PDF, content=content, now=now)


def _in_order(known: dict[str, str], chosen: frozenset[str]) -> list[str]:
    return [one for one in known if one in chosen]


def _record(
    session: HospitalSession, action: str, row: ProcessingAgreement, now: datetime, **told: str
) -> None:
    detail = {"version": row.version} | told
    audit.record(session, action, now=now, subject=f"agreement:{row.id}", detail=detail)


def _record_sub(session: HospitalSession, action: str, row: SubProcessor, now: datetime) -> None:
    detail = {"service": row.service, "name": row.name}
    audit.record(session, action, now=now, subject=f"sub_processor:{row.id}", detail=detail)
