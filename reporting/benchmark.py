"""The monthly comparison of a firm's hospitals: run, four eyes, release to the members (S3-7, S3-8,
S3-24, J5).

A run freezes its inputs (attributes and aggregates, never a patient) and its results; approving it writes
what each member gets into the member's own hospital, where no other hospital can be found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on

from foundation import audit, files, outbox
from foundation.calendar import first_of_month, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.ids import new_id
from foundation.work import UnknownSubject
from reporting.core import Core, core_measures, period
from reporting.disclosure import DEFAULT_THRESHOLDS, Thresholds
from reporting.figures import freeze, thaw
from reporting.member_report import MemberReport, member_pdf, member_xlsx
from reporting.models import BenchmarkReport, BenchmarkRun
from reporting.monthly import PDF, XLSX
from reporting.peers import Comparison, Member, Released, compare
from tenants.keys import data_key
from tenants.life import agreement, branding
from tenants.models import Firm, Hospital
from tenants.oversight.firm_audit import note

FILES_JOB = "reporting.benchmark_files"


class UnknownRun(LookupError):
    """No such run in this firm."""


class FourEyes(Exception):
    """Who ran a comparison does not approve it (J5)."""


class OutOfReach(Exception):
    """A member of the run is not among the session's hospitals."""


class RunResults(msgspec.Struct, frozen=True):
    """The frozen content of a run: the firm's name, the comparison, and a digest of the contributors."""

    firm: str
    firm_en: str
    comparison: Comparison
    digest: str


