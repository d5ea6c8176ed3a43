"""Contacts stopped, allowed again, and the enrolment taken back, from the page of a patient (S4-15)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import redirect
from patients import enrolment, suppression
from patients.models import Suppression
from patients.patient_pages import in_use, short
from tenants.rights import Action
from tenants.visit import Visit

FEW_WORDS = 4  # characters: 本人接听 says how somebody knows, 误 does not


class SuppressForm(msgspec.Struct):
    """Why nobody may contact this patient any more; `confirmed` is asked for the dead."""

    reason: str = ""
    note: str = ""
    confirmed: str = ""


class ReasonForm(msgspec.Struct):
    """Why something is undone."""

    reason: str = ""


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/suppress", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True
)
def suppress(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[SuppressForm],
) -> Redirect:
    """Stop every contact with this patient. The dead need a second confirmation (S4-15)."""
    if data.reason not in suppression.REASONS:
        raise UserMistake(_("Choose a reason."))
    if data.reason == "deceased" and data.confirmed != "yes":
        raise UserMistake(_("Tick the box to confirm that the patient has died."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        in_use(session, patient_id)
        try:
            suppression.suppress(
                session, patient_id, data.reason, note=short(data.note), source="card", now=visit.now
            )
        except suppression.UnknownPatient as error:
            raise NotFound from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Nobody will contact this patient."))


@post(
    "/h/{code:str}/suppressions/{suppression_id:uuid}/lift",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def lift(
    code: FromPath[str],
    suppression_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Undo, with the reason: enrolment and contacts come back as they were. A death that two people or the
    hospital's own list vouch for is undone by whoever may confirm one, in a few words (S4-15).
    """
    reason = mask_numbers(short(data.reason))
    if not reason:
        raise UserMistake(_("Say why it is undone."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        known = session.get(Suppression, (session.tenant_id, suppression_id))
        if known is not None and known.reason == "deceased" and known.confirmed_at is not None:
            if not visit.may(Action.CONFIRM_DEATHS, code):
                raise UserMistake(_("Only somebody who may confirm deaths undoes a confirmed one."))
            if len(reason) < FEW_WORDS:
                raise UserMistake(_("Say how you know that the patient is alive."))
        try:
            row = suppression.lift(session, suppression_id, now=visit.now, reason=reason)
        except suppression.UnknownSuppression as error:
            raise NotFound from error
        patient_id = row.patient_id
        still = suppression.active_reasons(session, patient_id)
    notice = _("One reason less; another one still holds.") if still else _("Contacts are allowed again.")
    return redirect(f"/h/{code}/patients/{patient_id}", notice=notice)


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/enrolment/cancel",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def cancel_enrolment(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Take a patient out of the programme; free within seven days."""
    if not data.reason.strip():
        raise UserMistake(_("Say why the patient leaves the programme."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        in_use(session, patient_id)
        try:
            row = enrolment.cancel(
                session, patient_id, reason=mask_numbers(short(data.reason)), now=visit.now
            )
        except enrolment.NotEnrolled as error:
            raise UserMistake(_("This patient is not enrolled.")) from error
        free = row.cancelled_on is not None
    notice = _("Enrolment cancelled, free of charge.") if free else _("The enrolment ends today.")
    return redirect(f"/h/{code}/patients/{patient_id}", notice=notice)


handlers: list[ControllerRouterHandler | Any] = [suppress, lift, cancel_enrolment]
