"""The settings of one hospital (SC-56): its facts, its stage with the history, and what the firm may do
with it.
"""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.web.pages import page, redirect
from tenants.labels import GRADES, HOSPITAL_TYPES
from tenants.life import stages
from tenants.models import Hospital
from tenants.regions import region_name
from tenants.rights import Action
from tenants.visit import Visit


class ReasonForm(msgspec.Struct):
    """Why, as typed."""

    reason: str = ""


# The page is read in every stage, so the right to look is asked and not the right to change.
@get("/firm/hospitals/{code:str}", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def hospital_settings(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Facts, stage and history of a hospital, and the ways to everything that is set up for it."""
    with visit.hospital(code, Action.VIEW_ONBOARDING) as session:
        hospital = session.get_one(Hospital, session.tenant_id)
        history = stages.history(session)
    return page(
        "tenants/stage.html",
        visit=visit,
        active="settings",
        code=code,
        hospital=visit.reached[code].face,
        row=hospital,
        history=history,
        face=visit.reached[code].face,
        stages=stages.STAGES,
        tones=stages.TONES,
        reason_words=stages.reason_words,
        type_name=_(HOSPITAL_TYPES[hospital.hospital_type]),
        grade_name=_(GRADES.get(hospital.grade, hospital.grade)),
        region_name=region_name(hospital.region),
        may=lambda action: visit.may(Action(action), code),
    )


@post("/firm/hospitals/{code:str}/suspend", needs=Action.SUSPEND_HOSPITAL, sync_to_thread=True)
def suspend(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]) -> Redirect:
    """Stop the scheduled work at once."""
    with visit.hospital(code, Action.SUSPEND_HOSPITAL) as session:
        stages.suspend(session, reason=data.reason, now=visit.now)
    return redirect(
        f"/firm/hospitals/{code}", notice=_("{name} is suspended.", name=visit.reached[code].face.label)
    )


@post("/firm/hospitals/{code:str}/resume", needs=Action.SUSPEND_HOSPITAL, sync_to_thread=True)
def resume(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]) -> Redirect:
    """Take the work up again, spread over the days that are left."""
    with visit.hospital(code, Action.SUSPEND_HOSPITAL) as session:
        stages.resume(session, reason=data.reason, now=visit.now)
    return redirect(
        f"/firm/hospitals/{code}", notice=_("{name} is active again.", name=visit.reached[code].face.label)
    )


handlers = [hospital_settings, suspend, resume]
