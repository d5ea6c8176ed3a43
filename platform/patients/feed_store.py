"""The messages of feeds as rows: kept before they are answered, found again by visit and by person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from foundation.database import HospitalSession
from foundation.ids import new_id
from patients import traces
from patients.adt import stored
from patients.adt.events import BadMessage, Event, Heard
from patients.models import Feed, FeedMessage
from tenants.keys import data_key

MERGE = "merge"
# Messages of one number follow each other; sorted, so that two bundles never wait for each other.
_LOCK = text("""
    SELECT count(pg_advisory_xact_lock(hashtextextended(key, 0)))
    FROM (SELECT key FROM unnest(CAST(:keys AS text[])) AS k (key) ORDER BY key COLLATE "C") AS sorted
""")
# A number means the patient it leads to since a merge, before the record that went.
_PEOPLE = text("""
    SELECT n.number, w.patient_id, ARRAY(
               SELECT p.record_number FROM patient p WHERE p.tenant_id = :tenant_id AND p.id = w.patient_id
               UNION
               SELECT a.record_number FROM record_alias a
               WHERE a.tenant_id = :tenant_id AND a.patient_id = w.patient_id) AS numbers
    FROM unnest(CAST(:numbers AS text[])) AS n (number)
    LEFT JOIN record_alias known ON known.tenant_id = :tenant_id AND known.record_number = n.number
    LEFT JOIN patient own ON own.tenant_id = :tenant_id AND own.record_number = n.number
        AND own.merged_at IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(own.id, known.patient_id) AS patient_id) AS w
    WHERE w.patient_id IS NOT NULL
""")
_SEEN = text("""
    INSERT INTO feed (tenant_id, id, kind, name, last_received_at, last_taken_at, created_at)
    VALUES (:tenant_id, uuidv7(), :kind, :name, :now,
            CASE WHEN :taken THEN CAST(:now AS timestamptz) END, :now)
    ON CONFLICT (tenant_id, kind, name) DO UPDATE
    SET last_received_at = greatest(feed.last_received_at, excluded.last_received_at),
        last_taken_at = greatest(feed.last_taken_at, excluded.last_taken_at)
""")


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that stands among the rows; `again` when nothing is left to do: it was answered before."""

    row: FeedMessage
    again: bool


@dataclass(frozen=True, slots=True)
class Person:
    """A patient of the hospital, and every record number that means them."""

    patient_id: UUID
    numbers: frozenset[str]


def lock(session: HospitalSession, numbers: Iterable[str]) -> None:
    """Wait for other messages of these record numbers, and keep the next ones waiting."""
    keys = [f"patients.feed:{session.tenant_id}:{number}" for number in sorted(set(numbers))]
    session.execute(_LOCK, {"keys": keys})


def seen(session: HospitalSession, kind: str, name: str, *, taken: bool, now: datetime) -> None:
    """Note that something came this way, and whether it was taken. The last statement of a transaction."""
    values = {"tenant_id": session.tenant_id, "kind": kind, "name": name, "taken": taken, "now": now}
    session.execute(_SEEN, values)


def keep(
    session: HospitalSession, kind: str, heard: Sequence[Heard], agreed: Collection[str], *, now: datetime
) -> list[Kept]:
    """Keep these messages, each once however often it comes.

    One that was rejected is tried again; a report without a time of its own counts as of when it came last.
    Of one about an erased patient only that it came is kept, and there is nothing more to do with it.
    """
    key = data_key(session)
    digests = [key.digest(_plain(kind, one.text.encode())) for one in heard]
    known = traces.erased_indexes(session)
    unsaid = [traces.is_erased(session, known, e.event.record_number, e.event.gone_number) for e in heard]
    values: list[dict[str, Any]] = [
        {
            "tenant_id": session.tenant_id,
            "id": new_id(),
            "kind": kind,
            "control_id": one.event.control_id,
            "event": one.event.kind,
            "event_at": one.event.at,
            "record_number": one.event.record_number,
            "visit_number": one.event.visit_number,
            "content_cipher": key.encrypt(stored.dump(one.event, agreed)),
            "content_digest": digest,
            "state": "waiting",
            "reason": "",
            "received_at": now,
        }
        for one, digest in zip(heard, digests, strict=True)
    ]
    for row_values, erased in zip(values, unsaid, strict=True):
        if erased:
            _say_nothing_of(row_values)
    new = _insert(session, values)
    rows = _by_digest(session, kind, digests)
    kept = []
    for one, digest, said, erased in zip(heard, digests, values, unsaid, strict=True):
        row = rows[digest]
        if erased:
            kept.append(Kept(row, again=True))
            continue
        if row.content_cipher is None and not row.event:
            _read_at_last(row, said)
        again = row.id not in new and row.state != "rejected"
        if again and not one.event.timed and row.event_at < now:
            row.event_at, again = now, False
        kept.append(Kept(row, again))
    return kept


