"""What a hospital pays: the worked month, and the rules of a patient-month."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import (
    Line,
    invoice_lines,
    is_free_cancellation,
    monthly_fen,
    months_billable,
    months_to_credit,
    next_opening,
)
from foundation.money import format_fen

days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
counts = st.integers(0, 10**6)


def test_the_march_of_heqing_first_hospital() -> None:
    invoice = invoice_lines(1240, 96, 4, 3, monthly_fen(), Decimal("0.06"))
    assert invoice.lines == (
        Line("carried", 1240, 1250, 1_550_000),
        Line("new", 96, 1250, 120_000),
        Line("cancelled", -4, 1250, -5_000),
        Line("credit", -3, 1250, -3_750),
    )
    assert invoice.patient_months == 1332
    assert format_fen(invoice.billed_fen) == "¥16,650.00"
    assert format_fen(invoice.subtotal_fen) == "¥16,612.50"
    assert format_fen(invoice.vat_fen) == "¥996.75"
    assert format_fen(invoice.total_fen) == "¥17,609.25"
    assert next_opening(1240, 96, 4, suppressed=11) == 1321


@given(counts, counts, counts, st.integers(0, 10**6), st.decimals(0, 1, places=4))
def test_an_invoice_adds_up_to_the_fen(
    carried: int, new: int, credited: int, unit: int, vat: Decimal
) -> None:
    invoice = invoice_lines(carried, new, new // 10, credited, unit, vat)
    assert invoice.subtotal_fen == sum(line.amount_fen for line in invoice.lines)
    assert invoice.subtotal_fen == (carried + new - new // 10 - credited) * unit
    assert invoice.total_fen == invoice.subtotal_fen + invoice.vat_fen
    assert abs(invoice.vat_fen - invoice.subtotal_fen * vat) <= Decimal("0.5")
    assert all(line.quantity for line in invoice.lines)


def test_tax_on_half_a_fen_goes_up_and_a_credit_month_mirrors_it() -> None:
    assert invoice_lines(1, 0, 0, 0, 50, Decimal("0.03")).vat_fen == 2
    assert invoice_lines(0, 0, 0, 1, 50, Decimal("0.03")).vat_fen == -2


@pytest.mark.parametrize(
    "values",
    [(-1, 0, 0, 0, 1250, "0.06"), (0, 1, 2, 0, 1250, "0.06"), (1, 0, 0, 0, -1, "0.06"), (1, 0, 0, 0, 1, "6")],
)
def test_a_count_price_or_rate_that_cannot_be_is_refused(values: tuple[int, int, int, int, int, str]) -> None:
    with pytest.raises(ValueError):
        invoice_lines(*values[:5], Decimal(values[5]))


def test_a_year_costs_twelve_months() -> None:
    assert monthly_fen() == 1250
    assert monthly_fen() * 12 == 15_000
    year = months_billable(date(2026, 1, 1), None, False, date(2026, 12, 31))
    assert len(year) == 12
    assert monthly_fen(10_000) == 833


@given(days, st.integers(0, 900), days)
def test_each_month_with_an_enrolled_day_is_billed_once(start: date, length: int, until: date) -> None:
    end = start + timedelta(days=length)
    enrolled = [start + timedelta(days=n) for n in range(length + 1)]
    expected = {day.replace(day=1) for day in enrolled if day.replace(day=1) <= until}
    months = months_billable(start, end, False, until)
    assert months == sorted(expected)
    # What was billed stays billed when the end is not yet known.
    assert set(months) <= set(months_billable(start, None, False, until))


def test_suppressed_during_a_month_is_billed_for_it_and_not_for_the_next() -> None:
    months = months_billable(date(2026, 1, 31), date(2026, 3, 1), False, date(2026, 6, 30))
    assert months == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


def test_a_cancelled_or_impossible_enrolment_costs_nothing() -> None:
    assert months_billable(date(2026, 3, 28), date(2026, 4, 3), True, date(2026, 4, 30)) == []
    assert months_billable(date(2026, 3, 28), date(2026, 3, 20), False, date(2026, 4, 30)) == []
    assert is_free_cancellation(date(2026, 3, 1), date(2026, 3, 1))
    assert is_free_cancellation(date(2026, 3, 1), date(2026, 3, 8))
    assert not is_free_cancellation(date(2026, 3, 1), date(2026, 3, 9))


def test_a_death_reported_in_march_gives_february_back() -> None:
    billed = months_billable(date(2025, 12, 10), None, False, date(2026, 2, 28))
    billable = months_billable(date(2025, 12, 10), date(2026, 1, 31), False, date(2026, 3, 31))
    assert months_to_credit(billed, billable) == [date(2026, 2, 1)]
    assert months_to_credit(billable, billed) == []
