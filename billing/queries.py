"""What the pages, the files and the PDF read: one statement per invoice, one list behind each line.

Everything comes from what is stored with the invoice, never computed anew, so that screen, file and PDF
cannot differ and an issued month reads the same for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select, union_all

from billing.labels import LINES, REASONS
from billing.models import Contract, Invoice, InvoiceLine, LedgerCredit, LedgerEntry
from billing.pricing import OF_OTHER_MONTHS, next_opening
from billing.served import ALWAYS, served_since, since_of
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.languages import current, format_month, gettext
from patients.models import Encounter, Enrolment, Patient
from tenants.life import branding
from tenants.models import Department, Hospital


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line as it is shown: patient-months (人月), fen each and together. `key` names it in addresses."""

    kind: str
    month: date
    quantity: int
    unit_fen: int
    amount_fen: int

    @property
    def key(self) -> str:
        """`credit-202608`."""
        return f"{self.kind}-{self.month:%Y%m}"

    @property
    def label(self) -> str:
        """The line's words in the current language."""
        return line_label(self.kind, self.month)


@dataclass(frozen=True, slots=True)
class Proof:
    """Patients at the begin and the end of the month (J5): opening + new − cancelled − left = closing.

    `corrected` were in the closing count of the month before and, as is known now, should not have been.
    """

    opening: int
    new: int
    cancelled: int
    left: int
    corrected: int

    @property
    def closing(self) -> int:
        """Patients carried into the next month."""
        return next_opening(self.opening, self.new, self.cancelled, self.left)


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of one hospital and month (结算单): what page, spreadsheet and PDF show."""

    invoice: Invoice
    contract: Contract
    hospital: Hospital
    lines: tuple[StatementLine, ...]
    proof: Proof

    @property
    def month(self) -> date:
        """First day of the month."""
        return self.invoice.month

    @property
    def own_lines(self) -> tuple[StatementLine, ...]:
        """The lines of the month itself."""
        return tuple(line for line in self.lines if line.kind not in OF_OTHER_MONTHS)

    @property
    def other_lines(self) -> tuple[StatementLine, ...]:
        """Late patient-months and credits of earlier months."""
        return tuple(line for line in self.lines if line.kind in OF_OTHER_MONTHS)

    @property
    def billed_fen(self) -> int:
        """The month itself, before what belongs to earlier months."""
        return sum(line.amount_fen for line in self.own_lines)


@dataclass(frozen=True, slots=True)
class PatientMonth:
    """One patient behind a line; masked, without any diagnosis (C10)."""

    patient_id: UUID
    masked_name: str
    record_tail: str
    department: str
    enrolled_on: date
    ended_on: date | None
    reason: str

    @property
    def reason_label(self) -> str:
        """Why it ends, is free or is given back."""
        return gettext(REASONS.get(self.reason, self.reason)) if self.reason else ""


@dataclass(frozen=True, slots=True)
class MonthOfHospital:
    """One row of the firm's overview; `state` as in `labels.STATES`, amounts None without an invoice."""

    tenant_id: UUID
    code: str
    name: str
    name_en: str
    state: str
    number: str | None
    patients: int | None
    total_fen: int | None
    due_on: date | None
    contract: bool

    @property
    def label(self) -> str:
        """The hospital's name in the current language."""
        return self.name if current() == "zh_Hans" else self.name_en or self.name


def line_label(kind: str, month: date) -> str:
    """A line's words in the current language."""
    return gettext(LINES[kind], month=format_month(month), before=format_month(add_months(month, -1)))


def invoice_of_month(session: HospitalSession, month: date, *, since: date = ALWAYS) -> Invoice | None:
    """The month's invoice that holds: a void one is none, and one of contracts before `since` (another
    firm's) neither.
    """
    return session.scalar(
        select(Invoice).where(
            Invoice.tenant_id == session.tenant_id,
            Invoice.month == first_of_month(month),
            Invoice.state != "void",
            Invoice.contract_id.in_(_contracts_since(session, since)),
        )
    )


