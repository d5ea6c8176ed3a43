"""The words of asking in versions, and what each purpose rests on (PIPL 13, 14): the hospital's side of
consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import func, select, text

from foundation import audit
from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import consent_words
from patients.consent_rules import ALL, BASES, CHANNELS, PURPOSES, Ask, Basis, basis_of
from patients.models import ConsentText, PurposeBasis
from tenants.models import Hospital

LONGEST = 4000


@dataclass(frozen=True, slots=True)
class NewText:
    """The next version of the words for a purpose on a channel; `asks_again` ends the yeses given before."""

    purpose: str
    channel: str
    zh: str
    en: str
    asks_again: bool
    valid_from: date


def versions(session: HospitalSession) -> Sequence[ConsentText]:
    """All versions, by purpose and channel, the newest first."""
    return session.scalars(
        select(ConsentText)
        .where(ConsentText.tenant_id == session.tenant_id)
        .order_by(ConsentText.purpose, ConsentText.channel, ConsentText.version.desc())
    ).all()


def asks(rows: Sequence[ConsentText]) -> list[Ask]:
    """The versions that ask again, as the rule sees them."""
    return [Ask(row.purpose, row.channel, row.version, in_force_from(row)) for row in rows if row.asks_again]


def in_force_from(row: ConsentText) -> datetime:
    """From when a version is the one that is read out: its day, and never before it was written."""
    return max(row.created_at, local_day_start(row.valid_from))


def current(rows: Sequence[ConsentText], purpose: str, channel: str, now: datetime) -> ConsentText | None:
    """The version in force: the channel's own, else the one for all channels; None while there is none."""
    for wanted in (channel, ALL):
        found = [
            row
            for row in rows
            if (row.purpose, row.channel) == (purpose, wanted) and in_force_from(row) <= now
        ]
        if found:
            return max(found, key=lambda row: row.version)
    return None


def shown(session: HospitalSession, purpose: str, channel: str, now: datetime) -> consent_words.Words:
    """The words to read out now, whether or not they are on file yet."""
    row = current(versions(session), purpose, channel, now)
    return consent_words.Words(row.text_zh, row.text_en) if row else standard(session, purpose)


def in_use(session: HospitalSession, purpose: str, channel: str, now: datetime) -> ConsentText:
    """The version in force; at first use the standard words are kept as version 1 for all channels.

    Two at once keep one.
    """
    row = current(versions(session), purpose, channel, now)
    if row is not None:
        return row
    _one_after_the_other(session)
    row = current(versions(session), purpose, channel, now)
    if row is not None:
        return row
    words = standard(session, purpose)
    today = local_date(now)
    return _add(session, NewText(purpose, ALL, words.zh, words.en, False, today), now)


def check(new: NewText, now: datetime) -> None:
    """Raises `UserMistake` for what is missing, too long or lies in the past."""
    if new.purpose not in PURPOSES or new.channel not in CHANNELS:
        raise UserMistake(_("Choose a purpose and a channel."))
    if not new.zh.strip() or not new.en.strip():
        raise UserMistake(_("The words are needed in Chinese and in English."))
    if max(len(new.zh), len(new.en)) > LONGEST:
        raise UserMistake(_("The words are longer than {count} characters.", count=LONGEST))
    if new.valid_from < local_date(now):
        raise UserMistake(_("New words hold from today or a later day."))


def add_version(session: HospitalSession, new: NewText, now: datetime) -> ConsentText:
    """Keep the next version of the words. Raises `UserMistake` for what is missing or lies in the past."""
    check(new, now)
    _one_after_the_other(session)
    row = _add(session, new, now)
    audit.record(
        session,
        "patients.consent_text_added",
        now=now,
        subject=f"consent_text:{row.id}",
        detail={
            "purpose": row.purpose,
            "channel": row.channel,
            "version": row.version,
            "asks_again": row.asks_again,
        },
    )
    return row


def standard(session: HospitalSession, purpose: str) -> consent_words.Words:
    """The standard words in this hospital's name."""
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    return consent_words.standard(purpose, hospital.name, hospital.name_en)


def basis_history(session: HospitalSession) -> Sequence[PurposeBasis]:
    """What was set, the newest first."""
    return session.scalars(
        select(PurposeBasis)
        .where(PurposeBasis.tenant_id == session.tenant_id)
        .order_by(PurposeBasis.set_at.desc(), PurposeBasis.id.desc())
    ).all()


def bases(session: HospitalSession) -> dict[str, Basis]:
    """The basis of each purpose that holds now."""
    newest: dict[str, Basis] = {}
    for row in basis_history(session):
        newest.setdefault(row.purpose, cast("Basis", row.basis))
    return {purpose: basis_of(newest, purpose) for purpose in PURPOSES}


def set_basis(
    session: HospitalSession, purpose: str, basis: str, *, reason: str, now: datetime
) -> PurposeBasis:
    """Say what a purpose rests on, and why. Raises `UserMistake`; marketing rests on consent alone."""
    if purpose not in PURPOSES or basis not in BASES[purpose]:
        raise UserMistake(_("This purpose cannot rest on that."))
    if not reason.strip():
        raise UserMistake(_("Say why this purpose rests on it."))
    row = PurposeBasis(
        tenant_id=session.tenant_id,
        id=new_id(),
        purpose=purpose,
        basis=basis,
        reason=reason.strip(),
        set_by=session.scope.actor.name,
        set_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "patients.basis_set",
        now=now,
        subject=f"purpose_basis:{row.id}",
        reason=row.reason,
        detail={"purpose": purpose, "basis": basis},
    )
    return row


def _add(session: HospitalSession, new: NewText, now: datetime) -> ConsentText:
    last = session.scalar(
        select(func.max(ConsentText.version)).where(
            ConsentText.tenant_id == session.tenant_id,
            ConsentText.purpose == new.purpose,
            ConsentText.channel == new.channel,
        )
    )
    row = ConsentText(
        tenant_id=session.tenant_id,
        id=new_id(),
        purpose=new.purpose,
        channel=new.channel,
        version=(last or 0) + 1,
        text_zh=new.zh.strip(),
        text_en=new.en.strip(),
        asks_again=new.asks_again,
        valid_from=new.valid_from,
        created_by=session.scope.actor.name,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _one_after_the_other(session: HospitalSession) -> None:
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 4))"),
        {"key": f"consent_text:{session.tenant_id}"},
    )
