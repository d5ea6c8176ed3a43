"""The line of the call card by which a patient takes consent back while talking: one key (PIPL 15).

«Wants no more calls» of the outcome pad stops everything; this stops one purpose and leaves the others.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment
from outreach import queue
from outreach.card import Panel, register_panel
from outreach.errors import NotHeld
from outreach.models import ContactTask
from patients import consent, consent_labels
from patients.consent_rules import PURPOSES
from tenants.models import Hospital
from tenants.rights import Action
from tenants.visit import Visit

TEMPLATE = "outreach/_consent_line.html"


class NoMoreForm(msgspec.Struct):
    """For which purpose the patient wants no more contacts."""

    purpose: str = ""


def register() -> None:
    """Put the line on the card; harmless twice."""
    register_panel(Panel("consent", TEMPLATE, context=context))


def context(session: HospitalSession, task: ContactTask, _language: str) -> dict[str, Any]:
    """The values of the line: the purpose of this call first, it has the key."""
    code = session.scalars(select(Hospital.code).where(Hospital.tenant_id == session.tenant_id)).one()
    return _values(code, task, "")


@post(
    "/h/{code:str}/contacts/{task_id:uuid}/no-more",
    needs=Action.FINISH_CALL,
    sync_to_thread=True,
    status_code=200,
)
def no_more(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[NoMoreForm],
) -> Response[str]:
    """Note that the patient takes consent to one purpose back, on every channel; it holds before the next
    dial. The call that is going on ends as the agent says."""
    if data.purpose not in PURPOSES:
        raise UserMistake(_("Choose a purpose."))
    with visit.hospital(code, Action.FINISH_CALL) as session:
        task = session.get(ContactTask, (session.tenant_id, task_id))
        if task is None:
            raise NotFound
        try:
            queue.require_hold(session, task, visit.actor, visit.now)
        except NotHeld as error:
            raise UserMistake(_("This patient is not on your card any more.")) from error
        consent.withdraw(
            session,
            task.patient_id,
            purpose=data.purpose,
            source="call",
            evidence=_("Said in the call"),
            now=visit.now,
        )
        values = _values(code, task, data.purpose)
    return fragment(TEMPLATE, **values)


def _values(code: str, task: ContactTask, noted: str) -> dict[str, Any]:
    purposes = sorted(PURPOSES, key=lambda purpose: purpose != task.purpose)
    return {
        "address": f"/h/{code}/contacts/{task.id}/no-more",
        "purposes": [(purpose, consent_labels.of(consent_labels.PURPOSES, purpose)) for purpose in purposes],
        "own": task.purpose,
        "noted": noted,
    }


handlers = [no_more]
