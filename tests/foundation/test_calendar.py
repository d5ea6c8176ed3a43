"""Working days, months and days of China: the worked rows of C3 and the rules they follow."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.calendar import (
    SHANGHAI,
    CalendarMissing,
    add_local_days,
    add_months,
    add_working_days,
    at_local_time_of,
    days_off_between,
    first_of_month,
    is_holiday,
    is_makeup_workday,
    is_workday,
    local_date,
    local_day_end,
    local_day_start,
    month_bounds,
)

known_days = st.dates(date(2005, 1, 1), date(2026, 11, 1))
instants = st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("received", "five", "ten"),
    [
        (date(2024, 9, 27), date(2024, 10, 10), date(2024, 10, 16)),
        (date(2024, 9, 29), date(2024, 10, 11), date(2024, 10, 17)),
        (date(2025, 1, 24), date(2025, 2, 7), date(2025, 2, 13)),
        (date(2025, 9, 30), date(2025, 10, 14), date(2025, 10, 21)),
        (date(2024, 4, 30), date(2024, 5, 10), date(2024, 5, 16)),
    ],
)
def test_working_days_of_the_regulation(received: date, five: date, ten: date) -> None:
    assert add_working_days(received, 5) == five
    assert add_working_days(received, 10) == ten


@given(known_days, st.integers(1, 15))
def test_a_working_day_deadline_is_worked_and_has_n_worked_days_before_it(received: date, n: int) -> None:
    due = add_working_days(received, n)
    between = [received + timedelta(days=d) for d in range(1, (due - received).days + 1)]
    assert is_workday(due)
    assert sum(map(is_workday, between)) == n
    assert len(days_off_between(received, due)) == len(between) - n


def test_no_working_day_is_the_day_itself_and_none_lies_in_the_past() -> None:
    assert add_working_days(date(2025, 1, 29), 0) == date(2025, 1, 29)
    with pytest.raises(ValueError, match="forwards"):
        add_working_days(date(2025, 1, 29), -1)


def test_a_year_without_its_holiday_notice_is_an_error() -> None:
    with pytest.raises(CalendarMissing) as caught:
        is_workday(date(2099, 5, 4))
    assert caught.value.year == 2099
    with pytest.raises(CalendarMissing):
        is_holiday(date(1999, 10, 1))
    with pytest.raises(CalendarMissing):
        add_working_days(date(2003, 12, 30), 5)


def test_a_weekend_is_no_holiday_and_a_makeup_sunday_is_worked() -> None:
    assert is_holiday(date(2025, 10, 5))
    assert not is_holiday(date(2025, 10, 18))
    assert not is_workday(date(2025, 10, 18))
    assert is_workday(date(2025, 1, 26))
    assert is_makeup_workday(date(2025, 1, 26))
    assert not is_makeup_workday(date(2025, 1, 27))


def test_days_off_say_why() -> None:
    off = days_off_between(date(2025, 9, 30), date(2025, 10, 14))
    assert [(d.day.day, d.reason) for d in off] == [
        *((day, "holiday") for day in range(1, 9)),
        (12, "weekend"),
    ]
    assert off[0].name == "National Day"


def test_a_minute_before_midnight_counts_for_that_day() -> None:
    late = datetime(2024, 9, 27, 23, 59, tzinfo=SHANGHAI)
    assert local_date(late.astimezone(UTC)) == date(2024, 9, 27)
    assert local_date(late + timedelta(minutes=1)) == date(2024, 9, 28)
    with pytest.raises(ValueError, match="time zone"):
        local_date(datetime(2024, 9, 27, 12))  # noqa: DTZ001


def test_a_datetime_is_not_taken_for_a_date() -> None:
    with pytest.raises(TypeError, match="local_date"):
        first_of_month(datetime(2024, 9, 30, 23, 0, tzinfo=UTC))


def test_a_month_is_cut_at_midnight_in_china() -> None:
    assert month_bounds(date(2026, 3, 17)) == (
        datetime(2026, 2, 28, 16, tzinfo=UTC),
        datetime(2026, 3, 31, 16, tzinfo=UTC),
    )


@given(instants)
def test_every_instant_lies_in_its_own_day_and_month(moment: datetime) -> None:
    day = local_date(moment)
    assert local_day_start(day) <= moment <= local_day_end(day)
    start, end = month_bounds(day)
    assert start <= moment < end
    assert month_bounds(add_months(first_of_month(day), 1))[0] == end


@given(instants, st.integers(0, 400))
def test_a_day_later_keeps_the_time_of_day(moment: datetime, n: int) -> None:
    later = add_local_days(moment, n)
    assert later - moment == timedelta(days=n)
    assert at_local_time_of(moment, local_date(later)) == later


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 60))
def test_months_clamp_to_the_end_of_a_shorter_month(day: date, n: int) -> None:
    later = add_months(day, n)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == n
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_three_months_after_the_thirtieth_of_november() -> None:
    assert add_months(date(2025, 11, 30), 3) == date(2026, 2, 28)
    assert add_months(date(2025, 3, 31), -1) == date(2025, 2, 28)
