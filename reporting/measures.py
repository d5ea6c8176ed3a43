"""A hospital's month as figures: one query object feeds the page, the PDF, the Excel file and the trend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from foundation.calendar import add_months, first_of_month
from foundation.database import HospitalSession
from reporting import details
from reporting.core import COLLECTION_TARGET, Audience, Core, core_measures, period
from reporting.figures import MonthFigures, Satisfaction, TrendMonth, rate, share
from reporting.heat import heat_table

TREND_MONTHS = 12


def month_figures(session: HospitalSession, month: date, *, cut: datetime | None = None) -> MonthFigures:
    """The figures of the hospital's month of ``month`` (S0-1, S0-2, S0-4, S0-5, S0-35, S0-36, D5, C7).

    Events are counted by their own time, the month cut in Asia/Shanghai. Late things (a first response to a
    case of the 30th, feedback of a patient discharged on the 29th) are read up to ``cut``, the freeze on
    day 3 at 18:00 unless given: asked again a year later, the numbers are the same. Give ``now`` as the cut
    for a month that is still running.
    """
    first = first_of_month(month)
    this, before = period(first, cut), period(add_months(first, -1))
    # Each month of the trend is read to its own freeze, as it was published; the last one also as it is now.
    months = [period(add_months(first, -back)) for back in range(TREND_MONTHS - 1, 0, -1)] + [this]
    core = core_measures(session, [session.tenant_id], months)
    now_known = core_measures(session, [session.tenant_id], [period(before.month, this.cut)])
    given = details.parameters(session, this, before)
    own = core[session.tenant_id, first]
    audience = _leading(core)
    problems, counts = details.problems_and_counts(session, given)
    cases, complaints, handling = details.cases(session, given)
    seen = details.encounters(session, given)
    return MonthFigures(
        month=first,
        cut=this.cut,
        audience=audience,
        encounters=seen,
        collection=own.collection,
        collection_inpatient=share(own.collected_inpatient, own.served_inpatient, target=COLLECTION_TARGET),
        collection_outpatient=share(
            own.collected_outpatient, own.served_outpatient, target=COLLECTION_TARGET
        ),
        collection_before=now_known[session.tenant_id, before.month].collection,
        response24=own.response24,
        tier=details.first_limits(session, given),
        satisfaction=_satisfaction(session, own, given),
        problems=problems,
        heat=heat_table(counts, problems),
        contacts=details.contacts(session, given),
        follow_up=details.follow_up(session, given),
        cases=cases,
        complaints=rate(complaints, seen.inpatient + seen.outpatient + seen.checkup, per=1000),
        handling=handling,
        trend=_trend(core, audience),
    )


AUDIENCES: tuple[Audience, ...] = ("inpatient", "outpatient")


def _satisfaction(session: HospitalSession, own: Core, given: Mapping[str, Any]) -> list[Satisfaction]:
    dimensions, departments = details.dimensions(session, given), details.departments(session, given)
    return [
        Satisfaction(
            who, own.asked(who).index(), own.asked(who).satisfied_share(), dimensions[who], departments[who]
        )
        for who in AUDIENCES
    ]


def _leading(core: Mapping[tuple[UUID, date], Core]) -> Audience:
    """Inpatients lead, unless this hospital asked none at all: then its outpatients do."""
    asked = {who: sum(one.asked(who).n for one in core.values()) for who in AUDIENCES}
    return "outpatient" if asked["outpatient"] and not asked["inpatient"] else "inpatient"


def _trend(core: Mapping[tuple[UUID, date], Core], audience: Audience) -> list[TrendMonth]:
    """The months from the first one with anything in it; one between without data is a gap, not a zero."""
    months = sorted(core, key=lambda key: key[1])
    begun = next((place for place, key in enumerate(months) if not core[key].empty), len(months) - 1)
    return [
        TrendMonth(
            key[1],
            core[key].asked(audience).index(),
            core[key].asked(audience).satisfied_share(),
            core[key].collection,
            core[key].response24,
        )
        for key in months[begun:]
    ]
