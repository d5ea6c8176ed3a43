"""What comes in by interface (数据对接): kept, brought together with the rest of its visit, and answered.

The answer is given for what is committed: whoever is told that a message was taken need not send it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from foundation import audit
from foundation.database import HospitalSession
from patients import feed_alarms, feed_deaths, feed_merges, feed_rows, feed_store, feed_visits, receiving
from patients.adt import fhir, hl7, hl7_text
from patients.adt.events import BadMessage, Heard
from patients.models import FeedMessage
from tenants.life import agreement

FeedKind = Literal["hl7", "fhir", "json"]
LARGEST_MESSAGE = 1_000_000  # bytes of one HL7 message
MOST_MESSAGES = 500  # HL7 messages at once, whichever way they come
# The clock of a sender may be wrong by as much; what is said to be later would outrank all that follows.
AHEAD = timedelta(hours=24)
NOTHING = {"rows": 0, "created": 0, "updated": 0, "unchanged": 0, "rejected": 0}


class UnknownMessage(LookupError):
    """No such rejected message in this hospital."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message: `applied`, `waiting` or `rejected`, then with the stored reason.

    `refused` when it must not be sent again as it is. `again` when it had been answered before.
    """

    message_id: UUID
    event: str
    state: str
    reason: str
    refused: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of everything that was sent at once: the messages, and the counts of the import."""

    fates: tuple[Fate, ...]
    counts: dict[str, int]
    withdrawn: int = 0
    merged: int = 0
    import_id: UUID | None = None

    @property
    def waiting(self) -> int:
        """Messages that wait for something else to come."""
        return sum(fate.state == "waiting" for fate in self.fates)

    @property
    def taken(self) -> bool:
        """Whether every message was taken."""
        return all(fate.state != "rejected" for fate in self.fates)


def receive(session: HospitalSession, kind: FeedKind, content: bytes, *, name: str, now: datetime) -> Answer:
    """Take one HL7 message or one FHIR bundle. `name` is the feed's.

    Raises `BadMessage` for a bundle that cannot be read (an HL7 message is kept as rejected, with its reason)
    and `tenants.life.agreement.NotAgreed` (PIPL 21), `receiving.HospitalPaused`; then nothing is kept.
    """
    receiving.require(session)
    agreement.require(session, "care_followup", doing="patients.import", now=now)
    if kind == "fhir":
        return take(session, kind, fhir.read(content, now=now), name=name, now=now)
    try:
        return take(session, kind, [_hl7(content, now)], name=name, now=now)
    except BadMessage as error:
        row = feed_store.refuse(session, kind, content[:LARGEST_MESSAGE], error, now=now)
        feed_store.seen(session, kind, name, taken=False, now=now)
        fate = Fate(row.id, "", "rejected", row.reason, refused=error.refused)
        return Answer((fate,), dict(NOTHING))


def _hl7(content: bytes, now: datetime) -> Heard:
    if len(content) > LARGEST_MESSAGE:
        raise BadMessage("too_long", refused=True, limit=LARGEST_MESSAGE // 1000)
    text, _charset = hl7_text.decode(content)
    message = hl7_text.parse(text)
    return Heard(hl7.event_of(message, latest=now + AHEAD), text, hl7.facilities(message))


def take(
    session: HospitalSession, kind: FeedKind, heard: Sequence[Heard], *, name: str, now: datetime
) -> Answer:
    """Keep these messages and bring their visits to what is known now.

    Raises `NotAgreed`, `receiving.HospitalPaused`, and `BadMessage` for events that lie in the future.
    """
    receiving.require(session)
    terms = agreement.require(session, "care_followup", doing="patients.import", now=now)
    if not heard:
        feed_store.seen(session, kind, name, taken=False, now=now)
        return Answer((), dict(NOTHING))
    if any(one.event.at > now + AHEAD for one in heard):
        raise BadMessage("in_future")
    feed_store.lock(
        session, [n for one in heard for n in (one.event.record_number, one.event.gone_number) if n]
    )
    kept = feed_store.keep(session, kind, heard, terms.fields, now=now)
    batch = kind != "hl7"
    answer = _settle(session, kind, name, kept, batch=batch, now=now)
    named = feed_alarms.others(session, [one.named for one in heard])
    if named:
        row_id = answer.import_id or feed_rows.day_row(session, kind, name, now=now).id
        feed_alarms.raise_on(session, row_id, named)
    feed_store.seen(session, kind, name, taken=answer.taken, now=now)
    return answer


def try_again(session: HospitalSession, message_id: UUID, *, now: datetime) -> Answer:
    """Look at a rejected message once more, after something was corrected. Raises `UnknownMessage`,
    `NotAgreed`, `receiving.HospitalPaused`.
    """
    receiving.require(session)
    agreement.require(session, "care_followup", doing="patients.import", now=now)
    row = session.get(FeedMessage, (session.tenant_id, message_id))
    if row is None or row.state != "rejected" or row.content_cipher is None:
        raise UnknownMessage(str(message_id))
    feed_store.lock(session, [n for n in (row.record_number, row.visit_number) if n])
    session.refresh(row)
    answer = _settle(session, row.kind, "", [feed_store.Kept(row, again=False)], batch=False, now=now)
    audit.record(
        session,
        "patients.feed_tried_again",
        now=now,
        subject=f"message:{row.id}",
        detail={"state": row.state},
    )
    return answer


def _settle(
    session: HospitalSession,
    kind: str,
    name: str,
    kept: Sequence[feed_store.Kept],
    *,
    batch: bool,
    now: datetime,
) -> Answer:
    new = list({one.row.id: one.row for one in kept if not one.again}.values())
    merges = [row for row in new if row.event == feed_store.MERGE]
    found = feed_visits.stories(session, [row for row in new if row.event != feed_store.MERGE])
    target = None
    if any(story.after.status == "here" for story in found):
        called = f"{feed_rows.LAYOUTS[kind]} {name} {now:%Y-%m-%d %H:%M:%S}"
        target = (
            feed_rows.batch_row(session, kind, called, now=now)
            if batch
            else feed_rows.day_row(session, kind, name, now=now)
        )
    done = feed_visits.settle(session, found, target, now=now)
    merged = feed_merges.settle(session, merges, now=now)
    numbers = {row.record_number for row in new} | {row.visit_number for row in merges}
    merged += feed_merges.settle(session, feed_store.waiting_merges(session, numbers), now=now)
    feed_deaths.settle(session, numbers, {row.id for row in new}, now=now)
    session.flush()
    fates = tuple(
        Fate(one.row.id, one.row.event, one.row.state, one.row.reason, again=one.again) for one in kept
    )
    counts = NOTHING | done.counts
    return Answer(fates, counts, done.withdrawn, merged, target.id if target is not None else None)
