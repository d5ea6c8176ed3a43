"""A hospital's months on the screen (SC-20, SC-28), and their files."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from foundation import files
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import HospitalSession
from foundation.languages import Language, choose, current
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from reporting import benchmark, monthly, monthly_view
from reporting.core import freeze_of
from reporting.figures import MonthFigures
from reporting.measures import month_figures
from reporting.models import MonthlyReport
from reporting.monthly import PDF, XLSX, figures_of, latest_report
from reporting.monthly_files import key_changes, month_csv, month_pdf, month_xlsx
from reporting.months import month_of, month_text
from tenants.faces import Grant
from tenants.keys import data_key
from tenants.life import branding
from tenants.oversight.statistics import is_open, months_open, statistics_open, viewed
from tenants.rights import Action
from tenants.visit import Visit

SUBJECT = "report"


def download(content: bytes, name: str, media_type: str) -> Response[bytes]:
    """A file to keep."""
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@get("/h/{code:str}/reports", needs=Action.VIEW_REPORTS, asks_itself=True, sync_to_thread=True)
def months_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The hospital's months: those released, the one that runs, the one that waits for its report; of
    them those that are open to this person.
    """
    opened = months_open(visit, code, SUBJECT)
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        released = [
            (report, figures_of(report)) for report in monthly.reports(session) if opened.shows(report.month)
        ]
        compared = {
            month for month in benchmark.member_months(session) if is_open(visit, code, "benchmark", month)
        }
        for by in opened.by:
            viewed(session, "reporting.months_read", by, now=visit.now)
    this = first_of_month(local_date(visit.now))
    known = {report.month for report, _figures in released}
    return page(
        "reporting/months.html",
        visit=visit,
        active="reports",
        code=code,
        rows=[_line(report, figures, compared) for report, figures in released],
        waiting=[
            month for month in (this, add_months(this, -1)) if month not in known and opened.shows(month)
        ],
        running=this,
        month_text=month_text,
    )


def _line(report: MonthlyReport, figures: MonthFigures, compared: set[date]) -> dict[str, Any]:
    tiles = monthly_view.tiles(figures)
    return {
        "report": report,
        "tiles": [tiles[place] for place in (0, 1, 4, 5)],
        "compared": report.month in compared,
    }


