"""Whether a person may be contacted now: the one contact policy (触达规则), asked when a task is made, when
it is drawn and once more when the number is dialled.

Pure: facts in, verdict out, the time is an argument. Hours and holidays matter only from the draw on. A
refusal names its reason and, where it ends by itself, when. Calls that the patient asked for (a booked
callback, a promise, the first answer to a complaint) are exempt from hours, holidays and caps, but never from
the night (regulation C4). A year without a holiday notice is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from uuid import UUID

from foundation.calendar import SHANGHAI, CalendarMissing, is_holiday, local_date, local_day_start
from outreach.ranks import APPOINTMENT_GRACE
from patients import consent_rules
from patients.consent_rules import Ask, Basis, Word

Moment = Literal["made", "drawn", "dialled"]
DayPart = Literal["morning", "afternoon", "evening"]

# A call that somebody waits for: promised, or the first answer to a complaint (C4: «callback-on-request
# exempt»).
REQUESTED_KINDS = frozenset({"promise", "acknowledge"})
SEARCH_DAYS = 60
TELEPHONE = "telephone"
# Scopes of a number that is not called: all, or those of one purpose.
EVERYTHING = "all"
BLOCKED_FOR = {"marketing": "marketing", "satisfaction": "survey"}


@dataclass(frozen=True, slots=True)
class Profile:
    """The numbers of the policy. Where requirements (f) and regulation C4 differ, the stricter holds.

    `hours` are local windows (Beijing time everywhere: one zone in China), end exclusive.
    """

    hours: tuple[tuple[time, time], ...]
    # C4 and requirements (f): never 21:00-08:00, for anything the program starts.
    night_from: time = time(21)
    night_until: time = time(8)
    # C4: at most 2 a day and 3 h apart; requirements (f) would allow 3 a day and 60 min.
    dials_a_day: int = 2
    gap: timedelta = timedelta(hours=3)
    # (f) and C4: five attempts, on different days and day parts.
    attempts: int = 5
    # C4: one survey per patient per 30 days across the departments of a hospital.
    survey_gap: timedelta = timedelta(days=30)
    # (f): 180 min after no answer, 7 days after a refusal.
    retry_after: timedelta = timedelta(minutes=180)
    refusal_pause: timedelta = timedelta(days=7)
    # Where a day is cut into parts for spreading attempts.
    parts: tuple[time, time] = (time(12), time(17))


STANDARD = Profile(hours=((time(9), time(12)), (time(14), time(20))))
WESTERN = Profile(hours=((time(10, 30), time(20, 30)),))
# GB/T 2260: 65 Xinjiang, 54 Tibet, two hours behind the sun of Beijing.
WESTERN_REGIONS = ("65", "54")


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """A number and when it was dialled lately, for whichever patient of the hospital (family on one
    phone).

    `blocked` holds the scopes in which this number is not called, whoever of the hospital it belongs to.
    """

    contact_point_id: UUID
    holder: str
    relation: str
    valid: bool
    dials: tuple[datetime, ...] = ()
    blocked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What the policy must know of one patient: `words` is what was said for or against a purpose.

    `asks` and `bases` are the hospital's: which versions of its words ask again, and what it set as the basis
    of a purpose; the usual basis where nothing is set.
    """

    patient_id: UUID
    region: str
    hospital_active: bool
    minor: bool
    suppressions: frozenset[str] = frozenset()
    words: tuple[Word, ...] = ()
    asks: tuple[Ask, ...] = ()
    bases: Mapping[str, Basis] = field(default_factory=dict)
    numbers: tuple[NumberFacts, ...] = ()
    surveyed_at: datetime | None = None
    pending_surveys: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What the policy must know of the task itself."""

    kind: str = "revisit"
    attempts: int = 0
    appointment_at: datetime | None = None
    source_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or why not; `until` is when a refusal ends by itself. `exempt`: allowed only because asked
    for.
    """

    allowed: bool
    reason: str | None = None
    until: datetime | None = None
    exempt: bool = False


