"""A hospital's month as it is released: frozen figures, PDF and Excel file, versions (S1-18, S0-35, J5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on

from foundation import audit, files
from foundation.calendar import first_of_month
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import Language, speaking
from reporting.figures import MonthFigures, freeze, thaw
from reporting.measures import month_figures
from reporting.models import MonthlyReport
from reporting.monthly_files import key_changes, month_pdf, month_xlsx
from tenants.keys import data_key
from tenants.life import branding
from tenants.models import Hospital

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def make_report(
    session: HospitalSession, month: date, *, by: str, now: datetime, language: Language = "zh_Hans"
) -> MonthlyReport:
    """Freeze the month's figures and store them with their PDF and Excel file, in ``language``.

    A new version is made only when a number has changed; otherwise the latest one comes back. Earlier ones
    stay as they were, and the new one says what changed (更正). Two people making it at once make one.
    """
    first = first_of_month(month)
    _lock(session, first)
    figures = month_figures(session, first)
    before = latest_report(session, first)
    if before is not None and before.figures == freeze(figures):
        return before
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    name = hospital.name if language == "zh_Hans" else hospital.name_en or hospital.name
    version = 1 if before is None else before.version + 1
    pdf = month_pdf(
        figures,
        hospital=name,
        version=version,
        made_at=now,
        language=language,
        changes=_changes(before, figures, language),
        head=branding.report_letterhead(session),
    )
    xlsx = month_xlsx(figures, hospital=name, made_at=now, language=language)
    stem, key = f"{hospital.code}-{first:%Y-%m}-v{version}", data_key(session)
    report = MonthlyReport(
        tenant_id=session.tenant_id,
        id=new_id(),
        month=first,
        version=version,
        figures=freeze(figures),
        pdf_file_id=files.put(session, key, name=f"{stem}.pdf", media_type=PDF, content=pdf, now=now),
        xlsx_file_id=files.put(session, key, name=f"{stem}.xlsx", media_type=XLSX, content=xlsx, now=now),
        made_at=now,
        made_by=by,
    )
    session.add(report)
    session.flush()
    audit.record(
        session,
        "reporting.month_made",
        now=now,
        subject=f"monthly_report:{report.id}",
        detail={"month": f"{first:%Y-%m}", "version": version},
    )
    return report


def latest_report(session: HospitalSession, month: date) -> MonthlyReport | None:
    """The newest version of a month, None before its first."""
    return session.scalars(
        select(MonthlyReport)
        .where(MonthlyReport.tenant_id == session.tenant_id, MonthlyReport.month == first_of_month(month))
        .order_by(MonthlyReport.version.desc())
        .limit(1)
    ).one_or_none()


def earlier_version(session: HospitalSession, report: MonthlyReport) -> MonthlyReport | None:
    """The version before this one, None for the first."""
    return session.scalars(
        select(MonthlyReport).where(
            MonthlyReport.tenant_id == session.tenant_id,
            MonthlyReport.month == report.month,
            MonthlyReport.version == report.version - 1,
        )
    ).one_or_none()


def reports(session: HospitalSession) -> Sequence[MonthlyReport]:
    """The newest version of each month, newest month first."""
    return session.scalars(
        select(MonthlyReport)
        .where(MonthlyReport.tenant_id == session.tenant_id)
        .ext(distinct_on(MonthlyReport.month))
        .order_by(MonthlyReport.month.desc(), MonthlyReport.version.desc())
    ).all()


def figures_of(report: MonthlyReport) -> MonthFigures:
    """The frozen figures of a report."""
    return thaw(report.figures, MonthFigures)


def _lock(session: HospitalSession, month: date) -> None:
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"monthly-report:{session.tenant_id}:{month}"},
    )


def _changes(before: MonthlyReport | None, after: MonthFigures, language: Language) -> list[str]:
    if before is None:
        return []
    with speaking(language):
        return key_changes(figures_of(before), after)