def run(
    session: FirmSession,
    month: date,
    *,
    by: str,
    now: datetime,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> BenchmarkRun:
    """Compare the firm's active hospitals among the session's for a month; a draft until it is approved.

    Only those whose agreement names the comparison contribute and receive (PIPL 21).

    One aggregating query over all hospitals, checked against all that was approved for the month (A10.4).
    The same inputs and results give the run that exists.
    """
    first = first_of_month(month)
    _lock(session, first)
    members = _members(session, first, local_date(now))
    comparison = compare(members, _released_before(session, first), thresholds)
    firm = session.scalars(select(Firm).where(Firm.firm_id == session.firm_id)).one()
    ids = sorted(member.id for member in members)
    results = freeze(
        RunResults(firm.name, firm.name_en, comparison, hashlib.sha256(" ".join(ids).encode()).hexdigest())
    )
    before = latest_run(session, first)
    if before is not None and before.results == results:
        return before
    made = BenchmarkRun(
        firm_id=session.firm_id,
        id=new_id(),
        month=first,
        version=1 if before is None else before.version + 1,
        state="draft",
        contributors=list(ids),
        results=results,
        thresholds=asdict(thresholds),
        hospitals=len(members),
        withheld=comparison.withheld,
        made_at=now,
        made_by=by,
        made_by_id=session.scope.actor.id,
        approved_at=None,
        approved_by=None,
    )
    session.add(made)
    _tell(session, "benchmark.run", made, now)
    return made


def approve(session: FirmSession, run_id: UUID, *, by: str, now: datetime) -> list[BenchmarkReport]:
    """Release a run to its members: a report for each, its PDF and Excel file made by a job of each hospital.

    Approving twice is once. Raises `UnknownRun`, `FourEyes` for the person who ran it, `OutOfReach` when the
    session does not reach every member, ValueError when a later version of the month exists.
    """
    found = get_run(session, run_id, lock=True)
    if found.state == "approved":
        return _reports_of(session, found)
    if session.scope.actor.id is not None and found.made_by_id == session.scope.actor.id:
        raise FourEyes
    latest = latest_run(session, found.month)
    if latest is not None and latest.version > found.version:
        raise ValueError("a later version of this month's comparison exists")
    results = results_of(found)
    if {UUID(one.id) for one in results.comparison.members} - set(session.tenant_ids):
        raise OutOfReach
    found.state, found.approved_at, found.approved_by = "approved", now, by
    reports = [
        BenchmarkReport(
            tenant_id=UUID(member.id),
            id=new_id(),
            month=found.month,
            version=found.version,
            figures=freeze(_member_report(found, member, results)),
            pdf_file_id=None,
            xlsx_file_id=None,
            released_at=now,
        )
        for member in results.comparison.members
    ]
    session.add_all(reports)
    _tell(session, "benchmark.approved", found, now)
    for report in reports:
        outbox.enqueue(session, FILES_JOB, now=now, tenant_id=str(report.tenant_id), report_id=str(report.id))
    return reports


def store_files(session: HospitalSession, report_id: UUID, *, now: datetime) -> BenchmarkReport:
    """The member's PDF and Excel file, made once and kept encrypted in its own hospital. Raises
    `UnknownSubject` for a report that this hospital does not have.
    """
    report = session.get(BenchmarkReport, (session.tenant_id, report_id), with_for_update=True)
    if report is None:
        raise UnknownSubject(f"benchmark_report:{report_id}")
    if report.pdf_file_id is not None and report.xlsx_file_id is not None:
        return report
    told, key = thaw(report.figures, MemberReport), data_key(session)
    made_at = report.released_at or now
    stem = f"{told.code}-{told.month:%Y-%m}-benchmark-v{told.version}"
    pdf = member_pdf(told, made_at=made_at, head=branding.report_letterhead(session))
    xlsx = member_xlsx(told, made_at=made_at)
    report.pdf_file_id = files.put(session, key, name=f"{stem}.pdf", media_type=PDF, content=pdf, now=now)
    report.xlsx_file_id = files.put(session, key, name=f"{stem}.xlsx", media_type=XLSX, content=xlsx, now=now)
    session.flush()
    detail = {"month": f"{told.month:%Y-%m}", "version": told.version}
    audit.record(
        session,
        "reporting.benchmark_released",
        now=now,
        subject=f"benchmark_report:{report.id}",
        detail=detail,
    )
    return report


# ----------------------------------------------------------------------------------------------- reading


def get_run(session: FirmSession, run_id: UUID, *, lock: bool = False) -> BenchmarkRun:
    """A run of this firm, with `lock` read afresh for change; raises `UnknownRun`."""
    statement = select(BenchmarkRun).where(BenchmarkRun.firm_id == session.firm_id, BenchmarkRun.id == run_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(statement)
    if found is None:
        raise UnknownRun(str(run_id))
    return found


def latest_run(session: FirmSession, month: date) -> BenchmarkRun | None:
    """The newest version of a month, None before its first."""
    return session.scalars(
        select(BenchmarkRun)
        .where(BenchmarkRun.firm_id == session.firm_id, BenchmarkRun.month == first_of_month(month))
        .order_by(BenchmarkRun.version.desc())
        .limit(1)
    ).one_or_none()


def runs(session: FirmSession) -> Sequence[BenchmarkRun]:
    """The newest version of each month, newest month first."""
    return session.scalars(
        select(BenchmarkRun)
        .where(BenchmarkRun.firm_id == session.firm_id)
        .ext(distinct_on(BenchmarkRun.month))
        .order_by(BenchmarkRun.month.desc(), BenchmarkRun.version.desc())
    ).all()


def results_of(found: BenchmarkRun) -> RunResults:
    """The frozen content of a run."""
    return thaw(found.results, RunResults)


def member_report(session: HospitalSession, month: date) -> tuple[BenchmarkReport, MemberReport] | None:
    """The newest released comparison of this hospital for a month."""
    row = session.scalars(
        select(BenchmarkReport)
        .where(BenchmarkReport.tenant_id == session.tenant_id, BenchmarkReport.month == first_of_month(month))
        .order_by(BenchmarkReport.version.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row, thaw(row.figures, MemberReport))


def member_months(session: HospitalSession) -> list[date]:
    """The months of which this hospital has a comparison, newest first."""
    return list(
        session.scalars(
            select(BenchmarkReport.month)
            .where(BenchmarkReport.tenant_id == session.tenant_id)
            .distinct()
            .order_by(BenchmarkReport.month.desc())
        )
    )


# ----------------------------------------------------------------------------------------------- writing


def _lock(session: FirmSession, month: date) -> None:
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"benchmark:{session.firm_id}:{month}"},
    )


def _members(session: FirmSession, month: date, today: date) -> list[Member]:
    taking_part = agreement.benchmark_members(session, month, today)
    hospitals = session.scalars(
        select(Hospital)
        .where(
            Hospital.tenant_id.in_(taking_part),
            Hospital.firm_id == session.firm_id,
            Hospital.state == "active",
        )
        .order_by(Hospital.code)
    ).all()
    core = core_measures(session, [one.tenant_id for one in hospitals], [period(month)])
    return [_member(one, core[one.tenant_id, month]) for one in hospitals]


def _member(hospital: Hospital, core: Core) -> Member:
    """Inpatients only, so that like stands beside like: outpatients are sampled at rates of their own
    (A8).
    """
    return Member(
        id=str(hospital.tenant_id),
        code=hospital.code,
        name=hospital.name,
        name_en=hospital.name_en,
        region=hospital.region,
        hospital_type=hospital.hospital_type,
        grade=hospital.grade,
        brand=hospital.brand,
        n=core.inpatient.n,
        mean=core.inpatient.mean,
        sd=core.inpatient.sd,
        satisfied=core.inpatient.satisfied,
        rated=core.inpatient.rated,
        collected=core.collected_inpatient,
        served=core.served_inpatient,
        answered=core.answered_in_time,
        received=core.received,
    )


def _released_before(session: FirmSession, month: date) -> list[Released]:
    approved = session.scalars(
        select(BenchmarkRun).where(
            BenchmarkRun.firm_id == session.firm_id,
            BenchmarkRun.month == month,
            BenchmarkRun.state == "approved",
        )
    )
    return [one for found in approved for one in results_of(found).comparison.released]


def _member_report(found: BenchmarkRun, member: Member, results: RunResults) -> MemberReport:
    return MemberReport(
        month=found.month,
        version=found.version,
        code=member.code,
        name=member.name,
        name_en=member.name_en,
        compared=results.comparison.compared[member.id],
        thresholds=Thresholds(**found.thresholds),
    )


def _reports_of(session: FirmSession, found: BenchmarkRun) -> list[BenchmarkReport]:
    return list(
        session.scalars(
            select(BenchmarkReport)
            .where(
                BenchmarkReport.tenant_id.in_(session.tenant_ids),
                BenchmarkReport.month == found.month,
                BenchmarkReport.version == found.version,
            )
            .order_by(BenchmarkReport.tenant_id)
        )
    )


def _tell(session: FirmSession, action: str, found: BenchmarkRun, now: datetime) -> None:
    note(
        session,
        action,
        now=now,
        subject=f"benchmark_run:{found.id}",
        month=f"{found.month:%Y-%m}",
        version=found.version,
        hospitals=found.hospitals,
        withheld=found.withheld,
    )
