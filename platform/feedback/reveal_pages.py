"""What a case shows by mask, to whoever says why: the patient's words, or name and numbers (PIPL 28)."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy import select

from feedback import access, detail
from feedback.errors import UnknownCase
from feedback.models import FeedbackCase
from feedback.pages import reader_of
from foundation import audit
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.masking import Shown
from foundation.web.errors import Forbidden, NotFound, UserMistake
from foundation.web.pages import fragment
from patients.models import ContactPoint
from patients.revealing import reveal_number, reveal_person
from tenants.keys import data_key
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 500


class RevealForm(msgspec.Struct):
    """What is looked at, `words` or `patient`, and why."""

    what: str = ""
    reason: str = ""


@post("/h/{code:str}/cases/{case_id:uuid}/reveal", needs=Action.REVEAL, sync_to_thread=True, status_code=200)
def reveal(
    code: FromPath[str], case_id: FromPath[UUID], visit: Visit, data: URLEncodedBody[RevealForm]
) -> Response[str]:
    """The words with the numbers in them, or name and numbers of the patient: with a reason, on the record.

    Of a medical dispute the hospital's own people alone (S4-9).
    """
    reason = data.reason.strip()[:LONGEST]
    if not reason:
        raise UserMistake(_("Say why you need to see it."))
    with visit.hospital(code, Action.REVEAL) as session:
        reader = reader_of(visit, code)
        try:
            case = detail.find_case(session, case_id, reader)
        except UnknownCase as error:
            raise NotFound from error
        if access.hidden_from(case, reader):
            raise Forbidden
        if data.what == "patient":
            shown = _patient(session, case, reason, visit)
        elif data.what == "words":
            shown = _words(session, case, reason, visit)
        else:
            raise UserMistake(_("Choose what to show."))
    return fragment("feedback/_revealed.html", lines=shown)


def _words(session: HospitalSession, case: FeedbackCase, reason: str, visit: Visit) -> list[Shown]:
    key = data_key(session)
    audit.record(session, "feedback.words_revealed", now=visit.now, subject=f"case:{case.id}", reason=reason)
    return [Shown(key.decrypt(cipher)) for cipher in (case.text_cipher, case.wish_cipher)]


def _patient(session: HospitalSession, case: FeedbackCase, reason: str, visit: Visit) -> list[Shown]:
    if case.patient_id is None:
        raise UserMistake(_("Nobody knows who said this: the case is anonymous."))
    name = reveal_person(session, case.patient_id, "name", reason=reason, now=visit.now)
    points = session.scalars(
        select(ContactPoint)
        .where(ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == case.patient_id)
        .order_by(ContactPoint.position)
    ).all()
    numbers = [reveal_number(session, point.id, reason=reason, now=visit.now) for point in points]
    return [Shown(name), *(Shown(number) for number in numbers)]


handlers = [reveal]
