"""The comparison on the screen: a member's own (SC-43), and the firm's over all its hospitals (SC-41)."""

from __future__ import annotations

from datetime import date

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from foundation import files
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.languages import choose, current
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from reporting import benchmark, labels
from reporting.benchmark import FourEyes, OutOfReach
from reporting.member_report import MemberReport, member_pdf, member_view, member_xlsx
from reporting.models import BenchmarkReport, BenchmarkRun
from reporting.monthly import PDF, XLSX
from reporting.months import month_of, month_text
from reporting.overview import overview_pdf, overview_view, overview_xlsx
from reporting.report_pages import download
from tenants.faces import Grant
from tenants.keys import data_key
from tenants.life import branding
from tenants.oversight.firm_audit import note
from tenants.oversight.statistics import months_open, statistics_open, viewed
from tenants.rights import Action
from tenants.visit import Visit

FIRM = "/firm/benchmark"
SUBJECT = "benchmark"


# --------------------------------------------------------------------------------------- a member's own


@get("/h/{code:str}/benchmark", needs=Action.VIEW_BENCHMARK, asks_itself=True, sync_to_thread=True)
def member_months_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The months of which the hospital has a comparison; of them those that are open to this person."""
    opened = months_open(visit, code, SUBJECT)
    with visit.hospital(code, Action.VIEW_BENCHMARK) as session:
        months = [month for month in benchmark.member_months(session) if opened.shows(month)]
        for by in opened.by:
            viewed(session, "reporting.benchmarks_read", by, now=visit.now)
    return page(
        "reporting/members.html",
        visit=visit,
        active="benchmark",
        code=code,
        months=[(month, month_text(month)) for month in months],
    )


@get(
    "/h/{code:str}/benchmark/{month:str}", needs=Action.VIEW_BENCHMARK, asks_itself=True, sync_to_thread=True
)
def member_page(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The hospital beside its groups; another hospital is nowhere on the page."""
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_BENCHMARK) as session:
        found = benchmark.member_report(session, first)
        _read(session, visit, first, found[0] if found else None, opened)
    return page(
        "reporting/member.html",
        visit=visit,
        active="benchmark",
        code=code,
        here=month_text(first),
        month=first,
        report=found[0] if found else None,
        view=member_view(found[1]) if found else None,
    )


@get(
    "/h/{code:str}/benchmark/{month:str}/benchmark.pdf",
    needs=Action.VIEW_BENCHMARK,
    asks_itself=True,
    sync_to_thread=True,
)
def member_pdf_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored PDF; in English, or before the job has stored it, made of the same frozen figures."""
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_BENCHMARK) as session:
        report, told = _member(session, first)
        wanted = choose(language, current())
        if wanted == "zh_Hans" and report.pdf_file_id is not None:
            content = files.get(session, data_key(session), report.pdf_file_id)[1]
        else:
            content = member_pdf(
                told,
                made_at=report.released_at or visit.now,
                language=wanted,
                head=branding.report_letterhead(session),
            )
        _read(session, visit, first, report, opened, "pdf")
    return download(content, f"{code}-{month}-benchmark-v{report.version}.pdf", PDF)


@get(
    "/h/{code:str}/benchmark/{month:str}/benchmark.xlsx",
    needs=Action.VIEW_BENCHMARK,
    asks_itself=True,
    sync_to_thread=True,
)
def member_xlsx_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored workbook, as the PDF."""
    first = month_of(month)
    opened = statistics_open(visit, code, SUBJECT, first)
    with visit.hospital(code, Action.VIEW_BENCHMARK) as session:
        report, told = _member(session, first)
        wanted = choose(language, current())
        if wanted == "zh_Hans" and report.xlsx_file_id is not None:
            content = files.get(session, data_key(session), report.xlsx_file_id)[1]
        else:
            content = member_xlsx(told, made_at=report.released_at or visit.now, language=wanted)
        _read(session, visit, first, report, opened, "xlsx")
    return download(content, f"{code}-{month}-benchmark-v{report.version}.xlsx", XLSX)


def _member(session: HospitalSession, month: date) -> tuple[BenchmarkReport, MemberReport]:
    found = benchmark.member_report(session, month)
    if found is None:
        raise NotFound
    return found


def _read(
    session: HospitalSession,
    visit: Visit,
    month: date,
    report: BenchmarkReport | None,
    opened: Grant | None,
    form: str = "page",
) -> None:
    """Each look is on record (S4-16); the first one is the receipt (S3-24)."""
    viewed(
        session,
        "reporting.benchmark_read" if form == "page" else "reporting.benchmark_downloaded",
        opened,
        now=visit.now,
        month=month,
        form=form,
        subject=f"benchmark_report:{report.id}" if report is not None else "",
        version=report.version if report is not None else None,
    )


