"""How contacts that waited are spread over the days that are left (重新排期), without a flood.

The rule: no contact before the first day, none after the last day of its window, and of all plans that keep
this the one whose busiest day is the least busy. The days are those on which people are called. Contacts are
taken by the end of their windows; the stretch of days with the highest average must be met whatever is done
(its contacts all close in it), so it is filled evenly, to within one, and what is left is spread over the
days after it in the same way. No ceiling is put on a day: a lower one than this could only be kept by giving
patients up.

Pure: counts in, stretches out. The set-based statement deals the contacts out by their place in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Stretch:
    """Contacts in the places `first` to before `last` of the row (by end of window) go evenly onto `days`
    days, from day `day` on (0 is the first).
    """

    first: int
    last: int
    day: int
    days: int


def stretches(closing: Sequence[int]) -> list[Stretch]:
    """How to deal out contacts of which `closing[d]` have day `d` as their last; earlier days are busier.

    ValueError for a negative count.
    """
    if any(count < 0 for count in closing):
        raise ValueError("contacts are counted from 0")
    upto = list(accumulate(closing))
    found: list[Stretch] = []
    start = done = 0
    while done < (upto[-1] if upto else 0):
        averages = [(Fraction(upto[day] - done, day + 1 - start), day) for day in range(start, len(upto))]
        # Of equal averages the longest stretch: fewer seams, the same days.
        _, end = max(averages)
        found.append(Stretch(done, upto[end], start, end + 1 - start))
        start, done = end + 1, upto[end]
    return found


def day_of(place: int, row: Sequence[Stretch]) -> int:
    """The day of the contact in this place of the row (both from 0). LookupError for a place beyond it."""
    for part in row:
        if part.first <= place < part.last:
            return part.day + (place - part.first) * part.days // (part.last - part.first)
    raise LookupError(place)
