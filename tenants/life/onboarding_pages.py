"""Onboarding on screen (SC-51): the checklist of a hospital, the gate before its first call, and the firm's
list of hospitals on their way.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation.calendar import local_date
from foundation.languages import gettext as _
from foundation.web.errors import Forbidden, UserMistake
from foundation.web.pages import page, redirect
from tenants import queries
from tenants.life import agreement, golive, onboarding, stages
from tenants.life.golive import Finding
from tenants.oversight.firm_audit import note
from tenants.rights import Action
from tenants.visit import Visit


class StepForm(msgspec.Struct):
    """One step of the checklist, as typed; an empty owner for nobody."""

    state: str
    due_on: str
    owner: str = ""
    note: str = ""


class AcceptForm(msgspec.Struct):
    """Why an amber check may pass."""

    reason: str


@get("/firm/onboarding", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def firm_page(visit: NamedDependency[Visit]) -> Response[str]:
    """All hospitals of the firm: stage, how far the checklist is, and the agreement."""
    today = local_date(visit.now)
    with visit.firm(Action.VIEW_ONBOARDING) as session:
        reached = set(session.tenant_ids)
        hospitals = [row for row in queries.hospitals_of(session) if row.tenant_id in reached]
        progress = onboarding.progress_of_firm(session, today)
        agreed = agreement.of_firm(session, today)
    return page(
        "tenants/onboarding_firm.html",
        visit=visit,
        active="agreement",
        hospitals=sorted(hospitals, key=lambda row: row.state != "onboarding"),
        progress=progress,
        agreed=agreed,
        stages=stages,
    )


@get("/h/{code:str}/onboarding", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def checklist_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The steps with their owners and days; what the system sees stands beside."""
    today = local_date(visit.now)
    over_firm = _over_firm(visit, code)
    with visit.hospital(code, Action.VIEW_ONBOARDING) as session:
        onboarding.prepare(session, now=visit.now)
        lines = onboarding.lines(session, today)
        gate = golive.look(session, over_firm, now=visit.now)
        owners = onboarding.owners(session)
        stage = stages.stage_of(session)
    return page(
        "tenants/onboarding.html",
        visit=visit,
        active="agreement",
        code=code,
        lines=lines,
        progress=onboarding.progress(lines),
        facts={line.check.key: line for line in gate},
        words=onboarding,
        tones=golive.TONES,
        owners=[(str(one.id), one.name) for one in owners],
        stage=stage,
        stages=stages,
        may_change=visit.may(Action.MANAGE_ONBOARDING, code),
    )


@post("/h/{code:str}/onboarding/{key:str}", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True)
def change_step(
    code: FromPath[str], key: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[StepForm]
) -> Redirect:
    """Owner, day, state and note of one step."""
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        onboarding.change(
            session,
            key,
            state=data.state,
            owner_id=_uuid(data.owner),
            due_on=_day(data.due_on),
            note=data.note,
            now=visit.now,
        )
    return redirect(f"/h/{code}/onboarding#{key}", notice=_("Saved."))


@get("/h/{code:str}/go-live", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def gate_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The automatic checks, and the calls that the first ninety days would bring."""
    over_firm = _over_firm(visit, code)
    with visit.hospital(code, Action.VIEW_ONBOARDING) as session:
        onboarding.prepare(session, now=visit.now)
        gate = golive.look(session, over_firm, now=visit.now)
        stage = stages.stage_of(session)
        figure = golive.preview(session, now=visit.now) if stage == "onboarding" else None
    return page(
        "tenants/go_live.html",
        visit=visit,
        active="agreement",
        code=code,
        gate=gate,
        obstacles=golive.in_the_way(gate),
        counts=Counter("green" if line.passes else line.finding.tone for line in gate),
        figure=figure,
        words=golive,
        stage=stage,
        stages=stages,
        may_change=visit.may(Action.MANAGE_ONBOARDING, code),
    )


@post("/h/{code:str}/go-live/{key:str}/accept", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True)
def accept(
    code: FromPath[str], key: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[AcceptForm]
) -> Redirect:
    """Let an amber check pass under one's own name."""
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        golive.accept(session, key, reason=data.reason, now=visit.now)
    return redirect(f"/h/{code}/go-live", notice=_("Accepted."))


@post("/h/{code:str}/go-live", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True)
def go_live(code: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Open the gate: calls begin with the next step of each patient."""
    over_firm = _over_firm(visit, code)
    if over_firm is None:
        raise Forbidden
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        opened = golive.go_live(session, over_firm, now=visit.now)
    if opened is None:
        return redirect(f"/h/{code}/go-live", notice=_("The hospital was live already."))
    with visit.firm(Action.MANAGE_ONBOARDING) as firm:
        note(
            firm,
            "tenants.hospital_live",
            now=visit.now,
            subject=f"hospital:{visit.reached[code].face.tenant_id}",
            code=code,
        )
    return redirect(f"/h/{code}/go-live", notice=_("The hospital is live: calls begin."))


def _over_firm(visit: Visit, code: str) -> dict[str, Finding] | None:
    """What the checks over the firm see; None for a hospital's own people, who do not see the firm."""
    if not visit.may_for_the_firm(Action.VIEW_ONBOARDING):
        return None
    with visit.firm(Action.VIEW_ONBOARDING) as session:
        return golive.look_over_firm(session, visit.reached[code].face.tenant_id, now=visit.now)


def _uuid(text: str) -> UUID | None:
    if not text.strip():
        return None
    try:
        return UUID(text.strip())
    except ValueError as error:
        raise UserMistake(_("Choose somebody of the hospital or of the firm.")) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise UserMistake(_("This is not a day: {text}", text=text.strip())) from error


handlers = [firm_page, checklist_page, change_step, gate_page, accept, go_live]
