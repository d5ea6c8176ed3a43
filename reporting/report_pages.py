"""A hospital's months on the screen (SC-20, SC-28), and their files."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from foundation import audit, files
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
from tenants.keys import data_key
from tenants.rights import Action
from tenants.visit import Visit


def gate(visit: Visit, code: str, action: Action) -> Response[str] | None:
    """What somebody of the hospital reads instead of statistics that the GM has not opened to them
    (S4-16).
    """
    if code not in visit.reached or visit.may(action, code):
        return None
    return page("reporting/gate.html", visit=visit, active=None, code=code, status_code=403)


def download(content: bytes, name: str, media_type: str) -> Response[bytes]:
    """A file to keep."""
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@get("/h/{code:str}/reports", needs=Action.VIEW_REPORTS, sync_to_thread=True)
def months_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The hospital's months: those released, the one that runs, the one that waits for its report."""
    closed = gate(visit, code, Action.VIEW_REPORTS)
    if closed is not None:
        return closed
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        released = [(report, figures_of(report)) for report in monthly.reports(session)]
        compared = set(benchmark.member_months(session))
    this = first_of_month(local_date(visit.now))
    known = {report.month for report, _figures in released}
    return page(
        "reporting/months.html",
        visit=visit,
        active="reports",
        code=code,
        rows=[_line(report, figures, compared) for report, figures in released],
        waiting=[month for month in (this, add_months(this, -1)) if month not in known],
        running=this,
        month_text=month_text,
        may_compare=visit.may(Action.VIEW_BENCHMARK, code),
    )


def _line(report: MonthlyReport, figures: MonthFigures, compared: set[date]) -> dict[str, Any]:
    tiles = monthly_view.tiles(figures)
    return {
        "report": report,
        "tiles": [tiles[place] for place in (0, 1, 4, 5)],
        "compared": report.month in compared,
    }


@get("/h/{code:str}/reports/{month:str}", needs=Action.VIEW_REPORTS, sync_to_thread=True)
def month_page(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """One month: the released figures, or the running ones, marked as such."""
    first = month_of(month)
    closed = gate(visit, code, Action.VIEW_REPORTS)
    if closed is not None:
        return closed
    if first > local_date(visit.now):
        raise NotFound
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report, figures = _figures(session, first, visit)
        compared = benchmark.member_report(session, first) is not None
        changes = _changes(session, report, figures)
        if report is not None:
            _read(session, visit, report, "page")
    return page(
        "reporting/month.html",
        visit=visit,
        active="reports",
        code=code,
        here=month_text(first),
        month=first,
        previous=month_text(add_months(first, -1)),
        following=month_text(add_months(first, 1)) if first < first_of_month(local_date(visit.now)) else None,
        report=report,
        changes=changes,
        view=monthly_view.month_view(figures),
        freeze=freeze_of(first),
        ended=first < first_of_month(local_date(visit.now)),
        compared=compared and visit.may(Action.VIEW_BENCHMARK, code),
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


@get("/h/{code:str}/reports/{month:str}/report.pdf", needs=Action.VIEW_REPORTS, sync_to_thread=True)
def pdf_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored PDF of a released month; the English one is made of the same frozen figures."""
    wanted: Language = choose(language, current())
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, month_of(month))
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
            )
        _read(session, visit, report, "pdf")
    return download(content, f"{code}-{month}-v{report.version}.pdf", PDF)


@get("/h/{code:str}/reports/{month:str}/report.xlsx", needs=Action.VIEW_REPORTS, sync_to_thread=True)
def xlsx_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored workbook of a released month; the English one is made of the same frozen figures."""
    wanted: Language = choose(language, current())
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, month_of(month))
        if wanted == "zh_Hans" and report.xlsx_file_id is not None:
            content = files.get(session, data_key(session), report.xlsx_file_id)[1]
        else:
            content = month_xlsx(
                figures_of(report), hospital=_face(visit, code), made_at=report.made_at, language=wanted
            )
        _read(session, visit, report, "xlsx")
    return download(content, f"{code}-{month}-v{report.version}.xlsx", XLSX)


@get("/h/{code:str}/reports/{month:str}/figures.csv", needs=Action.VIEW_REPORTS, sync_to_thread=True)
def csv_file(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[bytes]:
    """The key figures of a released month."""
    with visit.hospital(code, Action.VIEW_REPORTS) as session:
        report = _released(session, month_of(month))
        content = month_csv(figures_of(report), language=current())
        _read(session, visit, report, "csv")
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


def _read(session: HospitalSession, visit: Visit, report: MonthlyReport, form: str) -> None:
    """Each view is logged (S4-16)."""
    audit.record(
        session,
        "reporting.month_read",
        now=visit.now,
        subject=f"monthly_report:{report.id}",
        detail={"form": form, "month": month_text(report.month), "version": report.version},
    )


handlers = [months_page, month_page, make_month, pdf_file, xlsx_file, csv_file]
