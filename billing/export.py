"""The statement as a table: the same rows on the screen, in Excel and in CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.document import vat_label
from billing.queries import PatientMonth, Statement
from foundation.documents.spreadsheet import Column, Kind, Sheet, write_csv, write_xlsx
from foundation.languages import current, format_month
from foundation.languages import gettext as _


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the statement; `key` leads to the patients behind it, `strong` marks a sum."""

    label: str
    quantity: int | None
    unit_fen: int | None
    amount_fen: int
    key: str | None = None
    strong: bool = False


def rows(statement: Statement) -> list[Row]:
    """Lines, the month's own sum, lines of other months, subtotal, VAT, total (SC-44)."""
    invoice = statement.invoice
    own = [Row(n.label, n.quantity, n.unit_fen, n.amount_fen, n.key) for n in statement.own_lines]
    other = [Row(n.label, n.quantity, n.unit_fen, n.amount_fen, n.key) for n in statement.other_lines]
    return [
        *own,
        Row(_("Billed patient-months"), invoice.patients, None, statement.billed_fen, strong=True),
        *other,
        Row(_("Subtotal"), None, None, invoice.subtotal_fen, strong=True),
        Row(vat_label(invoice.vat_rate), None, None, invoice.vat_fen),
        Row(_("Total"), None, None, invoice.total_fen, strong=True),
    ]


def csv(statement: Statement) -> bytes:
    """The statement as CSV."""
    return write_csv(_statement_sheet(statement))


def xlsx(statement: Statement, patients: Iterable[tuple[str, PatientMonth]], *, now: datetime) -> bytes:
    """The statement and, on a second sheet, the patients behind its lines (label and patient, masked)."""
    hospital = statement.hospital.name if current() == "zh_Hans" else statement.hospital.name_en
    title = f"{hospital} {format_month(statement.month)}"
    return write_xlsx([_statement_sheet(statement), _patients_sheet(patients)], title=title, generated=now)


def _statement_sheet(statement: Statement) -> Sheet:
    columns = [
        Column("label", _("Line"), width=42),
        Column("quantity", _("Patient-months"), Kind.INT),
        Column("unit_fen", _("Price"), Kind.MONEY_FEN),
        Column("amount_fen", _("Amount"), Kind.MONEY_FEN),
    ]
    table: list[Mapping[str, Any]] = [
        {"label": r.label, "quantity": r.quantity, "unit_fen": r.unit_fen, "amount_fen": r.amount_fen}
        for r in rows(statement)
    ]
    return Sheet(_("Statement"), columns, table)


def _patients_sheet(patients: Iterable[tuple[str, PatientMonth]]) -> Sheet:
    columns = [
        Column("line", _("Line"), width=42),
        Column("name", _("Patient")),
        Column("record", _("Record number, last 4")),
        Column("department", _("Department")),
        Column("enrolled_on", _("Enrolled on"), Kind.DATE),
        Column("ended_on", _("Ended on"), Kind.DATE),
        Column("reason", _("Reason")),
    ]
    table = (
        {
            "line": label,
            "name": patient.masked_name,
            "record": patient.record_tail,
            "department": patient.department,
            "enrolled_on": patient.enrolled_on,
            "ended_on": patient.ended_on,
            "reason": patient.reason_label,
        }
        for label, patient in patients
    )
    return Sheet(_("Patients"), columns, table)