def invoices(session: HospitalSession, *, since: date = ALWAYS) -> Sequence[Invoice]:
    """The invoices of contracts from `since` on, newest month first, void ones included."""
    return session.scalars(
        select(Invoice)
        .where(
            Invoice.tenant_id == session.tenant_id,
            Invoice.contract_id.in_(_contracts_since(session, since)),
        )
        .order_by(Invoice.month.desc(), Invoice.created_at.desc())
    ).all()


def contracts(session: HospitalSession, *, since: date = ALWAYS) -> Sequence[Contract]:
    """The contracts of the hospital that began on `since` or later, newest first."""
    return session.scalars(
        select(Contract)
        .where(Contract.tenant_id == session.tenant_id, Contract.starts_on >= since)
        .order_by(Contract.starts_on.desc())
    ).all()


def _contracts_since(session: HospitalSession, since: date) -> Select[UUID]:
    return select(Contract.id).where(Contract.tenant_id == session.tenant_id, Contract.starts_on >= since)


def lines_of(session: HospitalSession, invoice_id: UUID) -> Sequence[InvoiceLine]:
    """The stored lines in order."""
    return session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.tenant_id == session.tenant_id, InvoiceLine.invoice_id == invoice_id)
        .order_by(InvoiceLine.position)
    ).all()


def statement(session: HospitalSession, invoice: Invoice) -> Statement:
    """The statement of one invoice, draft or not."""
    lines = tuple(
        StatementLine(row.kind, row.month, row.quantity, row.unit_fen, row.amount_fen)
        for row in lines_of(session, invoice.id)
    )
    own = {kind: abs(sum(n.quantity for n in lines if n.kind == kind)) for kind in LINES}
    left = session.scalar(
        select(func.count()).where(
            LedgerEntry.tenant_id == session.tenant_id,
            LedgerEntry.month == invoice.month,
            LedgerEntry.invoice_id == invoice.id,
            LedgerEntry.kind.in_(("carried", "new")),
            LedgerEntry.leaves.is_(True),
        )
    )
    return Statement(
        invoice=invoice,
        contract=session.get_one(Contract, (session.tenant_id, invoice.contract_id)),
        hospital=session.get_one(Hospital, session.tenant_id),
        lines=lines,
        proof=Proof(own["carried"], own["new"], own["cancelled"], left or 0, invoice.corrected),
    )


def head_of(session: HospitalSession, found: Statement) -> branding.Letterhead:
    """The brand under which the firm of this statement's contract writes; none for a firm that served the
    hospital before.
    """
    if found.contract.starts_on < served_since(session):
        return branding.NO_LETTERHEAD
    return branding.firm_letterhead(session)


