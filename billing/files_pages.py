"""Files of a month: the invoice as PDF, the statement as Excel or CSV. Each download is recorded."""

from __future__ import annotations

from collections.abc import Iterator

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing import export, queries
from billing.document import invoice_pdf
from billing.months import month_of
from billing.queries import PatientMonth, Statement
from billing.served import shown_since
from foundation import audit, files
from foundation.database import HospitalSession
from foundation.languages import choose
from foundation.web.errors import NotFound
from tenants.keys import data_key
from tenants.life import agreement
from tenants.rights import Action
from tenants.visit import Visit

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@get("/h/{code:str}/billing/{month:str}/invoice.pdf", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def invoice_file(
    code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit], language: FromQuery[str] = ""
) -> Response[bytes]:
    """The stored PDF of an issued invoice; a draft's and the English one are made of the same statement."""
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        found = _statement(session, month, visit, code)
        invoice, wanted = found.invoice, choose(language)
        if invoice.pdf_file_id is not None and wanted == "zh_Hans":
            content = files.get(session, data_key(session), invoice.pdf_file_id)[1]
        else:
            content = invoice_pdf(
                found, wanted, now=invoice.issued_at or visit.now, head=queries.head_of(session, found)
            )
        _record(session, visit, found, "pdf")
    return _download(content, f"{_name(found)}.pdf", "application/pdf")


@get("/h/{code:str}/billing/{month:str}/statement.xlsx", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def excel_file(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[bytes]:
    """The rows of the screen, and the patients behind them."""
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        agreement.require_for_export(session, doing="billing.export", now=visit.now)
        found = _statement(session, month, visit, code)
        content = export.xlsx(found, _patients(session, found), now=visit.now)
        _record(session, visit, found, "xlsx")
    return _download(content, f"{_name(found)}.xlsx", XLSX)


@get("/h/{code:str}/billing/{month:str}/statement.csv", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def csv_file(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[bytes]:
    """The rows of the screen."""
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        found = _statement(session, month, visit, code)
        content = export.csv(found)
        _record(session, visit, found, "csv")
    return _download(content, f"{_name(found)}.csv", "text/csv; charset=utf-8")


def _statement(session: HospitalSession, month: str, visit: Visit, code: str) -> Statement:
    since = shown_since(session, visit, code)
    invoice = queries.invoice_of_month(session, month_of(month), since=since)
    if invoice is None:
        raise NotFound
    return queries.statement(session, invoice)


def _patients(session: HospitalSession, found: Statement) -> Iterator[tuple[str, PatientMonth]]:
    for line in {line.key: line for line in found.lines}.values():
        behind = queries.patients_behind(session, found.invoice.id, kind=line.kind, month=line.month)
        yield from ((line.label, patient) for patient in behind)


def _record(session: HospitalSession, visit: Visit, found: Statement, kind: str) -> None:
    audit.record(
        session,
        "billing.downloaded",
        now=visit.now,
        subject=f"invoice:{found.invoice.id}",
        detail={"file": kind, "month": found.month.isoformat(), "lines": len(found.lines)},
    )


def _name(found: Statement) -> str:
    return found.invoice.number or f"{found.hospital.code.upper()}-{found.month:%Y%m}-draft"


def _download(content: bytes, name: str, media_type: str) -> Response[bytes]:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


handlers = [invoice_file, excel_file, csv_file]
