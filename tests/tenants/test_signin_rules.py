"""The rules of passwords and of the lockout, as they are told to people (GB/T 22239-2019 8.1.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world import NOW

from foundation.database import Database, PlatformSession
from foundation.scope import Actor, PlatformScope
from foundation.web.errors import UserMistake
from tenants import service
from tenants.identity import lockout, mobiles, password_rules, passwords, signin
from tenants.identity.browsers import name_of
from tenants.models import PastPassword, Person, SigninEvent

ADDRESS, ELSEWHERE = "192.0.2.7", "198.51.100.9"
PASSWORD = "Riverside-42"
EMAIL = "helin@example.com"


@pytest.fixture
def session(db: Database) -> Iterator[PlatformSession]:
    with db.platform(PlatformScope(Actor.system("test"), "test")) as opened:
        yield opened


@pytest.fixture
def person(session: PlatformSession) -> Person:
    return service.make_person(
        session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD
    )


def attempt(
    session: PlatformSession, who: str, password: str, *, address: str = ADDRESS, after: float = 0
) -> signin.Opened | None:
    now = NOW + timedelta(minutes=after)
    opened = signin.sign_in(session, who, password, now=now, address=address)
    session.flush()
    return opened


def results(session: PlatformSession) -> list[str]:
    return list(session.scalars(select(SigninEvent.result).order_by(SigninEvent.at, SigninEvent.id)))


# --------------------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize(
    "weak", ["Ab1-567", "alllowercase", "12345678", "lower123", "密码密码密码密码", "x" * 300, "Aa1-" * 60]
)
def test_a_weak_password_is_refused(weak: str) -> None:
    with pytest.raises(UserMistake):
        password_rules.check(weak)


@pytest.mark.parametrize("good", ["Riverside-42", "lower123!", "ALLCAPS1x", "密码Abc123"])
def test_a_password_of_three_kinds_is_enough(good: str) -> None:
    password_rules.check(good)


@given(st.text(max_size=30))
def test_what_is_taken_has_eight_signs_of_three_kinds(text: str) -> None:
    kinds = [
        any(c.islower() for c in text),
        any(c.isupper() for c in text),
        any(c.isdigit() for c in text),
        any(not c.isalnum() for c in text),
    ]
    try:
        password_rules.check(text)
    except UserMistake:
        assert len(text) < 8 or sum(kinds) < 3
    else:
        assert len(text) >= 8
        assert sum(kinds) >= 3


@pytest.mark.parametrize("own", ["HeLin-42", "Helin@example.com", "A-13800138000", "何琳Abc-12"])
def test_a_password_is_not_the_persons_own_name_address_or_number(own: str) -> None:
    with pytest.raises(UserMistake):
        password_rules.check(own, "何琳Abc", EMAIL, "13800138000")
    password_rules.check("Riverside-42", "何琳", EMAIL, "13800138000")


def test_none_of_the_last_five_passwords_is_taken_again(session: PlatformSession, person: Person) -> None:
    used = [PASSWORD, *(f"Mountain-{number}" for number in range(5))]
    for days, password in enumerate(used[1:], start=1):
        passwords.set_password(session, person, password, now=NOW + timedelta(days=days), address=ADDRESS)
    now = NOW + timedelta(days=9)
    for password in used[1:]:
        with pytest.raises(UserMistake):
            passwords.set_password(session, person, password, now=now, address=ADDRESS)
    assert len(session.scalars(select(PastPassword)).all()) == 4
    passwords.set_password(session, person, used[0], now=now, address=ADDRESS)
    assert attempt(session, EMAIL, used[0]) is not None


def test_a_password_of_ninety_days_waits_for_a_new_one(session: PlatformSession, person: Person) -> None:
    day = 24 * 60
    in_time = attempt(session, EMAIL, PASSWORD, after=89 * day)
    assert in_time is not None
    assert in_time.waiting_for is None
    late = attempt(session, EMAIL, PASSWORD, after=90 * day)
    assert late is not None
    assert late.waiting_for == "new_password"
    assert signin.person_of(session, late.token, now=NOW + timedelta(days=90)) is None


# ----------------------------------------------------------------------------------------------- lockout


@given(st.lists(st.integers(0, 300), max_size=23).map(sorted))
def test_each_fifth_failure_locks_for_thirty_minutes(minutes: list[int]) -> None:
    moments = [NOW + timedelta(minutes=m) for m in minutes]
    until = lockout.locked_until(moments)
    if len(moments) < 5:
        assert until is None
    else:
        assert until == moments[len(moments) // 5 * 5 - 1] + timedelta(minutes=30)


def test_the_sixth_password_is_refused_although_it_is_right(session: PlatformSession, person: Person) -> None:
    for _ in range(5):
        assert attempt(session, EMAIL, "Wrong-1234") is None
    assert attempt(session, EMAIL, PASSWORD) is None
    assert attempt(session, EMAIL, PASSWORD, address=ELSEWHERE, after=29) is None
    assert results(session) == ["wrong_password"] * 5 + ["locked"] * 2
    assert attempt(session, EMAIL, PASSWORD, after=30) is not None


def test_five_failures_from_one_address_over_many_accounts_lock_the_address(
    session: PlatformSession, person: Person
) -> None:
    for number in range(4):
        assert attempt(session, f"guess{number}@example.com", PASSWORD) is None
    assert attempt(session, EMAIL, "Wrong-1234") is None
    assert attempt(session, EMAIL, PASSWORD) is None
    assert results(session)[-1] == "locked"
    assert attempt(session, EMAIL, PASSWORD, address=ELSEWHERE) is not None
    assert attempt(session, EMAIL, PASSWORD, after=31) is not None


def test_somebody_who_gets_in_forgives_what_failed_at_that_address(
    session: PlatformSession, person: Person
) -> None:
    for _ in range(3):
        for number in range(4):
            assert attempt(session, f"guess{number}@example.com", PASSWORD) is None
        assert attempt(session, EMAIL, PASSWORD) is not None


def test_tries_while_locked_do_not_lengthen_the_lock(session: PlatformSession, person: Person) -> None:
    for _ in range(5):
        attempt(session, EMAIL, "Wrong-1234")
    for minute in range(1, 30, 2):
        assert attempt(session, EMAIL, "Wrong-1234", after=minute) is None
    assert attempt(session, EMAIL, PASSWORD, after=30) is not None


# ----------------------------------------------------------------------------------- accounts and browsers


@pytest.mark.parametrize(
    "typed", ["13800138000", "+86 138-0013-8000", " 008613800138000 ", "１３８００１３８０００"]
)
def test_somebody_signs_in_by_mobile_number_however_it_is_typed(
    session: PlatformSession, person: Person, typed: str
) -> None:
    mobiles.put(session, person, "13800138000")
    session.flush()
    assert person.phone_cipher is not None
    assert b"13800138000" not in person.phone_cipher
    assert attempt(session, typed, PASSWORD) is not None
    assert attempt(session, "13900139000", PASSWORD) is None
    shown = list(session.scalars(select(SigninEvent.email).order_by(SigninEvent.at, SigninEvent.id)))
    assert shown == [EMAIL, "139****9000"]


def test_what_is_typed_into_the_wrong_field_is_not_kept(session: PlatformSession) -> None:
    assert attempt(session, PASSWORD, "") is None
    assert session.scalars(select(SigninEvent.email)).one() == ""


CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (CHROME, "Chrome 141 · Windows"),
        (SAFARI, "Safari 18 · iPhone"),
        (FIREFOX, "Firefox 140 · Linux"),
        ("curl/8.5.0", ""),
    ],
)
def test_a_browser_is_named_as_people_know_it(said: str, name: str) -> None:
    assert name_of(said) == name
