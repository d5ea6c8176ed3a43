"""The first day of a hospital (上线): its plan, and no flood of calls for those discharged before (J6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.documents.figures import Figure
from foundation.languages import gettext as _
from foundation.languages import mark
from revisits import figures, planning
from revisits.models import RevisitStep
from revisits.queries import PREVIEW_DAYS
from revisits.schedule import plan_for
from tenants.life import golive, templates_by_type

BEFORE = "before_go_live"


def register() -> None:
    """Register what the plan brings, shows and does; harmless twice."""
    templates_by_type.on_created(templates_by_type.Room("plan", mark("Follow-up plan"), told, put_in_place))
    golive.on_going_live(start_from)
    golive.show_preview(preview)


def told(hospital_type: str) -> str:
    """The plan of a type in words."""
    rules = plan_for(hospital_type)
    if rules.every_months == 0:
        return _("One contact in the first week; people who came for a check-up are asked by the sample")
    if hospital_type == "maternal":
        return _(
            "Weeks 1, 3, 6 and 10, then every {months} months; for a child the guardian is called",
            months=rules.every_months,
        )
    return _("Weeks 1, 3, 6 and 10, then every {months} months", months=rules.every_months)


def put_in_place(session: HospitalSession, _hospital_type: str, now: datetime) -> None:
    """Make the hospital's plan; again is the same."""
    planning.ensure_plan(session, now=now)


def start_from(session: HospitalSession, day: date, now: datetime) -> Mapping[str, int]:
    """Patients discharged before `day` begin with the first step whose window opens on it or later.

    Steps whose window has opened already are cancelled because of it: they are in no rate and are never made
    again. Returns how many steps were left out and how many stand ahead.
    """
    planning.materialise(session, day, now=now)
    left_out = session.scalars(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state.in_(("planned", "missed")),
            RevisitStep.opens_on < day,
        )
        .values(state="cancelled", cancelled_because=BEFORE)
        .returning(RevisitStep.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.expire_all()
    ahead = session.scalar(
        select(func.count()).where(RevisitStep.tenant_id == session.tenant_id, RevisitStep.state == "planned")
    )
    return {"steps_left_out": len(left_out), "steps_ahead": ahead or 0}


def preview(session: HospitalSession, now: datetime) -> Figure:
    """The calls a day that the next ninety days would bring if the hospital went live today."""
    return figures.due_by_day(calls_ahead(session, local_date(now)), local_date(now), 0)


def calls_ahead(session: HospitalSession, today: date) -> list[int]:
    """One count a day from today on, by the day aimed at, of the steps that a go-live today leaves."""
    rows = session.execute(
        select(RevisitStep.target_on, func.count())
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state == "planned",
            RevisitStep.opens_on >= today,
            RevisitStep.target_on < today + timedelta(days=PREVIEW_DAYS),
        )
        .group_by(RevisitStep.target_on)
    )
    counted = {day: count for day, count in rows}  # noqa: C416 - a row is no pair to dict()
    return [counted.get(today + timedelta(days=n), 0) for n in range(PREVIEW_DAYS)]
