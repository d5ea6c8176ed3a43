"""Consent (同意) of the hospital's patients: kept word by word, withdrawn as easily as given (PIPL 14 to 16).

Every word is a row and no row is changed; what holds follows from them by `patients.consent_rules`. A word
against a purpose reaches the higher floors in the same transaction: what was waiting is not made any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import format_day
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import consent_texts
from patients.consent_rules import (
    ALL,
    BY_PROGRAM,
    CHANNELS,
    GIVERS,
    OFFERED,
    PURPOSES,
    REACHING,
    READ_OUT,
    SOURCES,
    Basis,
    Holding,
    Refusal,
    Version,
    Word,
    holds,
    quiet_until,
    refusal,
)
from patients.identity import GUARDIAN_UNTIL, is_minor
from patients.models import Consent, ConsentText, Patient
from patients.suppression import UnknownPatient

LONGEST_EVIDENCE = 500

RefusedHook = Callable[[HospitalSession, Sequence[UUID], str, frozenset[str], datetime], None]
_refused_hooks: list[RefusedHook] = []


class GuardianNeeded(UserMistake):
    """Under 14 the guardian says yes, nobody else (PIPL 31)."""


class WrongText(ValueError):
    """These words are not of that purpose, or not of this hospital."""


class TextNeeded(UserMistake):
    """A yes to marketing that a program brings says which words it was given to (PIPL 14, 23)."""


class StillQuiet(UserMistake):
    """The patient said no less than twelve months ago: nobody asks, a yes comes unasked or not at all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What holds for one purpose and channel, why, and what follows: `refusal` is None where contact may be
    made; before `quiet_until` nobody may ask again."""

    purpose: str
    channel: str
    holding: Holding
    row: Consent | None
    basis: Basis
    refusal: Refusal | None
    quiet_until: datetime | None


@dataclass(frozen=True, slots=True)
class Consents:
    """All that a patient said, the newest first, and what holds by purpose and channel."""

    history: Sequence[Consent]
    versions: dict[UUID, ConsentText]
    cells: dict[tuple[str, str], Cell]


def on_refused(hook: RefusedHook) -> RefusedHook:
    """Register what a higher floor stops when a purpose may no longer be served on some channels:
    (session, patient_ids, purpose, channels, now), in the same transaction."""
    if hook not in _refused_hooks:
        _refused_hooks.append(hook)
    return hook


def record(
    session: HospitalSession,
    patient_id: UUID,
    purpose: str,
    *,
    channel: str = ALL,
    given: bool,
    source: str,
    given_by: str = "patient",
    text_id: UUID | None = None,
    evidence: str = "",
    evidence_file_id: UUID | None = None,
    at: datetime | None = None,
    now: datetime,
) -> Consent:
    """Keep a yes or a no to one purpose on one channel or all; the newest holds.

    `at` is when it was said, without it now; a word that is brought in late changes nothing said after it.
    A yes of a child under 14 needs the guardian (`GuardianNeeded`), one within twelve months of a no has to
    come unasked (`StillQuiet`). Once a version asks again, a yes that names no words was given to those in
    force then, where a person shows them; one that a program brings names them for marketing (`TextNeeded`).
    Raises `UnknownPatient`, also for one whose data is restricted, and ValueError for unknown words.
    """
    _checked(purpose, channel, source, given_by)
    said_at = _said(at, now)
    patient = _locked(session, patient_id)
    if given:
        _may_say_yes(session, patient, purpose, channel, source, given_by, now)
    if text_id is not None:
        _own_text(session, text_id, purpose)
    shown = text_id or (_version_shown(session, purpose, channel, source, said_at) if given else None)
    row = Consent(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient_id,
        purpose=purpose,
        channel=channel,
        given=given,
        at=said_at,
        source=source,
        given_by=given_by,
        text_id=shown,
        evidence=evidence.strip()[:LONGEST_EVIDENCE],
        evidence_file_id=evidence_file_id,
        recorded_by=session.scope.actor.name,
    )
    _keep(session, patient_id, [row], now)
    return row


def _said(at: datetime | None, now: datetime) -> datetime:
    said_at = at or now
    if said_at > now:
        msg = "a word is kept after it was said"
        raise ValueError(msg)
    return said_at


def withdraw(
    session: HospitalSession,
    patient_id: UUID,
    *,
    purpose: str | None = None,
    channel: str = ALL,
    source: str,
    given_by: str = "patient",
    evidence: str = "",
    now: datetime,
) -> list[Consent]:
    """A no to one purpose or, without one, to all, on one channel or all: one step, as easy as a yes (PIPL
    15). Raises as `record` does.
    """
    purposes = PURPOSES if purpose is None else (purpose,)
    for each in purposes:
        _checked(each, channel, source, given_by)
    _locked(session, patient_id)
    rows = [
        Consent(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient_id,
            purpose=each,
            channel=channel,
            given=False,
            at=now,
            source=source,
            given_by=given_by,
            evidence=evidence.strip()[:LONGEST_EVIDENCE],
            recorded_by=session.scope.actor.name,
        )
        for each in purposes
    ]
    _keep(session, patient_id, rows, now)
    return rows


def of(session: HospitalSession, patient_id: UUID, now: datetime) -> Consents:
    """The history of one patient, and what holds now for each purpose on each channel, with why."""
    rows = session.scalars(
        select(Consent)
        .where(Consent.tenant_id == session.tenant_id, Consent.patient_id == patient_id)
        .order_by(Consent.at.desc(), Consent.given, Consent.id.desc())
    ).all()
    versions = consent_texts.versions(session)
    texts = {row.id: row for row in versions}
    words = [_word(row, texts.get(row.text_id) if row.text_id else None) for row in rows]
    asks = consent_texts.asks(versions)
    bases = consent_texts.bases(session)
    by_id = {row.id: row for row in rows}
    cells = {}
    for purpose in PURPOSES:
        for channel in REACHING:
            held = holds(words, asks, purpose, channel, now)
            cells[purpose, channel] = Cell(
                purpose=purpose,
                channel=channel,
                holding=held,
                row=by_id[held.word.id] if held.word is not None and held.word.id is not None else None,
                basis=bases[purpose],
                refusal=refusal(held.standing, bases[purpose]),
                quiet_until=quiet_until(words, purpose, channel, now),
            )
    return Consents(rows, texts, cells)


def matrix(
    session: HospitalSession, patient_ids: Collection[UUID], now: datetime
) -> dict[UUID, dict[tuple[str, str], Holding]]:
    """What holds for many patients by purpose and channel, for lists; two statements."""
    words = _words_of(session, patient_ids)
    asks = consent_texts.asks(consent_texts.versions(session))
    return {
        patient_id: {
            (purpose, channel): holds(words.get(patient_id, ()), asks, purpose, channel, now)
            for purpose in PURPOSES
            for channel in REACHING
        }
        for patient_id in patient_ids
    }


def standing(
    session: HospitalSession, patient_ids: Collection[UUID], purpose: str, channel: str, now: datetime
) -> dict[UUID, Refusal | None]:
    """For whoever sends to many: None for those whom this purpose may reach on this channel, else why not.

    Three statements whatever the number. Suppressions and blocked numbers are other questions.
    """
    basis = consent_texts.bases(session)[purpose]
    asks = consent_texts.asks(consent_texts.versions(session))
    words = _words_of(session, patient_ids, purpose)
    return {
        patient_id: refusal(holds(words.get(patient_id, ()), asks, purpose, channel, now).standing, basis)
        for patient_id in patient_ids
    }


def may_contact(
    session: HospitalSession, patient_id: UUID, purpose: str, channel: str, now: datetime
) -> bool:
    """Whether consent stands in nobody's way: `standing` of one patient."""
    return standing(session, [patient_id], purpose, channel, now)[patient_id] is None


