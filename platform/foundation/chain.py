"""Chains of records (哈希链): append-only rows of which each holds the hash of the one before it.

A hospital's audit trail and a firm's record are both such chains; what they share stands here. A row that was
changed, taken out, put in or moved breaks the chain at a place that `verify` names. Two things a chain alone
cannot show: rows cut off its end, and a chain written anew from some row on by whoever owns the tables. Both
show against a head (its number and hash) that was noted elsewhere: `head` gives one, `verify` takes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, func, literal, literal_column, select, text
from sqlalchemy.orm import Mapped

from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.masking import mask_all, mask_numbers
from foundation.scope import Actor, FirmScope, HospitalScope

GENESIS = b"\x00" * 32
BATCH = 1_000
What = Literal["changed", "missing", "out_of_order", "cut", "not_as_noted"]
# What of a row goes into its hash beside the chain and the hash before it, in this order.
CONTENT = (
    "id", "seq", "at", "actor_kind", "actor_id", "actor_name", "action", "subject", "reason", "detail",
)  # fmt: skip
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class ChainColumns:
    """The columns of a chained row. `at` is when it happened: rows stand in the order they were written,
    and what is written a moment later (a sign-in) may have happened before its neighbour.
    """

    append_only = True
    seq: Mapped[int]
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]


C = TypeVar("C", bound=ChainColumns)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain (链尾): what somebody outside can note down."""

    seq: int
    hash: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place where a chain does not hold. `expected` is the number that should stand there;
    `seq`, `id` and `at` are of the row found there, None behind the end.

    `what`: `changed` (the row is not what was written), `missing` (rows before it are gone), `out_of_order`
    (it does not belong here: put in or moved), `cut` (rows behind the end are gone), `not_as_noted` (another
    row than the one noted elsewhere: the chain was written anew).
    """

    expected: int
    what: What
    seq: int | None = None
    id: UUID | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at a chain came to: the rows looked at, from number `first` on, up to `head`."""

    rows: int
    first: int
    head: Head | None
    fault: Fault | None


@dataclass(slots=True)
class _Walk:
    expected: int
    previous: bytes
    noted: Mapping[int, bytes]
    rows: int = 0
    head: Head | None = None
    unseen: set[int] = field(default_factory=set)


