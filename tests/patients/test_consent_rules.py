"""What a patient's words come to: the newest holds, a no is never weakened by an older yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.consent_rules import (
    BASES,
    CHANNELS,
    PURPOSES,
    REACHING,
    Ask,
    Version,
    Word,
    basis_of,
    cooled_down,
    holds,
    quiet_until,
    refusal,
)

START = datetime(2026, 3, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=200)
days = st.integers(0, 199).map(lambda day: START + timedelta(days=day))
versions = st.none() | st.builds(Version, st.sampled_from(CHANNELS), st.integers(1, 3))
words = st.lists(
    st.builds(Word, st.sampled_from(PURPOSES), st.sampled_from(CHANNELS), st.booleans(), days, versions),
    max_size=8,
)
asks = st.lists(
    st.builds(Ask, st.sampled_from(PURPOSES), st.sampled_from(CHANNELS), st.integers(1, 3), days), max_size=2
)
purposes, channels = st.sampled_from(PURPOSES), st.sampled_from(REACHING)


def word(given_: bool, day: int, channel: str = "all", text: Version | None = None) -> Word:
    return Word("marketing", channel, given_, START + timedelta(days=day), text)


def standing(*said: Word, channel: str = "telephone", again: tuple[Ask, ...] = ()) -> str:
    return holds(said, again, "marketing", channel, NOW).standing


@given(words, asks, purposes, channels, st.randoms())
def test_the_order_of_writing_changes_nothing(
    said: list[Word], again: list[Ask], purpose: str, channel: str, shuffled: object
) -> None:
    mixed = list(said)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = (holds(each, again, purpose, channel, NOW) for each in (said, mixed))
    assert first.standing == second.standing


@given(words, asks, purposes, channels)
def test_the_newest_word_of_the_purpose_on_the_channel_or_all_holds(
    said: list[Word], again: list[Ask], purpose: str, channel: str
) -> None:
    held = holds(said, again, purpose, channel, NOW)
    heard = [w for w in said if w.purpose == purpose and w.channel in {"all", channel}]
    if not heard:
        assert held.standing == "none"
        return
    assert held.word is not None
    assert held.word.at == max(w.at for w in heard)
    no_at_that_moment = any(not w.given for w in heard if w.at == held.word.at)
    assert held.word.given != no_at_that_moment
    assert (held.standing in {"given", "outdated"}) == held.word.given


@given(words, asks, purposes, channels, st.integers(1, 30))
def test_a_withdrawal_is_not_weakened_by_anything_said_before_it(
    said: list[Word], again: list[Ask], purpose: str, channel: str, back: int
) -> None:
    no = Word(purpose, channel, False, NOW - timedelta(minutes=back))
    for each in (no, replace(no, channel="all")):
        held = holds([*said, each], again, purpose, channel, NOW)
        assert held.standing in {"refused", "withdrawn"}
        assert refusal(held.standing, "legal_duty") is not None
        late = Word(purpose, channel, True, START - timedelta(days=1))
        assert holds([late, *said, each], again, purpose, channel, NOW).standing == "withdrawn"


@given(words, asks, channels)
def test_one_purpose_and_one_channel_say_nothing_about_another(
    said: list[Word], again: list[Ask], channel: str
) -> None:
    elsewhere = [w for w in said if w.purpose != "marketing" or w.channel not in {"all", channel}]
    assert holds(elsewhere, again, "marketing", channel, NOW).standing == "none"


@given(words, asks, asks, purposes, channels)
def test_new_words_take_a_yes_away_and_never_give_one(
    said: list[Word], again: list[Ask], more: list[Ask], purpose: str, channel: str
) -> None:
    before = holds(said, again, purpose, channel, NOW).standing
    after = holds(said, [*again, *more], purpose, channel, NOW).standing
    assert after == before or (before, after) == ("given", "outdated")


def test_a_word_for_all_and_one_for_a_channel_replace_each_other() -> None:
    assert standing(word(True, 1), word(False, 2, "telephone")) == "withdrawn"
    assert standing(word(True, 1), word(False, 2, "telephone"), channel="sms") == "given"
    assert standing(word(False, 1, "telephone"), word(True, 2)) == "given"
    assert standing(word(True, 3, "telephone"), word(False, 4)) == "withdrawn"
    assert standing(word(False, 3)) == "refused"
    assert standing(word(True, 3), word(False, 3)) == "withdrawn", "of the same moment the no counts"
    assert standing(word(False, 300)) == "none", "not said yet"


def test_words_that_ask_again_end_the_yes_to_earlier_ones_on_their_channel() -> None:
    second = Ask("marketing", "telephone", 2, START + timedelta(days=10))
    old, new = Version("telephone", 1), Version("telephone", 2)
    assert standing(word(True, 20, text=old), again=(second,)) == "outdated", "an old form, handed in late"
    assert standing(word(True, 20, text=new), again=(second,)) == "given"
    assert standing(word(True, 9), again=(second,)) == "outdated"
    assert standing(word(True, 11), again=(second,)) == "given"
    assert standing(word(True, 9), again=(second,), channel="sms") == "given"
    assert standing(word(False, 9), again=(second,)) == "refused", "a no stays a no"
    assert standing(word(True, 9), again=(replace(second, at=NOW + timedelta(days=1)),)) == "given"
    assert standing(word(True, 9), again=(replace(second, purpose="complaint"),)) == "given"


@pytest.mark.parametrize("basis", ["consent", "contract", "legal_duty"])
@pytest.mark.parametrize("held", ["given", "outdated", "none", "refused", "withdrawn"])
def test_a_basis_of_consent_needs_a_yes_and_every_other_one_no_no(held: str, basis: str) -> None:
    expected = {"refused": "refused", "withdrawn": "consent_withdrawn"}.get(held)
    if basis == "consent" and held in {"none", "outdated"}:
        expected = "no_consent"
    assert refusal(held, basis) == expected  # type: ignore[arg-type]


def test_marketing_rests_on_consent_whatever_was_set() -> None:
    assert BASES["marketing"] == ("consent",)
    assert basis_of({"marketing": "contract"}, "marketing") == "consent"
    usual = [basis_of({}, purpose) for purpose in PURPOSES]
    assert usual == ["contract", "contract", "legal_duty", "consent"]
    assert basis_of({"satisfaction": "consent"}, "satisfaction") == "consent"


def test_nobody_asks_for_twelve_months_after_a_no() -> None:
    said = [word(False, 100, "telephone")]
    until = cooled_down(said[0].at)
    assert until.isoformat() == "2027-06-08T16:00:00+00:00", "midnight in China, the day a year later"
    assert quiet_until(said, "marketing", "telephone", NOW) == until
    assert quiet_until(said, "marketing", "all", NOW) == until
    assert quiet_until(said, "marketing", "sms", NOW) is None
    assert quiet_until(said, "satisfaction", "telephone", NOW) is None
    assert quiet_until(said, "marketing", "telephone", until) is None
    assert quiet_until([*said, word(True, 101)], "marketing", "telephone", NOW) is None