@get("/h/{code:str}/reports/{month:str}", needs=Action.VIEW_REPORTS, asks_itself=True, sync_to_thread=True)
def month_page(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """One month: the released figures, or the running ones, marked as such."""
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    if first > local_date(visit.now):
        raise NotFound
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report, figures = _figures(session, first, visit)
        compared = benchmark.member_report(session, first) is not None
        changes = _changes(session, report, figures)
        _read(session, visit, first, report, opened)
    before, after = add_months(first, -1), add_months(first, 1)
    return page(
        "reporting/month.html",
        visit=visit,
        active="reports",
        code=code,
        here=month_text(first),
        month=first,
        previous=month_text(before) if is_open(visit, code, SUBJECT, before) else None,
        following=month_text(after)
        if after <= local_date(visit.now) and is_open(visit, code, SUBJECT, after)
        else None,
        report=report,
        changes=changes,
        view=monthly_view.month_view(figures),
        freeze=freeze_of(first),
        ended=first < first_of_month(local_date(visit.now)),
        compared=compared and is_open(visit, code, "benchmark", first),
        may_make=visit.may(Action.RUN_BENCHMARK, code),
    )


@post("/h/{code:str}/reports/{month:str}/make", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def make_month(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Make the report of a month that has ended; a second time, a new version if a number has changed."""
    first = month_of(month)
    if first >= first_of_month(local_date(visit.now)):
        raise UserMistake(_("This month has not ended yet; its report can be made afterwards."))
    with visit.hospital(code, Action.RUN_BENCHMARK) as session:
        before = latest_report(session, first)
        report = monthly.make_report(session, first, by=visit.person.name, now=visit.now)
        unchanged = before is not None and before.id == report.id
    notice = (
        _("No number has changed; version {version} stands.", version=report.version)
        if unchanged
        else _("Version {version} of the report is made.", version=report.version)
    )
    return redirect(f"/h/{code}/reports/{month_text(first)}", notice=notice)


# ------------------------------------------------------------------------------------------------- files


@get(
    "/h/{code:str}/reports/{month:str}/report.pdf",
    needs=Action.VIEW_REPORTS,
    asks_itself=True,
    sync_to_thread=True,
)
def pdf_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored PDF of a released month; the English one is made of the same frozen figures."""
    wanted: Language = choose(language, current())
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, first)
        if wanted == "zh_Hans" and report.pdf_file_id is not None:
            content = files.get(session, data_key(session), report.pdf_file_id)[1]
        else:
            content = month_pdf(
                figures_of(report),
                hospital=_face(visit, code),
                version=report.version,
                made_at=report.made_at,
                language=wanted,
                changes=_changes(session, report, figures_of(report)),
                head=branding.report_letterhead(session),
            )
        _read(session, visit, first, report, opened, "pdf")
    return download(content, f"{code}-{month}-v{report.version}.pdf", PDF)


@get(
    "/h/{code:str}/reports/{month:str}/report.xlsx",
    needs=Action.VIEW_REPORTS,
    asks_itself=True,
    sync_to_thread=True,
)
def xlsx_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored workbook of a released month; the English one is made of the same frozen figures."""
    wanted: Language = choose(language, current())
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, first)
        if wanted == "zh_Hans" and report.xlsx_file_id is not None:
            content = files.get(session, data_key(session), report.xlsx_file_id)[1]
        else:
            content = month_xlsx(
                figures_of(report), hospital=_face(visit, code), made_at=report.made_at, language=wanted
            )
        _read(session, visit, first, report, opened, "xlsx")
    return download(content, f"{code}-{month}-v{report.version}.xlsx", XLSX)


@get(
    "/h/{code:str}/reports/{month:str}/figures.csv",
    needs=Action.VIEW_REPORTS,
    asks_itself=True,
    sync_to_thread=True,
)
def csv_file(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[bytes]:
    """The key figures of a released month."""
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, first)
        content = month_csv(figures_of(report), language=current())
        _read(session, visit, first, report, opened, "csv")
    return download(content, f"{code}-{month}-v{report.version}.csv", "text/csv; charset=utf-8")


def _figures(
    session: HospitalSession, first: date, visit: Visit
) -> tuple[MonthlyReport | None, MonthFigures]:
    report = latest_report(session, first)
    if report is not None:
        return report, figures_of(report)
    return None, month_figures(session, first, cut=min(visit.now, freeze_of(first)))


def _released(session: HospitalSession, first: date) -> MonthlyReport:
    report = latest_report(session, first)
    if report is None:
        raise NotFound
    return report


def _changes(session: HospitalSession, report: MonthlyReport | None, figures: MonthFigures) -> list[str]:
    before = monthly.earlier_version(session, report) if report is not None else None
    return key_changes(figures_of(before), figures) if before is not None else []


def _face(visit: Visit, code: str) -> str:
    return visit.reached[code].face.label


def _read(
    session: HospitalSession,
    visit: Visit,
    month: date,
    report: MonthlyReport | None,
    opened: Grant | None,
    form: str = "page",
) -> None:
    """Each look is on record, at the provisional numbers of a month too (S4-16)."""
    viewed(
        session,
        "reporting.month_read" if form == "page" else "reporting.month_downloaded",
        opened,
        now=visit.now,
        month=month,
        form=form,
        subject=f"monthly_report:{report.id}" if report is not None else "",
        version=report.version if report is not None else None,
    )


handlers = [months_page, month_page, make_month, pdf_file, xlsx_file, csv_file]
