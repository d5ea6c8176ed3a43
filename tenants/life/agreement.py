"""The processing agreement (委托处理协议): what the firm may do with a hospital's data, and until when
(PIPL 21).

Every import, contact, survey and export names its purpose and asks here first, once an operation and never
once a row. What the agreement does not cover is refused in one sentence, and the refusal stands in the
hospital's audit trail although nothing else of the transaction remains.

A complaint is received whatever the agreement says: the regulation obliges the hospital to take it (医疗机构
投诉管理办法 8), and what a patient has said must never be lost. What the firm does about it (calls, exports)
asks like everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from foundation import audit
from foundation.calendar import add_months, first_of_month, local_date, local_day_start
from foundation.database import FirmSession, HospitalSession, afterwards
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import UserMistake
from tenants.models import Hospital, ProcessingAgreement, SubProcessor

Purpose = Literal["care_followup", "satisfaction", "complaint", "benchmark", "marketing"]

# What data is used for (处理目的), and in which words.
PURPOSES: dict[str, str] = {
    "care_followup": mark("Follow-up after discharge"),
    "satisfaction": mark("Satisfaction surveys"),
    "complaint": mark("Complaints and praise"),
    "benchmark": mark("Comparison with other hospitals"),
    "marketing": mark("Offers and health events"),
}
# Kinds of data (个人信息种类); the names of an import's fields stand in `patients.feeds`.
FIELDS: dict[str, str] = {
    "identity": mark("Name, sex, age, record number"),
    "id_number": mark("ID number"),
    "phone": mark("Telephone number"),
    "contact_person": mark("Contact person and their number"),
    "stay": mark("Department, ward, dates of the stay"),
    "doctor": mark("Doctor in charge"),
    "diagnosis": mark("Diagnosis"),
    "disposition": mark("Way of discharge"),
}
CHANNELS: dict[str, str] = {
    "telephone": mark("Telephone"),
    "sms": mark("Text message"),
    "wechat": mark("WeChat"),
    "web": mark("Web form"),
}
# Services that may be passed on (转委托), as they are named to the hospital.
SERVICES: dict[str, str] = {
    "sms": mark("Text messages"),
    "telephony": mark("Telephone line"),
    "cloud": mark("Servers"),
    "speech": mark("Speech recognition"),
    "wechat": mark("WeChat messages"),
}
# What becomes of the data at the end (PIPL 21: return or delete, keep nothing).
ENDINGS: dict[str, str] = {
    "return": mark("Returned to the hospital, then deleted"),
    "delete": mark("Deleted"),
}
# Without these no list can be read, and a family in mourning would be called.
ALWAYS_FIELDS = frozenset({"identity", "stay", "disposition"})
# What a new agreement offers: nobody needs offers for their care (PIPL 13, 16).
USUAL_PURPOSES = ("care_followup", "satisfaction", "complaint", "benchmark")


NOTHING_IN_FORCE = mark("No signed processing agreement covers today; the hospital has to sign one first.")


class NotAgreed(UserMistake):
    """The agreement in force does not cover this, or none is in force."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The agreement in force on a day, as rules ask it: values, no row."""

    version: int
    purposes: frozenset[str]
    fields: frozenset[str]
    channels: frozenset[str]
    benchmark: bool
    valid_from: date
    valid_to: date | None


def in_force(session: HospitalSession, day: date) -> Terms | None:
    """The agreement of this day, or None. One query.

    The newest signed version that has begun counts; where it was ended or has run out, nothing does: an
    older and wider version never comes back by itself.
    """
    row = row_in_force(session, day)
    return None if row is None else terms_of(row)


def row_in_force(session: HospitalSession, day: date) -> ProcessingAgreement | None:
    """The same as its row, for whoever writes the next version."""
    row = session.scalar(
        select(ProcessingAgreement)
        .where(
            ProcessingAgreement.tenant_id == session.tenant_id,
            ProcessingAgreement.signed_at.is_not(None),
            ProcessingAgreement.valid_from <= day,
        )
        .order_by(ProcessingAgreement.version.desc())
        .limit(1)
    )
    return row if row is not None and _holds(row, day) else None