# ---------------------------------------------------------------------------------------------- the firm


@get(FIRM, needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def runs_page(visit: NamedDependency[Visit]) -> Response[str]:
    """The months compared, and the one that ended last."""
    with visit.firm(Action.RUN_BENCHMARK) as session:
        found = benchmark.runs(session)
    last = add_months(first_of_month(local_date(visit.now)), -1)
    return page(
        "reporting/runs.html",
        visit=visit,
        active="benchmark",
        runs=found,
        states=labels.STATES,
        last=last,
        waiting=all(one.month != last for one in found),
        month_text=month_text,
    )


@get(FIRM + "/{month:str}", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def run_page(month: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The firm's hospitals of one month with their intervals, the groups, and the two steps."""
    first = month_of(month)
    with visit.firm(Action.RUN_BENCHMARK) as session:
        found = benchmark.latest_run(session, first)
        if found is not None:
            _seen(session, visit, found, "page")
    ended = first < first_of_month(local_date(visit.now))
    return page(
        "reporting/run.html",
        visit=visit,
        active="benchmark",
        month=first,
        here=month_text(first),
        previous=month_text(add_months(first, -1)),
        following=month_text(add_months(first, 1)) if ended else None,
        found=found,
        view=overview_view(found) if found else None,
        ended=ended,
        mine=found is not None and found.made_by_id == visit.person.id,
    )


@post(FIRM + "/{month:str}/run", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def run_month(month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Run the comparison of a month that has ended."""
    first = month_of(month)
    if first >= first_of_month(local_date(visit.now)):
        raise UserMistake(
            _("This month has not ended yet; only data older than the current month is compared.")
        )
    with visit.firm(Action.RUN_BENCHMARK) as session:
        found = benchmark.run(session, first, by=visit.person.name, now=visit.now)
    return redirect(
        f"{FIRM}/{month_text(first)}", notice=_("Version {version} is calculated.", version=found.version)
    )


@post(FIRM + "/{month:str}/approve", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def approve_month(month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Release the newest version to its members: by somebody else than who ran it (J5, four eyes)."""
    with visit.firm(Action.RUN_BENCHMARK) as session:
        found = benchmark.latest_run(session, month_of(month))
        if found is None:
            raise NotFound
        try:
            reports = benchmark.approve(session, found.id, by=visit.person.name, now=visit.now)
        except FourEyes as refused:
            raise UserMistake(_("Who ran the comparison does not approve it; ask a colleague.")) from refused
        except OutOfReach as refused:
            raise UserMistake(_("You do not reach every hospital of this comparison.")) from refused
    return redirect(f"{FIRM}/{month}", notice=_("Released to {count} hospitals.", count=len(reports)))


@get(FIRM + "/{month:str}/overview.pdf", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def overview_pdf_file(
    month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The firm's overview; it names hospitals and stays with the firm."""
    found = _run(visit, month, "pdf")
    content = overview_pdf(found, language=choose(language, current()))
    return download(content, f"benchmark-{month}-v{found.version}.pdf", PDF)


@get(FIRM + "/{month:str}/overview.xlsx", needs=Action.RUN_BENCHMARK, sync_to_thread=True)
def overview_xlsx_file(
    month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """As the PDF."""
    found = _run(visit, month, "xlsx")
    content = overview_xlsx(found, language=choose(language, current()))
    return download(content, f"benchmark-{month}-v{found.version}.xlsx", XLSX)


def _run(visit: Visit, month: str, form: str) -> BenchmarkRun:
    with visit.firm(Action.RUN_BENCHMARK) as session:
        found = benchmark.latest_run(session, month_of(month))
        if found is None:
            raise NotFound
        _seen(session, visit, found, form)
    return found


def _seen(session: FirmSession, visit: Visit, found: BenchmarkRun, form: str) -> None:
    """The overview names every hospital's numbers: each look stands in the firm's own record."""
    note(
        session,
        "benchmark.read" if form == "page" else "benchmark.downloaded",
        now=visit.now,
        subject=f"benchmark_run:{found.id}",
        month=month_text(found.month),
        version=found.version,
        form=form,
    )


handlers = [
    member_months_page,
    member_page,
    member_pdf_file,
    member_xlsx_file,
    runs_page,
    run_page,
    run_month,
    approve_month,
    overview_pdf_file,
    overview_xlsx_file,
]
