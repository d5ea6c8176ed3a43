"""What a patient's words come to (同意规则): the newest one holds, for each purpose and channel. Pure.

A word for "all" channels and one for a channel stand in one row of time: the newer replaces the older (PIPL
15). A yes given to words that have been replaced by a version that asks again no longer holds (PIPL 14); a no
stays a no. After a no nobody asks again for twelve months (网络数据安全管理条例 22(5)); only a yes that the
patient offers unasked is taken.

Whether a contact may be made follows from the legal basis (合法性基础, PIPL 13) of its purpose: where it
rests on consent a yes that holds is needed, elsewhere no word against it. Marketing rests on consent and
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from foundation.calendar import add_months, local_date, local_day_start

Standing = Literal["given", "outdated", "none", "refused", "withdrawn"]
Basis = Literal["consent", "contract", "legal_duty"]
Refusal = Literal["no_consent", "consent_withdrawn", "refused"]

PURPOSES = ("care_followup", "satisfaction", "complaint", "marketing")
ALL = "all"
REACHING = ("telephone", "sms", "wechat", "email")
CHANNELS = (ALL, *REACHING)
# Where a word was given. `patient` is one that was offered unasked, on the patient's own initiative.
OFFERED = "patient"
SOURCES = (OFFERED, "call", "card", "counter", "paper", "sms", "wechat", "web", "import", "request", "api")
# Where the words are read, handed or shown to whoever says yes; where only a program knows which ones were.
READ_OUT = frozenset({"call", "card", "counter", "paper", "web"})
BY_PROGRAM = frozenset({"api", "import"})
GIVERS = ("patient", "guardian")
BASES: dict[str, tuple[Basis, ...]] = {
    "care_followup": ("contract", "consent"),
    "satisfaction": ("contract", "consent"),
    "complaint": ("legal_duty", "contract", "consent"),
    "marketing": ("consent",),
}
DEFAULT_BASES: dict[str, Basis] = {purpose: bases[0] for purpose, bases in BASES.items()}
# A reason of the contact policy that is a matter of consent, and why for each standing.
REFUSALS: dict[Standing, Refusal] = {
    "none": "no_consent",
    "outdated": "no_consent",
    "refused": "refused",
    "withdrawn": "consent_withdrawn",
}
COOL_DOWN_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Version:
    """Which words were shown: their channel and their number."""

    channel: str
    number: int


@dataclass(frozen=True, slots=True)
class Word:
    """A yes or a no to one purpose; `text` is None when no version is on file."""

    purpose: str
    channel: str
    given: bool
    at: datetime
    text: Version | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A version of the words that asks again (重新征得同意), in force from `at`."""

    purpose: str
    channel: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What holds for one purpose and channel, and the word that it follows from (None: nothing was said)."""

    standing: Standing
    word: Word | None = None


def holds(words: Iterable[Word], asks: Iterable[Ask], purpose: str, channel: str, now: datetime) -> Holding:
    """What holds now on one channel; for "all" only words for all channels are looked at.

    Of two words of the same moment the no counts. A no after a yes is a withdrawal, one without a refusal.
    """
    heard = [
        word
        for word in words
        if word.purpose == purpose and word.channel in (ALL, channel) and word.at <= now
    ]
    if not heard:
        return Holding("none")
    newest = max(heard, key=lambda word: (word.at, not word.given))
    if newest.given:
        again = any(_asks_again(ask, newest, channel) for ask in asks if ask.at <= now)
        return Holding("outdated" if again else "given", newest)
    said_yes = any(word.given and word.at <= newest.at for word in heard)
    return Holding("withdrawn" if said_yes else "refused", newest)


def refusal(standing: Standing, basis: Basis) -> Refusal | None:
    """Why a purpose of this basis may not be served, or None when it may."""
    if standing in ("refused", "withdrawn") or basis == "consent":
        return REFUSALS.get(standing)
    return None


def basis_of(bases: Mapping[str, Basis], purpose: str) -> Basis:
    """The basis of a purpose: what the hospital has set, else the usual one; marketing is never changed."""
    usual = DEFAULT_BASES.get(purpose, "consent")
    return usual if purpose == "marketing" else bases.get(purpose, usual)


def quiet_until(words: Iterable[Word], purpose: str, channel: str, now: datetime) -> datetime | None:
    """Until when nobody may ask for this (再次征询冷静期): twelve months after the no that holds; None when
    one may ask now.

    For "all" the latest of its channels counts.
    """
    known = list(words)
    asked = CHANNELS if channel == ALL else (channel,)
    ends = [
        cooled_down(held.word.at)
        for held in (holds(known, (), purpose, each, now) for each in asked)
        if held.word is not None and not held.word.given
    ]
    latest = max(ends, default=None)
    return latest if latest is not None and latest > now else None


def cooled_down(refused_at: datetime) -> datetime:
    """The first moment of the day in China twelve months after a refusal."""
    return local_day_start(add_months(local_date(refused_at), COOL_DOWN_MONTHS))


def _asks_again(ask: Ask, word: Word, channel: str) -> bool:
    """Whether this version wants an answer of its own on this channel, which the word is not."""
    if ask.purpose != word.purpose or ask.channel not in (ALL, channel):
        return False
    if word.text is not None and word.text.channel == ask.channel:
        return word.text.number < ask.number
    return word.at < ask.at
