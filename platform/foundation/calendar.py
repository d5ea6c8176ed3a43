"""Days, months and working days (工作日) as they are counted in China.

Every date of a rule is a date in Asia/Shanghai; every instant is an aware datetime, UTC where we make it.
Holidays and make-up workdays (调休) follow the State Council's yearly notice, which appears each November.
They come as data from ``chinesecalendar``; a year without data is an error, never a guess (C3, C11-14).
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import chinese_calendar
from chinese_calendar.constants import holidays as _festivals
from chinese_calendar.constants import workdays as _makeup_days

SHANGHAI = ZoneInfo("Asia/Shanghai")


class CalendarMissing(Exception):
    """The holiday notice of ``year`` is not in the calendar data (节假日安排未导入)."""

    def __init__(self, year: int) -> None:
        super().__init__(f"no holiday calendar for {year}")
        self.year = year


@dataclass(frozen=True, slots=True)
class DayOff:
    """A day that working-day counting passes over: a plain weekend or a day of a holiday period.

    ``name`` is the holiday's English name (``Spring Festival``), None for a plain weekend.
    """

    day: date
    reason: Literal["weekend", "holiday"]
    name: str | None = None


def is_workday(day: date) -> bool:
    """Whether people work on ``day`` (工作日), make-up Saturdays and Sundays included.

    Raises CalendarMissing for a year without a holiday notice.
    """
    try:
        return bool(chinese_calendar.is_workday(_plain(day)))
    except NotImplementedError as error:
        raise CalendarMissing(day.year) from error


def is_holiday(day: date) -> bool:
    """Whether ``day`` lies in a statutory holiday period (法定节假日), days given in lieu included.

    A plain weekend is no holiday: patients may be called on it. Raises CalendarMissing.
    """
    return day_off(day, weekends=False) is not None


def is_makeup_workday(day: date) -> bool:
    """Whether ``day`` is a weekend day that is worked (调休上班). Raises CalendarMissing."""
    return is_workday(day) and _plain(day) in _makeup_days


def day_off(day: date, *, weekends: bool = True) -> DayOff | None:
    """Why nobody works on ``day``, or None when it is worked. Raises CalendarMissing."""
    if is_workday(day):
        return None
    plain = _plain(day)
    if plain in _festivals:
        return DayOff(plain, "holiday", str(_festivals[plain]))
    return DayOff(plain, "weekend") if weekends else None


def add_working_days(received: date, n: int) -> date:
    """The ``n``-th working day after ``received``; the day of receipt is not counted (民法典 201, C3).

    ``n`` is at least 1; for 0 the day itself comes back. Raises CalendarMissing when the count reaches a
    year without a holiday notice, ValueError for a negative ``n``.
    """
    if n < 0:
        raise ValueError("working days are counted forwards")
    day = _plain(received)
    for following in _days_after(day):
        if n == 0:
            break
        day = following
        n -= is_workday(day)
    return day


def days_off_between(start: date, end: date) -> list[DayOff]:
    """The days off after ``start`` up to and with ``end``: what a deadline in working days passed over."""
    days = (day_off(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))
    return [day for day in days if day is not None]


def local_date(moment: datetime) -> date:
    """The date that a clock on a wall in China shows at ``moment`` (aware). ValueError for a naive one."""
    return _aware(moment).astimezone(SHANGHAI).date()


def local_day_start(day: date) -> datetime:
    """The instant (UTC) at which ``day`` begins in China."""
    return datetime.combine(_plain(day), time.min, SHANGHAI).astimezone(UTC)


def local_day_end(day: date) -> datetime:
    """The last instant (UTC) of ``day`` in China: a term ends at 24:00 (民法典 203).

    It is one microsecond before the next day begins, so that it still prints as the day it belongs to.
    """
    return local_day_start(_plain(day) + timedelta(days=1)) - timedelta(microseconds=1)


def add_local_days(moment: datetime, n: int) -> datetime:
    """``n`` calendar days after ``moment`` at the same time of day in China, as UTC."""
    return (_aware(moment).astimezone(SHANGHAI) + timedelta(days=n)).astimezone(UTC)


def at_local_time_of(moment: datetime, day: date) -> datetime:
    """``day`` at the time of day that ``moment`` has in China, as UTC."""
    local = _aware(moment).astimezone(SHANGHAI)
    return datetime.combine(_plain(day), local.time(), SHANGHAI).astimezone(UTC)


def first_of_month(day: date) -> date:
    """The first day of the month of ``day``."""
    return _plain(day).replace(day=1)


def add_months(day: date, n: int) -> date:
    """``day`` moved by ``n`` calendar months; a day that the month lacks becomes its last day.

    The same as PostgreSQL's ``day + make_interval(months => n)``.
    """
    year, month0 = divmod(day.year * 12 + day.month - 1 + n, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """Begin and end (exclusive) of the month of ``month`` as UTC instants.

    A month is cut at Asia/Shanghai 00:00 on the 1st (J5).
    """
    first = first_of_month(month)
    return local_day_start(first), local_day_start(add_months(first, 1))


def _days_after(day: date) -> Iterator[date]:
    while True:
        day += timedelta(days=1)
        yield day


def _plain(day: date) -> date:
    # A datetime is a date to Python; its date would silently be the one of its own zone.
    if isinstance(day, datetime):
        raise TypeError("a date is wanted; local_date() makes one of an instant")
    return day


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return moment