def profile_for(region: str) -> Profile:
    """The profile of a hospital by its region code (行政区划代码)."""
    return WESTERN if region.startswith(WESTERN_REGIONS) else STANDARD


def verdict(
    facts: ContactFacts,
    purpose: str,
    moment: Moment,
    now: datetime,
    *,
    task: TaskFacts | None = None,
    number: UUID | None = None,
    channel: str = TELEPHONE,
) -> Verdict:
    """Ask the policy. With `number` (a contact point) only that number counts, else any that may be
    dialled. Consent is asked for this purpose on this channel.
    """
    task = task or TaskFacts()
    profile = profile_for(facts.region)
    standing = _silenced(facts, purpose, channel, now) or _standing(
        facts, purpose, moment, now, task, profile
    )
    if standing is not None:
        return standing
    valid = [n for n in dialable(facts) if number in (None, n.contact_point_id)]
    numbers = [n for n in valid if not is_blocked(n, purpose)]
    if not numbers:
        missing = "no_guardian_number" if facts.minor else "no_number"
        return Verdict(False, "number_blocked" if valid else missing)
    if moment == "made":
        return Verdict(True)
    requested = is_requested(task, now)
    refused = _timing(profile, numbers, now)
    if not requested or refused is None:
        return refused or Verdict(True)
    if is_night(now, profile):
        return Verdict(False, "out_of_hours", _night_end(now, profile))
    return Verdict(True, exempt=True)


def dialable(facts: ContactFacts) -> tuple[NumberFacts, ...]:
    """The numbers that may be dialled at all: valid, and for a minor the guardian's only (PIPL 31)."""
    return tuple(n for n in facts.numbers if n.valid and (n.holder == "contact" or not facts.minor))


def is_blocked(number: NumberFacts, purpose: str) -> bool:
    """Whether this number is on the list of numbers not to be called, for everything or for this purpose.

    Stronger than any yes of a patient, and than a call that was asked for (C4).
    """
    return not number.blocked.isdisjoint({EVERYTHING, BLOCKED_FOR.get(purpose, EVERYTHING)})


def is_requested(task: TaskFacts, now: datetime) -> bool:
    """Whether the patient waits for this very call: a promise, a complaint's first answer, a booked
    callback.
    """
    booked = task.appointment_at is not None and now >= task.appointment_at - APPOINTMENT_GRACE
    return booked or task.kind in REQUESTED_KINDS


def is_night(moment: datetime, profile: Profile) -> bool:
    """Whether it is the time when nobody is ever called."""
    clock = moment.astimezone(SHANGHAI).time()
    return clock >= profile.night_from or clock < profile.night_until


def is_open(moment: datetime, profile: Profile) -> bool:
    """Whether ordinary calls are made at this moment. Raises CalendarMissing."""
    clock = moment.astimezone(SHANGHAI).time()
    inside = any(opens <= clock < closes for opens, closes in profile.hours)
    return inside and not is_holiday(local_date(moment))


def day_part(moment: datetime, profile: Profile) -> DayPart:
    """Morning, afternoon or evening in China; attempts are spread over them."""
    return _part_of(moment.astimezone(SHANGHAI).time(), profile)


def next_allowed(at: datetime, profile: Profile, *, avoid: DayPart | None = None) -> datetime:
    """The first moment from `at` on (UTC) inside calling hours, on no holiday, in another part than `avoid`.

    Days of a year whose holiday notice is not out yet are taken as they stand: this only plans a next try,
    and the verdict of that day refuses it while the calendar is missing.
    """
    for day in _days_from(local_date(at)):
        if _known_holiday(day):
            continue
        for opens, closes in _segments(profile):
            start = max(at, _instant(day, opens))
            if start < _instant(day, closes) and _part_of(opens, profile) != avoid:
                return start
    msg = f"no calling hours within {SEARCH_DAYS} days of {at.isoformat()}"
    raise ValueError(msg)