def _keep(session: HospitalSession, patient_id: UUID, rows: list[Consent], now: datetime) -> None:
    session.add_all(rows)
    session.flush()
    for row in rows:
        audit.record(
            session,
            "patients.consent_given" if row.given else "patients.consent_refused",
            now=now,
            subject=f"patient:{patient_id}",
            reason=row.purpose,
            detail={"source": row.source, "channel": row.channel, "given_by": row.given_by},
        )
    refused = {row.purpose for row in rows if not row.given}
    if not refused:
        return
    after = of(session, patient_id, now)
    for purpose in sorted(refused):
        channels = frozenset(
            channel for channel in REACHING if after.cells[purpose, channel].refusal is not None
        )
        for hook in _refused_hooks if channels else ():
            hook(session, [patient_id], purpose, channels, now)


def _may_say_yes(
    session: HospitalSession,
    patient: Patient,
    purpose: str,
    channel: str,
    source: str,
    given_by: str,
    now: datetime,
) -> None:
    if _under_age(patient, now) and given_by != "guardian":
        raise GuardianNeeded(_("Under 14 the guardian gives consent."))
    if source == OFFERED:
        return
    words = _words_of(session, [patient.id], purpose).get(patient.id, ())
    until = quiet_until(words, purpose, channel, now)
    if until is not None:
        raise StillQuiet(
            _(
                "The patient said no; until {day} only a yes that the patient offers unasked is taken.",
                day=format_day(local_date(until)),
            )
        )


