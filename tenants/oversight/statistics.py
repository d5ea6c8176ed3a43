"""The gate before a hospital's statistics (S4-16): who may read which month, and that they did.

Statistics are open to whom a role opens them, and to whom the hospital's director opened that report of that
month. Casework is another matter and stays visible to the department (D7).

    opened = statistics_open(visit, code, "report", month)      # or the gate page
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        viewed(session, "reporting.month_read", opened, month=month, form="page", now=visit.now)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from foundation import audit
from foundation.database import HospitalSession
from foundation.languages import mark
from foundation.web.errors import Forbidden
from tenants.faces import GRANT_OPENS, Grant
from tenants.visit import Visit

# The events of the audit trail that are a look at statistics, and what was looked at.
VIEWS: dict[str, str] = {
    "reporting.months_read": mark("List of the months"),
    "reporting.month_read": mark("Monthly report"),
    "reporting.month_downloaded": mark("Monthly report"),
    "reporting.benchmarks_read": mark("List of the comparisons"),
    "reporting.benchmark_read": mark("Benchmark"),
    "reporting.benchmark_downloaded": mark("Benchmark"),
    "surveys.index_read": mark("Index of the questionnaires"),
}


def statistics_open(visit: Visit, code: str, subject: str, month: date | None) -> Grant | None:
    """The grant by which this may be read, None when it is a role that opens it.

    `subject`: `report` or `benchmark`; `month`: its first day, None for what runs over all months, which
    only the series opens. Raises `NotFound` beyond reach, else `Forbidden` with the page of the gate.
    """
    if may_by_role(visit, code, subject):
        return None
    for grant in _granted(visit, code, subject):
        if grant.month is None or grant.month == month:
            return grant
    raise closed(visit, code)


@dataclass(frozen=True, slots=True)
class OpenMonths:
    """Which months a list may show (None: all), and what opens them: a role (None) or grants."""

    months: frozenset[date] | None
    by: tuple[Grant | None, ...]

    def shows(self, month: date) -> bool:
        """Whether this month is among them."""
        return self.months is None or month in self.months


def months_open(visit: Visit, code: str, subject: str) -> OpenMonths:
    """The months that a list may show. Raises as `statistics_open` when there is none."""
    if may_by_role(visit, code, subject):
        return OpenMonths(None, (None,))
    granted = _granted(visit, code, subject)
    if not granted:
        raise closed(visit, code)
    series = next((grant for grant in granted if grant.month is None), None)
    if series is not None:
        return OpenMonths(None, (series,))
    return OpenMonths(frozenset(grant.month for grant in granted if grant.month), tuple(granted))


def is_open(visit: Visit, code: str, subject: str, month: date | None) -> bool:
    """Whether a link to this leads anywhere."""
    granted = _granted(visit, code, subject)
    return may_by_role(visit, code, subject) or any(grant.month in (None, month) for grant in granted)


def may_by_role(visit: Visit, code: str, subject: str) -> bool:
    """Whether a role opens the statistics."""
    return visit.may_by_role(GRANT_OPENS[subject], code)


def _granted(visit: Visit, code: str, subject: str) -> list[Grant]:
    if visit.limit is not None and GRANT_OPENS[subject] not in visit.limit:
        return []
    return [grant for grant in visit.granted(code) if grant.subject == subject]


def closed(visit: Visit, code: str) -> Forbidden:
    """The page of the gate: whose these are, whom to ask, and what is open."""
    open_ = sorted(visit.granted(code), key=lambda grant: (grant.subject, grant.month or date.max))
    return Forbidden(reason="statistics", template="tenants/gate.html", code=code, opened=open_)


def viewed(
    session: HospitalSession,
    action: str,
    opened: Grant | None,
    *,
    now: datetime,
    month: date | None = None,
    form: str = "page",
    subject: str = "",
    version: int | None = None,
) -> None:
    """Each look is on record, with whether a role or which grant opened it (S4-16). `action` is of `VIEWS`,
    `form`: page, pdf, xlsx or csv.
    """
    audit.record(
        session,
        action,
        now=now,
        subject=subject,
        detail={
            "form": form,
            "month": f"{month:%Y-%m}" if month else None,
            "version": version,
            "by": "role" if opened is None else "grant",
            "grant": None if opened is None else str(opened.id),
        },
    )
