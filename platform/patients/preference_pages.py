"""What is noted of a patient from their page: what must not be said, how they are best reached, and data put
right.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.calendar import local_date
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import redirect
from patients import correcting, labels, preferences, service, suppression
from patients.patient_pages import in_use, short
from patients.request_pages import day_of
from patients.restriction import Correction
from tenants.rights import Action
from tenants.visit import Visit

LONGEST_NAME = 100


class WordsForm(msgspec.Struct):
    """What must not be said; an empty text keeps what stands, `none` takes it away."""

    words: str = ""
    none: str = ""


class PreferencesForm(msgspec.Struct):
    """How the patient is best reached; empty is not known."""

    answered_by: str = ""
    dialect: str = ""
    preferred_part: str = ""


class CorrectForm(msgspec.Struct):
    """What is put right and why; an empty field stays. `back` leads to the list one came from."""

    reason: str = ""
    name: str = ""
    sex: str = ""
    birth_date: str = ""
    id_number: str = ""
    phone: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    back: str = ""


@post("/h/{code:str}/patients/{patient_id:uuid}/words", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True)
def set_words(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[WordsForm],
) -> Redirect:
    """Note what must not be said. The page shows it by mask, so the form is empty and empty keeps it."""
    address = f"/h/{code}/patients/{patient_id}"
    words = short(data.words)
    changes = bool(words) or data.none == "yes"
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        in_use(session, patient_id)
        try:
            if changes:
                service.set_must_not_say(session, patient_id, words, now=visit.now)
            else:
                service.patient_or_raise(session, patient_id)
        except suppression.UnknownPatient as error:
            raise NotFound from error
    return redirect(address, notice=_("Saved.") if changes else _("Nothing was changed."))


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/preferences",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def set_preferences(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[PreferencesForm],
) -> Redirect:
    """Note who answers, in which dialect, and when a call suits."""
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        in_use(session, patient_id)
        try:
            preferences.set_preferences(
                session,
                patient_id,
                answered_by=data.answered_by,
                dialect=data.dialect,
                preferred_part=data.preferred_part,
                now=visit.now,
            )
        except suppression.UnknownPatient as error:
            raise NotFound from error
        except preferences.UnknownPreference as error:
            raise UserMistake(_("Choose from the list.")) from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Saved."))


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/correct",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
)
def correct(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[CorrectForm],
) -> Redirect:
    """Put data right in place (SC-25), with the reason, on the record."""
    if not data.reason.strip():
        raise UserMistake(_("Say why it is corrected."))
    if data.sex not in {"", *labels.SEXES}:
        raise UserMistake(_("Choose a sex, or leave it as it is."))
    wanted = Correction(
        name=data.name[:LONGEST_NAME],
        sex=data.sex,
        birth_date=day_of(data.birth_date),
        id_number=data.id_number,
        phone=data.phone,
        contact_name=data.contact_name[:LONGEST_NAME],
        contact_phone=data.contact_phone,
    )
    if wanted.birth_date is not None and wanted.birth_date > local_date(visit.now):
        raise UserMistake(_("The birth date lies in the future."))
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        in_use(session, patient_id)
        try:
            correcting.correct(session, patient_id, wanted, reason=short(data.reason), now=visit.now)
        except suppression.UnknownPatient as error:
            raise NotFound from error
    back = "quality/unreachable" if data.back == "unreachable" else f"patients/{patient_id}"
    return redirect(f"/h/{code}/{back}", notice=_("Corrected."))


handlers: list[ControllerRouterHandler | Any] = [set_words, set_preferences, correct]