def _under_age(patient: Patient, now: datetime) -> bool:
    if patient.birth_date is not None:
        return is_minor(patient.birth_date, local_date(now))
    return patient.age_years is not None and patient.age_years < GUARDIAN_UNTIL


def _checked(purpose: str, channel: str, source: str, given_by: str) -> None:
    for word, known in ((purpose, PURPOSES), (channel, CHANNELS), (source, SOURCES), (given_by, GIVERS)):
        if word not in known:
            raise ValueError(word)


def _locked(session: HospitalSession, patient_id: UUID) -> Patient:
    """The patient, locked as a dial and a suppression lock: of a dial and this word one waits."""
    patient = session.scalar(
        select(Patient)
        .where(
            Patient.tenant_id == session.tenant_id,
            Patient.id == patient_id,
            Patient.restricted_at.is_(None),
            Patient.merged_at.is_(None),
        )
        .with_for_update(key_share=True)
    )
    if patient is None:
        raise UnknownPatient(str(patient_id))
    return patient


def _version_shown(
    session: HospitalSession, purpose: str, channel: str, source: str, said_at: datetime
) -> UUID | None:
    """The words that a yes without any was given to; None where nobody knows."""
    known = consent_texts.versions(session)
    asked = any(
        ask.purpose == purpose and ask.channel in (ALL, channel) and ask.at <= said_at
        for ask in consent_texts.asks(known)
    )
    if not asked:
        return None
    if source in READ_OUT:
        row = consent_texts.current(known, purpose, channel, said_at)
        return None if row is None else row.id
    if purpose == "marketing" and source in BY_PROGRAM:
        raise TextNeeded(_("Say which version of the words this yes was given to."))
    return None


def _own_text(session: HospitalSession, text_id: UUID, purpose: str) -> None:
    text = session.get(ConsentText, (session.tenant_id, text_id))
    if text is None or text.purpose != purpose:
        raise WrongText(str(text_id))


def _words_of(
    session: HospitalSession, patient_ids: Collection[UUID], purpose: str | None = None
) -> dict[UUID, list[Word]]:
    """The words of many patients, by patient; those who said nothing are left out."""
    wanted = (
        select(Consent, ConsentText)
        .outerjoin(
            ConsentText,
            (ConsentText.tenant_id == Consent.tenant_id) & (ConsentText.id == Consent.text_id),
        )
        .where(
            Consent.tenant_id == session.tenant_id,
            Consent.patient_id == any_(cast(list(patient_ids), ARRAY(Uuid()))),
        )
    )
    if purpose is not None:
        wanted = wanted.where(Consent.purpose == purpose)
    words: dict[UUID, list[Word]] = {}
    for row, text in session.execute(wanted):
        words.setdefault(row.patient_id, []).append(_word(row, text))
    return words


def _word(row: Consent, text: ConsentText | None) -> Word:
    version = None if text is None else Version(text.channel, text.version)
    return Word(row.purpose, row.channel, row.given, row.at, version, row.id)