def append(
    session: ScopedSession,
    model: type[C],
    chain: UUID,
    action: str,
    *,
    now: datetime,
    subject: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> None:
    """Append one row to this chain, which stays taken for the rest of the transaction: call it late.

    Who acts is the session's actor unless another is named; where the request came from and who let the
    actor in are added to the detail. A number that somebody typed is masked.
    """
    take(session, chain)
    last = head(session, model, chain)
    who = actor or session.scope.actor
    told = dict(detail or {})
    address = session.scope.address if isinstance(session.scope, HospitalScope | FirmScope) else ""
    if address:
        told.setdefault("address", address)
    if who.granted_by:
        told["granted_by"] = who.granted_by
    make: Any = model
    row = make(
        id=new_id(),
        seq=1 if last is None else last.seq + 1,
        at=now,
        actor_kind=who.kind,
        actor_id=who.id,
        actor_name=who.name,
        action=action,
        subject=subject,
        reason=mask_numbers(reason),
        # As the database gives it back: keys are texts, and a fraction stays as it was written.
        detail=mask_all(json.loads(json.dumps(told), parse_float=str)),
        previous_hash=GENESIS if last is None else last.hash,
        **{_chain_name(model): chain},
    )
    row.hash = digest(chain, row)
    session.add(row)
    session.flush()


def take(session: ScopedSession, chain: UUID) -> None:
    """Let nobody else append to this chain until the transaction ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"audit:{chain}"}
    )


def digest(chain: UUID, row: Any) -> bytes:
    """SHA-256 over the hash before it, the chain and the row's content; `row` has the columns of a chained
    row as attributes. Independent of time zone and of the order of keys.
    """
    content: list[Any] = [str(chain)]
    for name in CONTENT:
        value = getattr(row, name)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat(timespec="microseconds")
        elif isinstance(value, UUID):
            value = str(value)
        content.append(value)
    return hashlib.sha256(bytes(row.previous_hash) + _encode(content).encode()).digest()


def head(session: ScopedSession, model: type[C], chain: UUID) -> Head | None:
    """The last row of the chain, None while it is empty."""
    row = session.execute(
        select(model.seq, model.hash, model.at)
        .where(chain_of(model) == chain)
        .order_by(model.seq.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Head(row.seq, row.hash, row.at)


def verify(
    session: ScopedSession,
    model: type[C],
    chain: UUID,
    *,
    newest: int | None = None,
    noted: Mapping[int, bytes] | None = None,
) -> Verified:
    """Walk the chain in order, a batch of rows in memory at a time, and stop at the first fault.

    With `newest` only that many last rows are looked at, of which the first is taken on trust for what
    stood before it. `noted` are hashes by number that were written down elsewhere.
    """
    start = _start(session, model, chain, newest)
    walk = _Walk(start + 1, _hash_at(session, model, chain, start), noted or {})
    walk.unseen = {seq for seq in walk.noted if seq > start}
    with session.execute(_rows(model, chain, start).execution_options(yield_per=BATCH)) as rows:
        for row in rows:
            fault = _look(walk, chain, row)
            if fault is not None:
                return Verified(walk.rows, start + 1, walk.head, fault)
            walk.rows += 1
            walk.expected, walk.previous = row.seq + 1, row.hash
            walk.head = Head(row.seq, row.hash, row.at)
    cut = Fault(walk.expected, "cut") if walk.unseen else None
    return Verified(walk.rows, start + 1, walk.head, cut)


def chain_of(model: type[C]) -> ColumnElement[UUID]:
    """The column that says to which chain a row belongs: the hospital's or the firm's id."""
    column: ColumnElement[UUID] = getattr(model, _chain_name(model))
    return column


def _look(walk: _Walk, chain: UUID, row: Any) -> Fault | None:
    """What is wrong with the next row, if anything."""

    def fault(what: What) -> Fault:
        return Fault(walk.expected, what, row.seq, row.id, row.at)

    if row.seq != walk.expected:
        return fault("missing" if row.seq > walk.expected else "out_of_order")
    follows = row.previous_hash == walk.previous
    if digest(chain, row) != row.hash:
        # Whoever changed the pointer alone changed this row; one that fits nowhere here was moved.
        return fault("changed" if follows or _fits(chain, row, walk.previous) else "out_of_order")
    if not follows:
        return fault("out_of_order")
    if row.seq in walk.unseen:
        walk.unseen.discard(row.seq)
        if walk.noted[row.seq] != row.hash:
            return fault("not_as_noted")
    return None


def _fits(chain: UUID, row: Any, previous: bytes) -> bool:
    stored: bytes = row.hash
    return digest(chain, _Pointing(row, previous)) == stored


class _Pointing:
    """A row as it would be with another hash before it."""

    def __init__(self, row: Any, previous: bytes) -> None:
        self._row, self.previous_hash = row, previous

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


def _rows(model: type[C], chain: UUID, start: int) -> Select[Any]:
    columns = [getattr(model, name) for name in (*CONTENT, "previous_hash", "hash")]
    return (
        select(*columns)
        .where(chain_of(model) == literal(chain, Uuid()), _after(model, start))
        .order_by(model.seq)
    )


def _after(model: type[C], start: int) -> ColumnElement[bool]:
    # A whole chain is walked from its lowest number, even one that should not be there.
    return literal_column("true") if start == 0 else model.seq > start


def _start(session: ScopedSession, model: type[C], chain: UUID, newest: int | None) -> int:
    if newest is None:
        return 0
    last = session.scalar(select(func.max(model.seq)).where(chain_of(model) == chain)) or 0
    return max(0, last - newest)


def _hash_at(session: ScopedSession, model: type[C], chain: UUID, seq: int) -> bytes:
    if seq == 0:
        return GENESIS
    found = session.scalar(select(model.hash).where(chain_of(model) == chain, model.seq == seq))
    return found or GENESIS


def _chain_name(model: type[C]) -> str:
    return "tenant_id" if getattr(model, "table_class", "") == "tenant" else "firm_id"