def of_firm(session: FirmSession, day: date) -> dict[UUID, Terms]:
    """The agreement of this day for each of the session's hospitals that has one. One query."""
    rows = session.scalars(
        select(ProcessingAgreement)
        .where(
            ProcessingAgreement.tenant_id.in_(session.tenant_ids),
            ProcessingAgreement.signed_at.is_not(None),
            ProcessingAgreement.valid_from <= day,
        )
        .ext(distinct_on(ProcessingAgreement.tenant_id))
        .order_by(ProcessingAgreement.tenant_id, ProcessingAgreement.version.desc())
    )
    return {row.tenant_id: terms_of(row) for row in rows if _holds(row, day)}


def _holds(row: ProcessingAgreement, day: date) -> bool:
    return row.ended_at is None and (row.valid_to is None or row.valid_to >= day)


def terms_of(row: ProcessingAgreement) -> Terms:
    """What one version says."""
    return Terms(
        version=row.version,
        purposes=frozenset(row.purposes),
        fields=frozenset(row.fields),
        channels=frozenset(row.channels),
        benchmark=row.benchmark == "full",
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )


def require(session: HospitalSession, purpose: Purpose, *, doing: str, now: datetime) -> Terms:
    """The terms under which this may be done now; raises `NotAgreed`, and the refusal is on record.

    `doing` names the act as the audit trail does, such as `patients.import`.
    """
    terms = in_force(session, local_date(now))
    if terms is not None and purpose in terms.purposes:
        return terms
    _refused(session, terms, doing, now, purpose=purpose)
    if terms is None:
        raise NotAgreed(NOTHING_IN_FORCE)
    raise NotAgreed(
        _("The processing agreement does not cover this purpose: {purpose}.", purpose=_(PURPOSES[purpose]))
    )


def covered(
    session: HospitalSession,
    purposes: Collection[str],
    *,
    doing: str,
    now: datetime,
    channel: str | None = None,
    each: bool = False,
) -> frozenset[str]:
    """Which of these purposes may be served now, by this channel if one is named. One query.

    For work that leaves out what is not covered instead of failing. The refusal is on record once a day for
    each act, however often the scheduler tries again; with `each` every time, for what a person does.
    """
    terms = in_force(session, local_date(now))
    allowed = frozenset(purposes) & (terms.purposes if terms else frozenset())
    if channel is not None and (terms is None or channel not in terms.channels):
        allowed = frozenset()
    left_out = sorted(set(purposes) - allowed)
    if left_out and (each or not _on_record_today(session, doing, now)):
        _refused(session, terms, doing, now, purposes=left_out, channel=channel)
    return allowed


def require_for_export(session: HospitalSession, *, doing: str, now: datetime) -> None:
    """Data leaves the product under an agreement, or while the hospital leaves and takes it along (PIPL
    21). Raises `NotAgreed`, on record.
    """
    if in_force(session, local_date(now)) is not None:
        return
    state = session.scalar(select(Hospital.state).where(Hospital.tenant_id == session.tenant_id))
    if state == "leaving":
        return
    _refused(session, None, doing, now)
    raise NotAgreed(NOTHING_IN_FORCE)


def require_sub_processor(session: HospitalSession, service: str, name: str, *, now: datetime) -> None:
    """Somebody else may be handed this hospital's data only with the hospital's consent (转委托, PIPL 21).

    `service` is one of `SERVICES`, `name` the gateway as the hospital approved it. Raises `NotAgreed`, on
    record.
    """
    approved = session.scalar(
        select(SubProcessor.id).where(
            SubProcessor.tenant_id == session.tenant_id,
            SubProcessor.service == service,
            SubProcessor.name == name,
            SubProcessor.approved_at.is_not(None),
            SubProcessor.ended_at.is_(None),
        )
    )
    if approved is not None:
        return
    _refused(session, None, "agreement.sub_processor", now, service=service, name=name)
    raise NotAgreed(_("The hospital has not approved this sub-processor: {name}.", name=name))