def patients_behind(
    session: HospitalSession,
    invoice_id: UUID,
    *,
    kind: str | None = None,
    month: date | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> list[PatientMonth]:
    """The patients of a line (or of the whole invoice), by enrolment date; names masked in the database."""
    source = _rows(session, invoice_id, kind, month)
    query = (
        select(
            Patient.id,
            (func.left(Patient.name, 1) + "**").label("masked_name"),
            func.right(Patient.record_number, 4).label("record_tail"),
            func.coalesce(Department.name, "").label("department"),
            Enrolment.started_on,
            func.least(Enrolment.ended_on, Enrolment.cancelled_on).label("ended_on"),
            source.c.reason,
        )
        .join_from(
            source, Patient, (Patient.tenant_id == session.tenant_id) & (Patient.id == source.c.patient_id)
        )
        .join(
            Enrolment,
            (Enrolment.tenant_id == session.tenant_id) & (Enrolment.id == source.c.enrolment_id),
        )
        .join(
            Encounter,
            (Encounter.tenant_id == session.tenant_id) & (Encounter.id == Enrolment.encounter_id),
        )
        .outerjoin(
            Department,
            (Department.tenant_id == session.tenant_id) & (Department.id == Encounter.department_id),
        )
        .order_by(Enrolment.started_on, Patient.record_number, source.c.month)
        .offset(offset)
        .limit(limit)
    )
    return [PatientMonth(*row) for row in session.execute(query)]


def _contract_in(first: date) -> ColumnElement[bool]:
    """Whether a contract of the hospital's present firm covers a day of the month."""
    return (
        select(Contract.id)
        .where(
            Contract.tenant_id == Hospital.tenant_id,
            Contract.starts_on < add_months(first, 1),
            Contract.ends_on.is_(None) | (Contract.ends_on >= first),
            Contract.starts_on >= since_of(Hospital.tenant_id),
        )
        .exists()
    )


def overview(session: FirmSession, month: date, *, now: datetime) -> list[MonthOfHospital]:
    """The month over the hospitals of the session, by code; one row of each hospital by LATERAL."""
    first = first_of_month(month)
    invoice = (
        select(Invoice)
        .join(Contract, (Contract.tenant_id == Invoice.tenant_id) & (Contract.id == Invoice.contract_id))
        .where(
            Invoice.tenant_id == Hospital.tenant_id,
            Invoice.month == first,
            Invoice.state != "void",
            Contract.starts_on >= since_of(Hospital.tenant_id),
        )
        .lateral("invoice")
    )
    contract = _contract_in(first)
    rows = session.execute(
        select(
            Hospital.tenant_id,
            Hospital.code,
            Hospital.name,
            Hospital.name_en,
            invoice.c.state,
            invoice.c.number,
            invoice.c.patients,
            invoice.c.total_fen,
            invoice.c.due_on,
            contract,
        )
        .outerjoin(invoice, literal(True))
        .where(Hospital.firm_id == session.firm_id, Hospital.tenant_id.in_(session.tenant_ids))
        .order_by(Hospital.code)
    )
    return [
        MonthOfHospital(
            tenant_id=row[0],
            code=row[1],
            name=row[2],
            name_en=row[3],
            state=shown_state(row[4], row[8], first, now),
            number=row[5],
            patients=row[6],
            total_fen=row[7],
            due_on=row[8],
            contract=row[9],
        )
        for row in rows
    ]


def shown_state(state: str | None, due_on: date | None, month: date, now: datetime) -> str:
    """The word for a month: an issued invoice past its day is overdue, a month without one is open or due."""
    today = local_date(now)
    if state is None:
        return "open" if today < add_months(month, 1) else "due"
    if state == "issued" and due_on is not None and today > due_on:
        return "overdue"
    return state


def _rows(session: HospitalSession, invoice_id: UUID, kind: str | None, month: date | None) -> Subquery:
    """Patient, enrolment, month and reason of the patient-months of a line."""
    entry: Select[UUID, UUID, date, str] = select(
        LedgerEntry.patient_id, LedgerEntry.enrolment_id, LedgerEntry.month, LedgerEntry.reason
    ).where(LedgerEntry.tenant_id == session.tenant_id, LedgerEntry.invoice_id == invoice_id)
    credit: Select[UUID, UUID, date, str] = select(
        LedgerCredit.patient_id, LedgerCredit.enrolment_id, LedgerCredit.month, LedgerCredit.reason
    ).where(LedgerCredit.tenant_id == session.tenant_id, LedgerCredit.invoice_id == invoice_id)
    if month is not None:
        entry, credit = entry.where(LedgerEntry.month == month), credit.where(LedgerCredit.month == month)
    if kind == "credit":
        return credit.subquery()
    if kind == "suspended":
        return entry.where(LedgerEntry.suspended).subquery()
    if kind is not None:
        kinds = ("new", "cancelled") if kind == "new" else (kind,)
        return entry.where(LedgerEntry.kind.in_(kinds)).subquery()
    return union_all(entry, credit).subquery()
