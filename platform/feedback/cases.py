"""How a case begins, and how it passes to medical affairs (医务处)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, select, text

from feedback import log
from feedback.clock import Tier
from feedback.models import FeedbackCase
from feedback.tags import CATEGORIES, COMPLAINT, Category
from foundation import audit
from foundation.calendar import SHANGHAI
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from tenants.keys import data_key

Channel = Literal[
    "revisit_call",  # said during a follow-up call (回访电话)
    "survey_call",
    "inbound_call",
    "hotline",  # the 24-hour complaints line (S0-16)
    "web",  # website or WeChat account (S0-10)
    "app",
    "desk",  # face to face (S0-14)
    "box",  # the opinion box
    "letter",
    "paper",
]
SAME_SUBMIT = timedelta(minutes=1)
NUMBER = "FK-{month}-{count:04d}"


@dataclass(frozen=True, slots=True)
class NewCase:
    """A piece of feedback as it is taken down.

    `text` holds the patient's own words, `wish` what they want done. `patient_id` is None for an anonymous
    one.
    `told`: an agent was speaking with the patient and said that it was received, which is all that the first
    limit of tier 1 asks for (S0-20).
    """

    patient_id: UUID | None
    encounter_id: UUID | None
    call_id: UUID | None
    department_id: UUID | None
    channel: Channel
    category: Category
    tag: str
    tier: Tier
    medical_dispute: bool
    text: str
    wish: str = ""
    told: bool = False


def open_case(session: HospitalSession, new: NewCase, *, actor: Actor, now: datetime) -> FeedbackCase:
    """Take down a case: number, clocks of its tier, first receiver, first event.

    Numbers run FK-YYMM-NNNN within hospital and month without a gap, whoever writes at the same time. The
    same
    words with the same tag from the same call within a minute are one case: that is a double submit, and the
    case that exists comes back. A medical dispute is a complaint, tier 3 (S0-24), and medical affairs' own
    from
    the start (S4-9). The actor is the first receiver (首问, S1-9). Raises ValueError for a category that is
    none.
    """
    if new.category not in CATEGORIES:
        raise ValueError(f"no such category: {new.category}")
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"case-number:{session.tenant_id}"},
    )
    existing = _same_submit(session, new, now)
    if existing is not None:
        return existing
    case = _row(session, new, actor, now)
    session.add(case)
    session.flush()
    clocks = log.start_clocks(session, case)
    detail: dict[str, Any] = {
        "channel": case.channel,
        "tag": case.tag,
        "tier": case.tier,
        "dispute": case.medical_dispute,
    }
    log.write(session, case, "received", actor=actor, now=now, **detail)
    if new.told and case.tier == 1:
        case.responded_at = now
        case.stage = "in_hand"
        next(clock for clock in clocks if clock.kind == "ack").met_at = now
        log.write(session, case, "acknowledged", actor=actor, now=now, owner="agent", on_call=True)
    session.flush()
    audit.record(session, "feedback.opened", now=now, subject=f"case:{case.id}", detail=detail)
    return case


def hand_to_medical_affairs(
    session: HospitalSession, case_id: UUID, *, actor: Actor, note: str, now: datetime
) -> FeedbackCase:
    """A medical dispute has shown itself: the case is the hospital's own from now on (医务处, S4-9).

    Its clocks stay as they are: a limit that was given is kept or missed, never moved. Doing it twice is
    once.
    Raises `UnknownCase`, `CaseRefused` (closed; already theirs and the actor is the firm's).
    """
    case = log.take(session, case_id, actor)
    if case.medical_dispute:
        return case
    case.medical_dispute = True
    log.write(session, case, "medical_affairs", actor=actor, now=now, note=note)
    audit.record(session, "feedback.handed_to_medical_affairs", now=now, subject=f"case:{case.id}")
    return case


def _row(session: HospitalSession, new: NewCase, actor: Actor, now: datetime) -> FeedbackCase:
    return FeedbackCase(
        tenant_id=session.tenant_id,
        id=new_id(),
        number=_next_number(session, now),
        patient_id=new.patient_id,
        encounter_id=new.encounter_id,
        call_id=new.call_id,
        department_id=new.department_id,
        channel=new.channel,
        category=new.category,
        tag=new.tag,
        tier=COMPLAINT if new.medical_dispute else new.tier,
        medical_dispute=new.medical_dispute,
        text_cipher=data_key(session).encrypt(new.text),
        wish_cipher=data_key(session).encrypt(new.wish),
        received_at=now,
        first_receiver_id=actor.id,
        first_receiver=actor.name,
        stage="received",
        round=1,
        round_started_at=now,
    )


def _next_number(session: HospitalSession, now: datetime) -> str:
    """The number after the highest of the month; the caller holds the hospital's lock on numbers."""
    month = now.astimezone(SHANGHAI).strftime("%y%m")
    count = cast(func.split_part(FeedbackCase.number, "-", 3), BigInteger)
    highest = session.scalar(
        select(func.max(count)).where(
            FeedbackCase.tenant_id == session.tenant_id, FeedbackCase.number.startswith(f"FK-{month}-")
        )
    )
    return NUMBER.format(month=month, count=(highest or 0) + 1)


def _same_submit(session: HospitalSession, new: NewCase, now: datetime) -> FeedbackCase | None:
    candidates = session.scalars(
        select(FeedbackCase).where(
            FeedbackCase.tenant_id == session.tenant_id,
            FeedbackCase.call_id.is_not_distinct_from(new.call_id),
            FeedbackCase.patient_id.is_not_distinct_from(new.patient_id),
            FeedbackCase.tag == new.tag,
            FeedbackCase.received_at > now - SAME_SUBMIT,
            FeedbackCase.received_at <= now,
        )
    )
    key = data_key(session)
    return next((case for case in candidates if key.decrypt(case.text_cipher) == new.text), None)
