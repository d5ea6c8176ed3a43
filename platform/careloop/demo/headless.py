"""September 2026 without a browser: the whole job once, in a throwaway data folder, as one JSON object."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from billing.models import Invoice
from careloop.assemble import assembled, database_server
from careloop.demo.stage import Stage, StageHospital, set_stage
from careloop.demo.story import SAMPLE_MONTH, telling
from foundation import files
from foundation.calendar import add_months, local_day_start
from foundation.settings import Settings
from reporting import overview
from reporting.models import BenchmarkReport, BenchmarkRun, MonthlyReport
from tenants.keys import data_key

DONE = ("completed", "partial")
OTHER_STATES = ("unreachable", "open", "refused", "cancelled", "expired")
STATES = text("""
SELECT state, count(*) AS tasks FROM contact_task WHERE tenant_id = ANY (:tenants) GROUP BY state
""")
# A case is in time when no limit of it was missed by the cut: met late, or due before the cut and not met.
COUNTS = text("""
SELECT (SELECT count(*) FROM patient WHERE tenant_id = ANY (:tenants)) AS patients,
       (SELECT count(*) FROM encounter WHERE tenant_id = ANY (:tenants)) AS encounters,
       (SELECT count(*) FROM suppression
         WHERE tenant_id = ANY (:tenants) AND lifted_at IS NULL) AS suppressed,
       (SELECT sum(drawn_size)::int FROM survey_sample
         WHERE tenant_id = ANY (:tenants) AND audience = 'outpatient') AS drawn,
       (SELECT sum(frame_size)::int FROM survey_sample
         WHERE tenant_id = ANY (:tenants) AND audience = 'outpatient') AS frame,
       (SELECT count(*) FROM response
         WHERE tenant_id = ANY (:tenants) AND state IN ('complete', 'partial')) AS responses,
       count(*) AS opened,
       count(*) FILTER (WHERE stage = 'closed') AS closed,
       count(*) FILTER (WHERE NOT EXISTS (
           SELECT 1 FROM case_clock k
            WHERE k.tenant_id = c.tenant_id AND k.case_id = c.id
              AND coalesce(k.met_at, :cut) > k.due_at)) AS in_time
  FROM feedback_case c
 WHERE tenant_id = ANY (:tenants)
""")


def run_headless(settings: Settings, out: Path, seed: str, told: Callable[[str], None]) -> dict[str, Any]:
    """Live through the month, write the files to `out`, return what is printed."""
    started = time.monotonic()
    with (
        database_server(settings, purpose="careloop demo --headless", exclusive=True) as server,
        assembled(settings, server, name="demo", with_broker=False, durable=False) as parts,
    ):
        stage = set_stage(parts.database, local_day_start(SAMPLE_MONTH) + timedelta(hours=6))
        with telling(stage, seed, told, parts, server.endpoints.runtime_url) as story:
            story.month(SAMPLE_MONTH)
            run = story.close(SAMPLE_MONTH)
        return {
            "imports": dict(sorted(story.imports.items())),
            **_counts(stage),
            "invoices": _invoices(stage, SAMPLE_MONTH, out),
            "benchmark": _benchmark(stage, run, out),
            "seconds": round(time.monotonic() - started, 1),
        }


def _counts(stage: Stage) -> dict[str, Any]:
    """Sums over all hospitals at the end of the month; the states of the contacts add up to `planned`."""
    with stage.firm() as session:
        scope = {"tenants": list(session.tenant_ids), "cut": local_day_start(add_months(SAMPLE_MONTH, 1))}
        row = session.execute(COUNTS, scope).mappings().one()
        states: dict[str, int] = {row.state: row.tasks for row in session.execute(STATES, scope)}
    contacts = {"planned": sum(states.values()), "completed": sum(states.get(state, 0) for state in DONE)}
    contacts |= {state: states.get(state, 0) for state in OTHER_STATES}
    return {
        "patients": row["patients"],
        "encounters": row["encounters"],
        "suppressed": row["suppressed"],
        "contacts": contacts,
        "outpatient_sample": {"drawn": row["drawn"], "of": row["frame"]},
        "responses": row["responses"],
        "cases": {"opened": row["opened"], "closed": row["closed"], "in_time": row["in_time"]},
    }


def _invoices(stage: Stage, month: date, out: Path) -> list[dict[str, Any]]:
    found = []
    for hospital in stage.hospitals:
        with stage.hospital(hospital) as session:
            invoice = session.scalars(
                select(Invoice).where(Invoice.tenant_id == session.tenant_id, Invoice.month == month)
            ).one()
            pdf = None
            if invoice.pdf_file_id is not None:
                row, content = files.get(session, data_key(session), invoice.pdf_file_id)
                pdf = _write(out / f"{hospital.cast.code}-{row.name}", content)
            found.append(
                {
                    "hospital": hospital.cast.code,
                    "name": hospital.cast.name,
                    "patients": invoice.patients,
                    "amount_fen": invoice.subtotal_fen,
                    "vat_fen": invoice.vat_fen,
                    "total_fen": invoice.total_fen,
                    "pdf": pdf,
                }
            )
    return found


def _benchmark(stage: Stage, run: BenchmarkRun, out: Path) -> dict[str, Any]:
    name = f"benchmark-{run.month:%Y%m}"
    pdf, xlsx = overview.overview_pdf(run), overview.overview_xlsx(run)
    for hospital in stage.hospitals:
        _reports(stage, hospital, run.month, out)
    return {
        "pdf": _write(out / f"{name}.pdf", pdf),
        "xlsx": _write(out / f"{name}.xlsx", xlsx),
        "hospitals": run.hospitals,
        "withheld": run.withheld,
    }


def _reports(stage: Stage, hospital: StageHospital, month: date, out: Path) -> None:
    """The month's report and the member's benchmark of one hospital, as PDF and Excel."""
    with stage.hospital(hospital) as session:
        tenant_id = session.tenant_id
        report = session.scalars(
            select(MonthlyReport).where(MonthlyReport.tenant_id == tenant_id, MonthlyReport.month == month)
        ).one_or_none()
        compared = session.scalars(
            select(BenchmarkReport).where(
                BenchmarkReport.tenant_id == tenant_id, BenchmarkReport.month == month
            )
        ).one_or_none()
        for kind, row in (("report", report), ("benchmark", compared)):
            kept = {} if row is None else {"pdf": row.pdf_file_id, "xlsx": row.xlsx_file_id}
            for suffix, file_id in kept.items():
                if file_id is not None:
                    _, content = files.get(session, data_key(session), file_id)
                    _write(out / f"{hospital.cast.code}-{kind}-{month:%Y%m}.{suffix}", content)


def _write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)