def retry_at(now: datetime, profile: Profile) -> datetime:
    """When to try again after no answer: 180 minutes later, in another part of the day (requirements f)."""
    return next_allowed(now + profile.retry_after, profile, avoid=day_part(now, profile))


def _silenced(facts: ContactFacts, purpose: str, channel: str, now: datetime) -> Verdict | None:
    """The reasons that lie with the patient's wishes or the hospital's state."""
    if facts.suppressions:
        return Verdict(False, "suppressed")
    if not facts.hospital_active:
        return Verdict(False, "hospital_paused")
    # Care follow-up stands on the hospital's duty of care until withdrawn; marketing needs a yes first (C4).
    held = consent_rules.holds(facts.words, facts.asks, purpose, channel, now)
    refused = consent_rules.refusal(held.standing, consent_rules.basis_of(facts.bases, purpose))
    return None if refused is None else Verdict(False, refused)


def _standing(
    facts: ContactFacts, purpose: str, moment: Moment, now: datetime, task: TaskFacts, profile: Profile
) -> Verdict | None:
    """The other reasons that do not depend on the time of day."""
    if purpose == "satisfaction" and task.kind == "survey":
        if facts.surveyed_at is not None and now < facts.surveyed_at + profile.survey_gap:
            return Verdict(False, "survey_cap", facts.surveyed_at + profile.survey_gap)
        if moment == "made" and facts.pending_surveys - {task.source_id}:
            return Verdict(False, "survey_cap")
    if task.attempts >= profile.attempts and not is_requested(task, now):
        return Verdict(False, "attempts_used")
    return None


def _timing(profile: Profile, numbers: list[NumberFacts], now: datetime) -> Verdict | None:
    """Hours, holidays, caps: what waiting cures."""
    try:
        if not is_open(now, profile):
            holiday = is_holiday(local_date(now))
            return Verdict(False, "holiday" if holiday else "out_of_hours", next_allowed(now, profile))
    except CalendarMissing:
        return Verdict(False, "calendar_missing")
    free = [_free_from(number, profile, now) for number in numbers]
    if min(free) <= now:
        return None
    return Verdict(False, "number_capped", next_allowed(min(free), profile))


def _free_from(number: NumberFacts, profile: Profile, now: datetime) -> datetime:
    """When this number may ring again: three hours after the last time, tomorrow after two today."""
    if not number.dials:
        return now
    free = max(number.dials) + profile.gap
    midnight = local_day_start(local_date(now))
    if sum(dialled >= midnight for dialled in number.dials) >= profile.dials_a_day:
        free = max(free, local_day_start(local_date(now) + timedelta(days=1)))
    return free


def _night_end(now: datetime, profile: Profile) -> datetime:
    day = local_date(now)
    if now.astimezone(SHANGHAI).time() >= profile.night_from:
        day += timedelta(days=1)
    return _instant(day, profile.night_until)


def _segments(profile: Profile) -> Iterator[tuple[time, time]]:
    """The calling hours, cut where a part of the day ends."""
    for opens, closes in profile.hours:
        edges = [opens, *(cut for cut in profile.parts if opens < cut < closes), closes]
        yield from pairwise(edges)


def _part_of(clock: time, profile: Profile) -> DayPart:
    noon, evening = profile.parts
    if clock < noon:
        return "morning"
    return "afternoon" if clock < evening else "evening"


def _known_holiday(day: date) -> bool:
    try:
        return is_holiday(day)
    except CalendarMissing:
        return False


def _days_from(day: date) -> Iterator[date]:
    return (day + timedelta(days=n) for n in range(SEARCH_DAYS))


def _instant(day: date, clock: time) -> datetime:
    return local_day_start(day) + timedelta(hours=clock.hour, minutes=clock.minute)
