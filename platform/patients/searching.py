"""Finding a patient (查找患者) by whatever is at hand: name, pinyin initials, record number, telephone, ID.

A typed text may be several of these at once; each reading is a bounded walk along one index, and the page is
their union in a fixed order of ranks. The walks compare ranges in the collation "C": under row-level security
only operators that leak nothing may use an index, and LIKE is none of them. The order within a rank is that
of its index, so the first page and any later one cost the same, whether three or 70,000 people are found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    any_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from foundation.database import HospitalSession
from patients.identity import clean_id
from patients.initials import LONGEST as LONGEST_INITIALS
from patients.models import ContactPoint, Patient, RecordAlias
from patients.phones import parse_phone
from tenants.keys import data_key

LAST_CHARACTER = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
STARS = re.compile("[*\uff0a]")  # also the full-width one


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to take the typed text: which patients it means, and the text they are in order of.

    `key` is None where their order is only that of their ids, the newest first.
    """

    means: ColumnElement[bool]
    key: ColumnElement[str] | None = None


def found(session: HospitalSession, typed: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """The patients that a typed text means, at most `limit`, in the order of the list.

    An exact number comes first, then record numbers, names and initials that begin so; equal ones the newest
    first. `after` is the last patient of the page before. Restricted, erased and merged ones are never found.
    """
    walks = searched(session, typed.strip(), after=after, limit=limit)
    return [] if walks is None else list(session.scalars(walks))


def searched(session: HospitalSession, typed: str, *, after: UUID | None, limit: int) -> Select[UUID] | None:
    """The statement of a search; None for a text that can mean nobody."""
    readings = readings_of(session, typed)
    if not readings:
        return None
    rank, key, last = (0, None, None) if after is None else _place(session, readings, after)
    first = _walk(session, readings, rank, limit, key=key, after=last)
    others = (_walk(session, readings, number, limit) for number in range(rank + 1, len(readings)))
    lines = union_all(first, *others).subquery()
    return select(lines.c.id).order_by(lines.c.rank, lines.c.key.collate("C"), lines.c.id.desc()).limit(limit)


def readings_of(session: HospitalSession, typed: str) -> list[Reading]:
    """What a typed text may mean, the surest first. Stars stand for what a list hides of a name (张**)."""
    plain = normalize("NFKC", typed).strip()
    start, *hidden = plain.split("*")
    if not start.strip():
        return []
    numbers = list(dict.fromkeys((start.strip(), start.strip().upper())))
    made = [] if hidden else _numbers(session, plain)
    made += [_beginning(Patient.record_number, number) for number in numbers]
    name, *rest = STARS.split(typed)
    by_name = _beginning(Patient.name, name.strip())
    end = rest[-1].strip() if rest else ""
    if end:
        by_name = Reading(and_(by_name.means, func.right(Patient.name, len(end)) == end), by_name.key)
    made.append(by_name)
    letters = plain.lower().replace(" ", "")
    if letters.isascii() and letters.isalpha() and len(letters) <= LONGEST_INITIALS:
        made.append(_beginning(Patient.initials, letters))
    return made


def upper_bound(prefix: str) -> str | None:
    """The smallest text above all that begin with `prefix`, by code point; None where there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place])
        if code < LAST_CHARACTER:
            following = code + 1
            if SURROGATES[0] <= following <= SURROGATES[1]:
                following = SURROGATES[1] + 1
            return prefix[:place] + chr(following)
    return None


def _beginning(column: Any, prefix: str) -> Reading:
    key = column.collate("C")
    bound = upper_bound(prefix)
    within = key >= prefix if bound is None else and_(key >= prefix, key < bound)
    return Reading(within, key)


def _numbers(session: HospitalSession, plain: str) -> list[Reading]:
    """A telephone or identity number through the blind index, and a record number of former days."""
    key, here = data_key(session), session.tenant_id
    made = []
    phone = parse_phone(plain) if sum(map(str.isdigit, plain)) >= 7 else None
    if phone is not None:
        holders = select(ContactPoint.patient_id).where(
            ContactPoint.tenant_id == here, ContactPoint.number_index == key.blind_index(phone)
        )
        made.append(Reading(_one_of(holders)))
    identity = clean_id(plain.replace(" ", ""))
    if identity is not None:
        made.append(Reading(Patient.id_number_index == key.blind_index(identity)))
    aliases = select(RecordAlias.patient_id).where(
        RecordAlias.tenant_id == here, RecordAlias.record_number.in_({plain, plain.upper()})
    )
    return [*made, Reading(_one_of(aliases))]


def _one_of(holders: Select[UUID]) -> ColumnElement[bool]:
    """Asked once as an array: a number that thousands share is then a walk along their ids and no more."""
    return Patient.id == any_(func.array(holders.scalar_subquery()))


def _walk(
    session: HospitalSession,
    readings: Sequence[Reading],
    rank: int,
    limit: int,
    *,
    key: str | None = None,
    after: UUID | None = None,
) -> Select[int, str, UUID]:
    """The patients of one reading and of none before it, from a place on, in the order of its index."""
    reading = readings[rank]
    surer = (not_(func.coalesce(earlier.means, false())) for earlier in readings[:rank])
    query = select(literal(rank).label("rank"), _key(reading).label("key"), Patient.id.label("id")).where(
        _shown(session), reading.means, *surer
    )
    if after is not None and reading.key is not None:
        query = query.where(reading.key >= key, or_(reading.key > key, Patient.id < after))
    elif after is not None:
        query = query.where(Patient.id < after)
    order = [] if reading.key is None else [reading.key]
    lines = query.order_by(*order, Patient.id.desc()).limit(limit).subquery()
    return select(lines.c.rank, lines.c.key, lines.c.id)


def _place(
    session: HospitalSession, readings: Sequence[Reading], after: UUID
) -> tuple[int, str | None, UUID | None]:
    """Rank, key and id of the last patient of the page before; the beginning, if it is found no more."""
    ranks = case(*((reading.means, rank) for rank, reading in enumerate(readings)))
    keys = case(*((reading.means, _key(reading)) for reading in readings))
    here = select(ranks, keys).where(Patient.tenant_id == session.tenant_id, Patient.id == after)
    row = session.execute(here).one_or_none()
    return (0, None, None) if row is None or row[0] is None else (row[0], row[1], after)


def _key(reading: Reading) -> ColumnElement[str]:
    return literal("", String) if reading.key is None else reading.key


def _shown(session: HospitalSession) -> ColumnElement[bool]:
    return and_(
        Patient.tenant_id == session.tenant_id, Patient.restricted_at.is_(None), Patient.merged_at.is_(None)
    )
