"""Consent over the API: what a patient said and what holds, and a new word."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web.api import TROUBLES
from foundation.web.errors import NotFound, UserMistake
from patients import consent
from patients.models import Consent, Patient
from patients.suppression import UnknownPatient
from tenants.rights import Action
from tenants.visit import Visit

Purpose = Literal["care_followup", "satisfaction", "complaint", "marketing"]
Channel = Literal["all", "telephone", "sms", "wechat", "email"]
Source = Literal["patient", "call", "counter", "paper", "sms", "wechat", "web", "api"]


class Held(msgspec.Struct):
    """What holds for one purpose on one channel. `may_contact` weighs it against the purpose's legal basis;
    before `quiet_until` nobody may ask for it again."""

    purpose: str
    channel: str
    standing: str
    since: datetime | None
    basis: str
    may_contact: bool
    quiet_until: datetime | None


class Said(msgspec.Struct):
    """One word for or against a purpose."""

    id: UUID
    purpose: str
    channel: str
    given: bool
    at: datetime
    source: str
    given_by: str
    text_id: UUID | None
    evidence: str
    recorded_by: str


class ConsentRecord(msgspec.Struct):
    """What holds, and every word said, the newest first."""

    holds: list[Held]
    history: list[Said]


class NewWord(msgspec.Struct):
    """A yes (`given`) or a no. `at` is when it was said, without it now; `text_id` is the version of the
    words that was shown."""

    purpose: Purpose
    given: bool
    channel: Channel = "all"
    source: Source = "api"
    given_by: Literal["patient", "guardian"] = "patient"
    text_id: UUID | None = None
    evidence: str = ""
    at: datetime | None = None


@get(
    "/api/v1/h/{code:str}/patients/{patient_id:uuid}/consents",
    needs=Action.VIEW_PATIENTS,
    sync_to_thread=True,
    summary="Read a patient's consents",
    responses=TROUBLES,
)
def read_consents(
    code: FromPath[str], patient_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> ConsentRecord:
    """What the patient agreed to and refused; that somebody looked is recorded. 404 for a patient whose data
    is restricted or erased."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        patient = session.get(Patient, (session.tenant_id, patient_id))
        if patient is None or patient.restricted_at is not None or patient.merged_at is not None:
            raise NotFound
        known = consent.of(session, patient_id, visit.now)
        audit.record(session, "patients.viewed", now=visit.now, subject=f"patient:{patient_id}")
        return ConsentRecord(
            holds=[_held(cell) for cell in known.cells.values()],
            history=[_said(row) for row in known.history],
        )


@post(
    "/api/v1/h/{code:str}/patients/{patient_id:uuid}/consents",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
    summary="Record a consent or its withdrawal",
    responses=TROUBLES,
)
def record_consent(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: JSONBody[NewWord],
) -> Said:
    """Keep one word; a no holds before the next call. 422 for a yes that may not be taken: a child's without
    the guardian, or within twelve months of a no when it was not offered unasked (`source` patient)."""
    if data.at is not None and (data.at.tzinfo is None or data.at > visit.now):
        raise UserMistake(_("The time needs its zone and must not lie in the future."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        try:
            row = consent.record(
                session,
                patient_id,
                data.purpose,
                channel=data.channel,
                given=data.given,
                source=data.source,
                given_by=data.given_by,
                text_id=data.text_id,
                evidence=data.evidence,
                at=data.at,
                now=visit.now,
            )
        except UnknownPatient as error:
            raise NotFound from error
        except consent.WrongText as error:
            raise UserMistake(_("These are not the words of that purpose.")) from error
        return _said(row)


def _held(cell: consent.Cell) -> Held:
    word = cell.holding.word
    return Held(
        purpose=cell.purpose,
        channel=cell.channel,
        standing=cell.holding.standing,
        since=None if word is None else word.at,
        basis=cell.basis,
        may_contact=cell.refusal is None,
        quiet_until=cell.quiet_until,
    )


def _said(row: Consent) -> Said:
    return Said(
        id=row.id,
        purpose=row.purpose,
        channel=row.channel,
        given=row.given,
        at=row.at,
        source=row.source,
        given_by=row.given_by,
        text_id=row.text_id,
        evidence=mask_numbers(row.evidence),
        recorded_by=row.recorded_by,
    )


handlers: list[ControllerRouterHandler] = [read_consents, record_consent]