def benchmark_members(session: FirmSession, month: date, today: date) -> frozenset[UUID]:
    """Which of the session's hospitals take part in the comparison of a month. One query.

    Needs an agreement in force today, and the comparison agreed on some day of that month: who withdraws
    leaves with the next period, and what was released before stays as it was.
    """
    last = add_months(first_of_month(month), 1) - timedelta(days=1)
    rows = session.execute(
        select(ProcessingAgreement)
        .where(
            ProcessingAgreement.tenant_id.in_(session.tenant_ids),
            ProcessingAgreement.signed_at.is_not(None),
            ProcessingAgreement.valid_from <= max(today, last),
        )
        .order_by(ProcessingAgreement.tenant_id, ProcessingAgreement.version)
    ).scalars()
    versions: dict[UUID, list[Version]] = {}
    for row in rows:
        ended_on = local_date(row.ended_at) if row.ended_at else None
        shares = row.benchmark == "full" and "benchmark" in row.purposes
        versions.setdefault(row.tenant_id, []).append(Version(row.valid_from, row.valid_to, ended_on, shares))
    first = first_of_month(month)
    return frozenset(
        tenant_id for tenant_id, known in versions.items() if takes_part(known, first, last, today)
    )


@dataclass(frozen=True, slots=True)
class Version:
    """One signed version as the comparison sees it: its days, the day it was ended, whether it shares."""

    valid_from: date
    valid_to: date | None
    ended_on: date | None
    shares: bool


def takes_part(versions: Sequence[Version], first: date, last: date, today: date) -> bool:
    """Whether a hospital with these versions (oldest first) is compared for the month `first` to `last`."""
    spans = [_span(version, versions[place + 1 :]) for place, version in enumerate(versions)]
    in_force_today = any(
        begin <= today <= end and version.ended_on is None
        for version, (begin, end) in zip(versions, spans, strict=True)
    )
    shared = any(
        version.shares and begin <= last and end >= first
        for version, (begin, end) in zip(versions, spans, strict=True)
    )
    return in_force_today and shared


def _span(version: Version, later: Sequence[Version]) -> tuple[date, date]:
    """First and last day on which a version was the one that counts."""
    ends = [version.valid_to or date.max, version.ended_on or date.max]
    ends += [following.valid_from - timedelta(days=1) for following in later]
    return version.valid_from, min(ends)


def sign_usual(
    session: HospitalSession,
    *,
    by: str,
    now: datetime,
    valid_from: date | None = None,
    valid_to: date | None = None,
    for_hospital: str = "",
) -> ProcessingAgreement:
    """Write down as signed what is usually agreed, for a hospital whose contract lies before whoever makes
    it: the command line and the demo. The same again returns what is in force.

    `by` stands for both sides unless somebody is named for the hospital; days are days in Asia/Shanghai,
    both included.
    """
    found = session.scalar(
        select(ProcessingAgreement)
        .where(ProcessingAgreement.tenant_id == session.tenant_id, ProcessingAgreement.signed_at.is_not(None))
        .order_by(ProcessingAgreement.version.desc())
        .limit(1)
    )
    if found is not None:
        return found
    row = ProcessingAgreement(
        tenant_id=session.tenant_id,
        version=1,
        purposes=list(USUAL_PURPOSES),
        fields=list(FIELDS),
        channels=list(CHANNELS),
        benchmark="full",
        on_end="delete",
        valid_from=valid_from or local_date(now),
        valid_to=valid_to,
        signed_for_firm=by,
        firm_signed_at=now,
        signed_for_hospital=for_hospital or by,
        hospital_signed_at=now,
        signed_at=now,
        created_by=by,
        created_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(session, "agreement.signed", now=now, subject=f"agreement:{row.id}", detail={"version": 1})
    return row


def _on_record_today(session: HospitalSession, doing: str, now: datetime) -> bool:
    event = audit.AuditEvent
    return bool(
        session.scalar(
            select(event.id)
            .where(
                event.tenant_id == session.tenant_id,
                event.action == "agreement.refused",
                event.at >= local_day_start(local_date(now)),
                event.at <= now,
                event.detail["doing"].astext == doing,
            )
            .limit(1)
        )
    )


def _refused(session: HospitalSession, terms: Terms | None, doing: str, now: datetime, **told: Any) -> None:
    detail = {"doing": doing, "version": terms.version if terms else None} | told
    afterwards(session, lambda late: audit.record(late, "agreement.refused", now=now, detail=detail))
