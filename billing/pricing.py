"""What a month costs: one price per patient and calendar month (S3-20, J5, C10).

150.00 yuan per enrolled patient and year are 12.50 yuan for each calendar month (Asia/Shanghai) with at
least one enrolled day; there is no proration. Amounts are integer fen; a line is rounded half up once.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from foundation.calendar import add_months, first_of_month
from foundation.money import round_half_up, share_of

YEARLY_FEN = 15_000  # S3-20: 150.00 yuan
FREE_CANCELLATION_DAYS = 7  # J5
DEFAULT_VAT_RATE = Decimal("0.06")  # J5; the rate stands in the contract

LineKind = Literal["carried", "new", "cancelled", "suspended", "late", "credit"]
OF_OTHER_MONTHS = frozenset({"late", "credit"})


def monthly_fen(yearly_fen: int = YEARLY_FEN) -> int:
    """The price of one patient-month (人月) in fen: a twelfth of the year's, rounded half up (1250)."""
    return round_half_up(Decimal(yearly_fen) / 12)


def is_free_cancellation(enrolled: date, cancelled: date, days: int = FREE_CANCELLATION_DAYS) -> bool:
    """Whether an enrolment ended so early that it costs nothing.

    The day of enrolment is not counted (民法典 201), so enrolled on the 1st, the 8th is the last free day.
    """
    return cancelled <= enrolled + timedelta(days=days)


def months_billable(start: date, end: date | None, cancelled_within_7_days: bool, until: date) -> list[date]:
    """The months one enrolment is billed for, as their first days, up to the month of ``until``.

    ``start`` is the first and ``end`` the last enrolled day (None: still enrolled). A patient suppressed
    during a month is billed for it and not for the next; one who died before the enrolment began
    (``end`` before ``start``) was never enrolled. Cancelled inside 7 days: no month at all.
    """
    if cancelled_within_7_days or (end is not None and end < start):
        return []
    last = first_of_month(until if end is None else min(until, end))
    months = []
    month = first_of_month(start)
    while month <= last:
        months.append(month)
        month = add_months(month, 1)
    return months


def months_to_credit(billed: Collection[date], billable: Collection[date]) -> list[date]:
    """Months (first days) on earlier invoices that turn out not to be billable, earliest first.

    A finalised invoice is never edited; the next one credits (J5: a death reported late).
    """
    return sorted(set(billed) - set(billable))


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice line: ``quantity`` patient-months at ``unit_fen``; reductions are negative.

    ``month`` is the first day of the month they belong to, None for the invoice's own.
    """

    kind: LineKind
    quantity: int
    unit_fen: int
    amount_fen: int
    month: date | None = None


@dataclass(frozen=True, slots=True)
class InvoiceAmounts:
    """An invoice in fen. ``subtotal_fen`` is before VAT (增值税), which is rounded once on the subtotal."""

    lines: tuple[Line, ...]
    subtotal_fen: int
    vat_fen: int
    total_fen: int

    @property
    def patient_months(self) -> int:
        """Billed patient-months of the month itself, without late ones and credits of earlier months."""
        return sum(line.quantity for line in self.lines if line.kind not in OF_OTHER_MONTHS)

    @property
    def billed_fen(self) -> int:
        """The amount of the month itself, before what belongs to earlier months."""
        return sum(line.amount_fen for line in self.lines if line.kind not in OF_OTHER_MONTHS)


def invoice_lines(
    carried: int, new: int, cancelled: int, credited: int, unit_fen: int, vat_rate: Decimal
) -> InvoiceAmounts:
    """The invoice of one hospital and month from four counts of patient-months, none negative.

    ``carried`` came over from the month before, ``new`` enrolled in it, ``cancelled`` of them inside 7
    days, ``credited`` are patient-months of earlier invoices given back. A line of nothing is left out.
    ValueError for a negative count or price, more cancelled than new, or a rate outside 0 to 1.
    """
    if min(carried, new, cancelled, credited, unit_fen) < 0:
        raise ValueError("counts and the price of an invoice are not negative")
    if cancelled > carried + new:
        raise ValueError("more enrolments cancelled than there were")
    counts: tuple[tuple[LineKind, int], ...] = (
        ("carried", carried),
        ("new", new),
        ("cancelled", -cancelled),
        ("credit", -credited),
    )
    return amounts([Line(kind, n, unit_fen, n * unit_fen) for kind, n in counts if n], vat_rate)


def amounts(lines: Iterable[Line], vat_rate: Decimal) -> InvoiceAmounts:
    """The sums of finished lines; VAT is rounded once. ValueError for a rate outside 0 to 1."""
    if not 0 <= vat_rate <= 1:
        raise ValueError(f"a VAT rate lies between 0 and 1, not {vat_rate}")
    kept = tuple(lines)
    subtotal = sum(line.amount_fen for line in kept)
    vat = share_of(subtotal, vat_rate)
    return InvoiceAmounts(kept, subtotal, vat, subtotal + vat)


def next_opening(carried: int, new: int, cancelled: int, suppressed: int) -> int:
    """Patients carried into the next month: the proof line of the usage page (J5)."""
    return carried + new - cancelled - suppressed
