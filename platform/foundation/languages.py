"""Chinese and English: the language of the request, its messages, and how dates, times, money and shares
are written.

The language is a context variable, set once a request by the web kit (a person's own setting, then the
cookie, then Chinese) and by whoever writes a document for a reader. Rules never read it.

    from foundation.languages import gettext as _
    _("{count} rows were read.", count=31)

`python -m foundation.languages --missing` prints what has no Chinese yet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from foundation import messages
from foundation.calendar import SHANGHAI
from foundation.money import format_fen

Language = Literal["zh_Hans", "en"]
DEFAULT: Language = "zh_Hans"
LANGUAGES: tuple[Language, ...] = ("zh_Hans", "en")
NOTHING = "—"

_language: ContextVar[Language] = ContextVar("careloop_language", default=DEFAULT)

_WEEKDAYS_ZH = "一二三四五六日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def current() -> Language:
    """The language of this request, or of the document being written."""
    return _language.get()


def choose(*wishes: str | None) -> Language:
    """The first wish that is a language of ours, else Chinese."""
    for wish in wishes:
        for known in LANGUAGES:
            if wish == known:
                return known
    return DEFAULT


def use(language: Language) -> None:
    """Speak this language for the rest of the request."""
    _language.set(language)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Speak this language within the block: a document for a reader, a test."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def mark(message: str) -> str:
    """The message itself, marked for translation: for texts in data, translated when shown."""
    return message


def gettext(message: str, /, **values: Any) -> str:
    """The message in the current language, with `{name}` filled from `values`."""
    texts = messages.catalogue().get(message) if current() == "zh_Hans" else None
    text = texts[0] if texts else message
    return text.format(**values) if values else text


def ngettext(singular: str, plural: str, count: int, /, **values: Any) -> str:
    """As `gettext`, for a counted thing; `{count}` is filled in. Chinese has one form."""
    if current() == "zh_Hans" and (texts := messages.catalogue().get(singular)):
        text = texts[-1]
    else:
        text = singular if count == 1 else plural
    return text.format(count=count, **values)


def bilingual(content: Mapping[str, str] | None) -> str:
    """The text of content that has both languages (`{"zh": …, "en": …}`), the other one when one is empty."""
    if not content:
        return ""
    mine, other = ("zh", "en") if current() == "zh_Hans" else ("en", "zh")
    return content.get(mine) or content.get(other) or ""


def format_date(day: date | datetime | None) -> str:
    """`2026-03-12` / `12 Mar 2026`; an instant by its date in China; nothing as a dash."""
    if day is None:
        return NOTHING
    local = day.astimezone(SHANGHAI).date() if isinstance(day, datetime) else day
    if current() == "zh_Hans":
        return local.isoformat()
    return f"{local.day} {_MONTHS_EN[local.month - 1]} {local.year}"


def format_day(day: date | datetime | None) -> str:
    """A date with its weekday: `2026-03-12 周四` / `Thu 12 Mar 2026`."""
    if day is None:
        return NOTHING
    local = day.astimezone(SHANGHAI).date() if isinstance(day, datetime) else day
    if current() == "zh_Hans":
        return f"{local.isoformat()} 周{_WEEKDAYS_ZH[local.weekday()]}"
    return f"{_WEEKDAYS_EN[local.weekday()]} {format_date(local)}"


def format_datetime(moment: datetime | None) -> str:
    """`2026-03-12 周四 14:30` / `Thu 12 Mar 2026 14:30`, as the clocks in China show it."""
    if moment is None:
        return NOTHING
    return f"{format_day(moment)} {moment.astimezone(SHANGHAI):%H:%M}"


def format_month(month: date) -> str:
    """`2026年9月` / `Sep 2026`."""
    if current() == "zh_Hans":
        return f"{month.year}年{month.month}月"
    return f"{_MONTHS_EN[month.month - 1]} {month.year}"


def format_clock(moment: datetime | None) -> str:
    """`14:30`, in China."""
    return NOTHING if moment is None else f"{moment.astimezone(SHANGHAI):%H:%M}"


def format_duration(span: timedelta | int | None) -> str:
    """`2 天 3 小时`, `3 小时 12 分`, `12 分`, `40 秒` / `2 d 3 h`, `3 h 12 min`; an int is in seconds."""
    if span is None:
        return NOTHING
    seconds = abs(int(span.total_seconds()) if isinstance(span, timedelta) else span)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    units = ("天", "小时", "分", "秒") if current() == "zh_Hans" else ("d", "h", "min", "s")
    if seconds < 60:
        return f"{left} {units[3]}"
    parts = [(days, units[0]), (hours, units[1])] if days else [(hours, units[0 + 1]), (minutes, units[2])]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def format_time_left(deadline: datetime, now: datetime) -> str:
    """`剩 3 小时 12 分` / `3 h 12 min left`; after the deadline `超期 40 分` / `overdue 40 min`."""
    span = format_duration(deadline - now)
    if deadline < now:
        return f"超期 {span}" if current() == "zh_Hans" else f"overdue {span}"
    return f"剩 {span}" if current() == "zh_Hans" else f"{span} left"


def format_money(fen: int | None) -> str:
    """`¥16,612.50` from fen."""
    return NOTHING if fen is None else format_fen(fen)


def format_percent(share: Decimal | float | None, digits: int = 1) -> str:
    """`97.3%` from 0.973."""
    return NOTHING if share is None else f"{share * 100:.{digits}f}%"


def format_number(number: Decimal | float | None, digits: int | None = None) -> str:
    """`12,345`, with as many decimals as told."""
    if number is None:
        return NOTHING
    return f"{number:,}" if digits is None else f"{number:,.{digits}f}"


def main(arguments: list[str]) -> int:
    """`--missing`: print each message without Chinese; returns 1 when there is one."""
    if arguments != ["--missing"]:
        sys.stderr.write("usage: python -m foundation.languages --missing\n")
        return 2
    absent = messages.missing()
    for found in absent:
        sys.stdout.write(f"{found.path}:{found.line}: {found.message!r}\n")
    for conflict in messages.conflicts():
        sys.stdout.write(f"two translations: {conflict}\n")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
