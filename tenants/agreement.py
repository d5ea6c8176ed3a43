"""The processing agreement (委托处理协议): what the firm may do with a hospital's data, and until when
(PIPL 21).

Every import, contact, survey and export names its purpose and asks here first. What the agreement does not
cover is refused in one sentence, and the refusal stands in the hospital's audit trail although nothing
else of the transaction remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import select

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession, afterwards
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import UserMistake
from tenants.models import ProcessingAgreement

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
# What a new agreement offers: nobody needs offers for their care (PIPL 13, 16).
USUAL_PURPOSES = ("care_followup", "satisfaction", "complaint", "benchmark")


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
    """The newest signed agreement that covers this day, or None."""
    row = session.scalar(
        select(ProcessingAgreement)
        .where(
            ProcessingAgreement.tenant_id == session.tenant_id,
            ProcessingAgreement.signed_at.is_not(None),
            ProcessingAgreement.ended_at.is_(None),
            ProcessingAgreement.valid_from <= day,
            (ProcessingAgreement.valid_to.is_(None)) | (ProcessingAgreement.valid_to >= day),
        )
        .order_by(ProcessingAgreement.version.desc())
        .limit(1)
    )
    if row is None:
        return None
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
    detail = {"purpose": purpose, "doing": doing, "version": terms.version if terms else None}
    afterwards(session, lambda late: audit.record(late, "agreement.refused", now=now, detail=detail))
    if terms is None:
        raise NotAgreed(_("No signed processing agreement covers today; the hospital has to sign one first."))
    raise NotAgreed(
        _("The processing agreement does not cover this purpose: {purpose}.", purpose=_(PURPOSES[purpose]))
    )
