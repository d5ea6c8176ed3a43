"""The contact policy: who may be contacted when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.calendar import SHANGHAI, CalendarMissing, is_holiday, local_date
from outreach import policy
from outreach.policy import STANDARD, WESTERN, ContactFacts, NumberFacts, TaskFacts, verdict
from patients.consent_rules import CHANNELS, PURPOSES, Word

OWN, GUARDIAN = uuid4(), uuid4()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


TUESDAY = at("2026-09-15 10:00")
EARLIER = at("2026-09-01 10:00")
YES = Word("care_followup", "all", True, EARLIER - timedelta(days=1))
Case = tuple[ContactFacts, str, datetime, TaskFacts]


def facts(*dials: str, **changes: object) -> ContactFacts:
    number = NumberFacts(OWN, "patient", "self", True, tuple(at(d) for d in dials))
    base = ContactFacts(uuid4(), "130100", True, False, numbers=(number,))
    return replace(base, **changes)  # type: ignore[arg-type]


def reason(
    of: ContactFacts, now: datetime = TUESDAY, purpose: str = "care_followup", **task: object
) -> str | None:
    return verdict(of, purpose, "dialled", now, task=TaskFacts(**task)).reason  # type: ignore[arg-type]


def test_an_ordinary_patient_may_be_called_on_a_working_morning() -> None:
    assert verdict(facts(), "care_followup", "dialled", TUESDAY) == policy.Verdict(True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"suppressions": frozenset({"deceased"})}, "suppressed"),
        ({"hospital_active": False}, "hospital_paused"),
        ({"words": (Word("care_followup", "all", False, EARLIER),)}, "refused"),
        ({"words": (YES, replace(YES, given=False, at=EARLIER))}, "consent_withdrawn"),
        ({"bases": {"care_followup": "consent"}}, "no_consent"),
        ({"numbers": (NumberFacts(OWN, "patient", "self", True, (), frozenset({"all"})),)}, "number_blocked"),
        ({"numbers": ()}, "no_number"),
        ({"numbers": (NumberFacts(OWN, "patient", "self", False),)}, "no_number"),
        ({"minor": True}, "no_guardian_number"),
    ],
)
def test_lasting_reasons_refuse_at_every_moment(changes: dict[str, object], expected: str) -> None:
    for moment in ("made", "drawn", "dialled"):
        got = verdict(facts(**changes), "care_followup", moment, TUESDAY)
        assert (got.allowed, got.reason) == (False, expected)


def test_consent_is_asked_for_the_purpose_and_the_channel_of_the_contact() -> None:
    refused = facts(words=(Word("satisfaction", "all", False, EARLIER),))
    assert reason(refused, purpose="satisfaction") == "refused"
    assert reason(refused, purpose="care_followup") is None
    by_telephone = facts(words=(Word("care_followup", "telephone", False, EARLIER),))
    assert reason(by_telephone) == "refused"
    assert verdict(by_telephone, "care_followup", "made", TUESDAY, channel="sms").allowed


def test_offers_need_a_yes_to_offers_on_that_channel_whatever_the_hospital_set() -> None:
    assert reason(facts(), purpose="marketing") == "no_consent"
    care_only = facts(words=(YES,), bases={"marketing": "contract"})
    assert reason(care_only, purpose="marketing") == "no_consent"
    by_sms = facts(words=(Word("marketing", "sms", True, EARLIER),))
    assert reason(by_sms, purpose="marketing") == "no_consent"
    assert verdict(by_sms, "marketing", "made", TUESDAY, channel="sms").allowed
    assert reason(facts(words=(Word("marketing", "all", True, EARLIER),)), purpose="marketing") is None


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        ("all", {"care_followup", "satisfaction", "complaint", "marketing"}),
        ("marketing", {"marketing"}),
        ("survey", {"satisfaction"}),
    ],
)
def test_a_blocked_number_beats_every_yes_and_a_second_number_stays_free(
    scope: str, stopped: set[str]
) -> None:
    blocked = NumberFacts(OWN, "patient", "self", True, (), frozenset({scope}))
    words = (Word("marketing", "all", True, EARLIER), YES)
    for purpose in ("care_followup", "satisfaction", "complaint", "marketing"):
        got = reason(facts(numbers=(blocked,), words=words), purpose=purpose)
        assert got == ("number_blocked" if purpose in stopped else None)
        both = (blocked, NumberFacts(GUARDIAN, "contact", "女儿", True))
        assert reason(facts(numbers=both, words=words), purpose=purpose) is None
    booked = facts(numbers=(blocked,), words=words)
    assert (reason(booked, appointment_at=TUESDAY) is None) == (scope != "all")


def test_a_child_is_called_on_the_guardians_number_only() -> None:
    numbers = (NumberFacts(OWN, "patient", "self", True), NumberFacts(GUARDIAN, "contact", "母亲", True))
    child = facts(minor=True, numbers=numbers)
    assert verdict(child, "care_followup", "dialled", TUESDAY, number=GUARDIAN).allowed
    assert verdict(child, "care_followup", "dialled", TUESDAY, number=OWN).reason == "no_guardian_number"


@pytest.mark.parametrize(
    ("moment", "region", "expected"),
    [
        ("2026-09-15 08:59", "130100", "out_of_hours"),
        ("2026-09-15 09:00", "130100", None),
        ("2026-09-15 12:00", "130100", "out_of_hours"),
        ("2026-09-15 13:59", "130100", "out_of_hours"),
        ("2026-09-15 14:00", "130100", None),
        ("2026-09-15 20:00", "130100", "out_of_hours"),
        ("2026-09-15 21:01", "130100", "out_of_hours"),
        ("2026-09-19 10:00", "130100", None),  # a plain Saturday is no holiday
        ("2026-10-01 10:00", "130100", "holiday"),
        ("2026-09-15 10:00", "650100", "out_of_hours"),
        ("2026-09-15 12:30", "540100", None),
        ("2026-09-15 20:29", "650100", None),
        ("2026-09-15 20:30", "650100", "out_of_hours"),
        ("2031-05-20 10:00", "130100", "calendar_missing"),
    ],
)
def test_hours_and_holidays(moment: str, region: str, expected: str | None) -> None:
    assert reason(facts(region=region), at(moment)) == expected


def test_a_task_is_made_at_any_hour() -> None:
    assert verdict(facts(), "care_followup", "made", at("2026-10-01 03:00")).allowed


def test_a_booked_callback_is_kept_on_a_holiday_but_never_at_night() -> None:
    noon, night = at("2026-10-02 12:30"), at("2026-10-02 21:01")
    assert verdict(facts(), "care_followup", "dialled", noon, task=TaskFacts(appointment_at=noon)).exempt
    refused = verdict(facts(), "care_followup", "dialled", night, task=TaskFacts(appointment_at=night))
    assert (refused.reason, refused.until) == ("out_of_hours", at("2026-10-03 08:00"))
    assert reason(facts(), noon, appointment_at=noon + timedelta(hours=1)) == "holiday"


def test_a_number_rings_at_most_twice_a_day_and_three_hours_apart() -> None:
    once = verdict(facts("2026-09-15 09:00"), "care_followup", "dialled", at("2026-09-15 11:59"))
    assert (once.reason, once.until) == ("number_capped", at("2026-09-15 14:00"))
    assert reason(facts("2026-09-15 09:00"), at("2026-09-15 14:00")) is None
    twice = verdict(
        facts("2026-09-15 09:00", "2026-09-15 14:30"), "care_followup", "dialled", at("2026-09-15 18:00")
    )
    assert (twice.reason, twice.until) == ("number_capped", at("2026-09-16 09:00"))


def test_a_second_number_is_free_when_the_first_is_capped() -> None:
    both = facts("2026-09-15 09:30")
    both = replace(both, numbers=(*both.numbers, NumberFacts(GUARDIAN, "contact", "女儿", True)))
    assert verdict(both, "care_followup", "drawn", TUESDAY).allowed
    assert verdict(both, "care_followup", "dialled", TUESDAY, number=OWN).reason == "number_capped"
    assert verdict(both, "care_followup", "dialled", TUESDAY, number=GUARDIAN).allowed


def test_one_survey_in_thirty_days() -> None:
    surveyed = facts(surveyed_at=TUESDAY - timedelta(days=29))
    assert reason(surveyed, purpose="satisfaction", kind="survey") == "survey_cap"
    assert reason(surveyed, purpose="care_followup", kind="revisit") is None
    assert reason(surveyed, TUESDAY + timedelta(days=1), purpose="satisfaction", kind="survey") is None


def test_five_attempts_are_enough_unless_the_patient_asked() -> None:
    assert reason(facts(), attempts=4) is None
    assert reason(facts(), attempts=5) == "attempts_used"
    assert reason(facts(), attempts=5, appointment_at=TUESDAY) is None


def test_the_next_try_is_three_hours_later_in_another_part_of_the_day() -> None:
    assert policy.retry_at(at("2026-09-15 09:30"), STANDARD) == at("2026-09-15 14:00")
    assert policy.retry_at(at("2026-09-15 15:00"), STANDARD) == at("2026-09-15 18:00")
    assert policy.retry_at(at("2026-09-15 18:30"), STANDARD) == at("2026-09-16 09:00")
    # The eve of the National Day holiday: the first working hours after it.
    assert policy.retry_at(at("2026-09-30 18:30"), STANDARD) == at("2026-10-08 09:00")
    # No notice for the year yet: planned as an ordinary day, and the verdict of that day decides.
    assert policy.retry_at(at("2026-12-31 18:30"), STANDARD) == at("2027-01-01 09:00")


instants = st.datetimes(datetime(2026, 1, 5), datetime(2026, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001
profiles = st.sampled_from([STANDARD, WESTERN])
words = st.builds(
    Word, st.sampled_from(PURPOSES), st.sampled_from(CHANNELS), st.booleans(), st.just(at("2026-01-02 09:00"))
)
kinds = st.sampled_from(["revisit", "survey", "callback", "acknowledge", "promise"])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    now = draw(instants)
    back = st.integers(0, 3 * 24 * 60).map(lambda minutes: now - timedelta(minutes=minutes))
    number = st.builds(
        NumberFacts,
        contact_point_id=st.uuids(),
        holder=st.sampled_from(["patient", "contact"]),
        relation=st.just("self"),
        valid=st.booleans(),
        dials=st.lists(back, max_size=4).map(tuple),
    )
    person = ContactFacts(
        patient_id=UUID(int=1),
        region=draw(st.sampled_from(["130100", "650100"])),
        hospital_active=draw(st.sampled_from([True, True, True, False])),
        minor=draw(st.booleans()),
        suppressions=draw(st.sampled_from([frozenset[str](), frozenset({"refused"})])),
        words=tuple(draw(st.lists(words, max_size=3))),
        numbers=tuple(draw(st.lists(number, max_size=3))),
        surveyed_at=draw(st.none() | back),
    )
    task = TaskFacts(draw(kinds), draw(st.integers(0, 6)), draw(st.none() | back))
    return person, draw(st.sampled_from(["care_followup", "satisfaction", "marketing"])), now, task


@given(cases())
def test_nobody_is_called_at_night_and_no_suppressed_patient_ever(
    case: Case,
) -> None:
    person, purpose, now, task = case
    allowed = verdict(person, purpose, "dialled", now, task=task).allowed
    clock = now.astimezone(SHANGHAI).time()
    night = clock >= time(21) or clock < time(8)
    assert not (allowed and (night or person.suppressions or not any(n.valid for n in person.numbers)))


@given(cases())
def test_what_may_be_dialled_may_be_drawn_and_made(case: Case) -> None:
    person, purpose, now, task = case
    dialled = verdict(person, purpose, "dialled", now, task=task).allowed
    drawn = verdict(person, purpose, "drawn", now, task=task).allowed
    made = verdict(person, purpose, "made", now, task=task).allowed
    assert dialled <= drawn <= made


@given(cases())
def test_a_refusal_that_ends_names_a_later_moment(case: Case) -> None:
    person, purpose, now, task = case
    got = verdict(person, purpose, "drawn", now, task=task)
    if got.until is not None:
        assert got.until > now
        again = verdict(person, purpose, "drawn", got.until, task=task)
        assert again.reason != got.reason or got.reason == "number_capped"


@given(instants, profiles, st.sampled_from([None, "morning", "afternoon", "evening"]))
def test_the_next_allowed_moment_is_open_and_not_before(
    now: datetime, profile: policy.Profile, avoid: policy.DayPart | None
) -> None:
    got = policy.next_allowed(now, profile, avoid=avoid)
    assert got >= now
    assert avoid is None or policy.day_part(got, profile) != avoid
    assert policy.next_allowed(got, profile, avoid=avoid) == got
    try:
        assert not is_holiday(local_date(got))
        assert policy.is_open(got, profile)
    except CalendarMissing:
        assert local_date(got).year == 2027