def _say_nothing_of(values: dict[str, Any]) -> None:
    """Of an erased patient only that a message came."""
    number = str(values["id"])
    values |= {"record_number": number, "visit_number": number, "content_cipher": None}
    values |= {"state": "rejected", "reason": traces.ERASED}


def _read_at_last(row: FeedMessage, said: Mapping[str, Any]) -> None:
    """What could not be read when it first came, and now can be."""
    for name in ("control_id", "event", "event_at", "record_number", "visit_number", "content_cipher"):
        setattr(row, name, said[name])


def refuse(
    session: HospitalSession, kind: str, content: bytes, error: BadMessage, *, now: datetime
) -> FeedMessage:
    """Keep that a message came which cannot be read, and why; nothing of what it says."""
    digest = data_key(session).digest(_plain(kind, content))
    values = {
        "tenant_id": session.tenant_id,
        "id": new_id(),
        "kind": kind,
        "control_id": "",
        "event": "",
        "event_at": now,
        "record_number": "",
        "visit_number": "",
        "content_digest": digest,
        "state": "rejected",
        "reason": reason_of(error),
        "received_at": now,
    }
    _insert(session, [values])
    return _by_digest(session, kind, [digest])[digest]


def reason_of(error: BadMessage) -> str:
    """Why a message was not taken, to be stored: the code, and what fills its sentence."""
    return json.dumps({"code": error.code} | error.params) if error.params else error.code


def _plain(kind: str, content: bytes) -> str:
    return f"{kind}:{hashlib.sha256(content).hexdigest()}"


def _insert(session: HospitalSession, values: Sequence[Mapping[str, object]]) -> set[UUID]:
    return set(
        session.scalars(
            insert(FeedMessage)
            .values([dict(one) for one in values])
            .on_conflict_do_nothing(index_elements=["tenant_id", "kind", "content_digest"])
            .returning(FeedMessage.id)
        )
    )


def _by_digest(session: HospitalSession, kind: str, digests: list[bytes]) -> dict[bytes, FeedMessage]:
    rows = session.scalars(
        select(FeedMessage).where(
            FeedMessage.tenant_id == session.tenant_id,
            FeedMessage.kind == kind,
            FeedMessage.content_digest.in_(digests),
        )
    )
    return {row.content_digest: row for row in rows}


def people(session: HospitalSession, numbers: Iterable[str]) -> dict[str, Person]:
    """Whom each of these numbers means, by number; a number that nobody has is left out."""
    session.flush()
    values = {"tenant_id": session.tenant_id, "numbers": sorted(set(numbers))}
    return {
        number: Person(patient_id, frozenset(known))
        for number, patient_id, known in session.execute(_PEOPLE, values)
    }


def of_numbers(session: HospitalSession, numbers: Iterable[str]) -> list[FeedMessage]:
    """Every message of these record numbers that is no merge."""
    return list(
        session.scalars(
            select(FeedMessage)
            .where(
                FeedMessage.tenant_id == session.tenant_id,
                FeedMessage.record_number.in_(sorted(set(numbers))),
                FeedMessage.event != MERGE,
            )
            .order_by(FeedMessage.id)
        )
    )


def waiting_merges(session: HospitalSession, numbers: Iterable[str]) -> list[FeedMessage]:
    """Merges that wait for one of these numbers to become known."""
    listed = sorted(set(numbers))
    return list(
        session.scalars(
            select(FeedMessage)
            .where(
                FeedMessage.tenant_id == session.tenant_id,
                FeedMessage.event == MERGE,
                FeedMessage.state == "waiting",
                FeedMessage.record_number.in_(listed) | FeedMessage.visit_number.in_(listed),
            )
            .order_by(FeedMessage.event_at, FeedMessage.id)
        )
    )


def events_of(session: HospitalSession, rows: Iterable[FeedMessage]) -> Mapping[UUID, Event]:
    """What these messages say, by their ids; those that were emptied are left out."""
    key = data_key(session)
    return {
        row.id: stored.load(key.decrypt(row.content_cipher), row.event_at)
        for row in rows
        if row.content_cipher is not None
    }


def feed_row(session: HospitalSession, feed_id: UUID) -> Feed | None:
    """One feed of this hospital."""
    return session.get(Feed, (session.tenant_id, feed_id))
