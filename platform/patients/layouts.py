"""Headers that a hospital sends (表头), remembered: which column holds which field, and what changed (SC-53).

A header read before is read again without a question. One that differs from the header of the last import of
its kind of visit is asked about, for a column that got another name would be lost without a word.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.messages import catalogue
from patients.feeds.headers import Layout, masked, plain_heading, recognise
from patients.feeds.messages import UnreadableFile
from patients.feeds.returns import REASON_HEADING
from patients.feeds.table import Cells
from patients.models import ColumnLayout, DataImport

HEADER_CHANGED = "header_changed"
SIZE = "size"
BY_HAND = "by_hand"
# SC-53: alarm on ±40 % rows, against the mean of this many imports.
SIZE_SHARE = 0.4
SIZE_OF_LAST = 3
LONGEST = 200  # characters of a heading
# How a file can come that holds a whole list; single messages of an interface say nothing about its size.
LISTS = ("upload", "api", "command", "folder")


# ------------------------------------------------------------------------------------------- pure rules


def headings(header: Cells) -> Cells:
    """The headings as names of columns, each once: a repeated one as `电话 (2)`, an empty one by place."""
    named: list[str] = []
    for index, cell in enumerate(_trimmed(header)):
        text = name = cell.strip() or f"#{index + 1}"
        again = 1
        while name in named:
            again += 1
            name = f"{text} ({again})"
        named.append(name)
    return tuple(named)


def digest(header: Cells) -> bytes:
    """SHA-256 of the headings in their plain form, in order: equal for what reads alike."""
    return hashlib.sha256("\x1f".join(map(plain_heading, _trimmed(header))).encode()).digest()


def named_columns(header: Cells, layout: Layout) -> dict[str, list[str]]:
    """Field → names of its columns, the surest first: how a layout is written down."""
    names = headings(header)
    return {field: [names[place] for place in places] for field, places in layout.columns.items()}


def by_hand(header: Cells, columns: Mapping[str, str]) -> Layout:
    """The layout that maps each field to the column of this name; raises `UnreadableFile`."""
    return Layout.by_hand(headings(header), columns)


def written(header: Cells, code: str, columns: Mapping[str, Sequence[str]]) -> Layout:
    """The layout that was written down by its code and `named_columns`; raises `UnreadableFile`."""
    if code != BY_HAND:
        return recognise(header)
    return by_hand(header, {field: held[0] for field, held in columns.items()})


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from an earlier header: headings that are gone with the field each held, and new ones."""

    gone: tuple[tuple[str, str | None], ...]
    new: tuple[str, ...]

    def as_alarm(self) -> dict[str, Any]:
        """As an import keeps it among its alarms."""
        gone = [{"heading": heading, "field": field} for heading, field in self.gone]
        return {"code": HEADER_CHANGED, "gone": gone, "new": list(self.new)}


def change(before: Sequence[str], columns: Mapping[str, Sequence[str]], header: Cells) -> Change | None:
    """How a header differs from an earlier one; None when it has the same headings in whatever order.

    `before` are the earlier names of columns, `columns` says which field they held.
    """
    held = {name: field for field, names in columns.items() for name in names}
    now = headings(header)
    there, earlier = Counter(map(plain_heading, now)), Counter(map(plain_heading, before))
    gone = tuple((name, held.get(name)) for name in before if _taken(there, name) is None)
    new = tuple(name for name in now if _taken(earlier, name) is None)
    return Change(gone, new) if gone or new else None


def size_alarm(rows: int, earlier: Sequence[int]) -> dict[str, Any] | None:
    """The alarm for far more or fewer rows than the mean of the last three imports; None without three."""
    if len(earlier) < SIZE_OF_LAST:
        return None
    mean = sum(earlier[:SIZE_OF_LAST]) / SIZE_OF_LAST
    if abs(rows - mean) <= mean * SIZE_SHARE:
        return None
    return {"code": SIZE, "rows": rows, "usual": round(mean)}


def _trimmed(header: Cells) -> Cells:
    """As it can be kept: without empty headings at the end and the column of reasons that we added."""
    cells = tuple(
        masked(cell.replace("\x00", "").encode("utf-8", "replace").decode()[:LONGEST]) for cell in header
    )
    filled = [index for index, cell in enumerate(cells) if cell.strip() and cell.strip() not in _reasons()]
    return cells[: filled[-1] + 1] if filled else ()


@cache
def _reasons() -> frozenset[str]:
    return frozenset((REASON_HEADING, *catalogue().get(REASON_HEADING, ())))


def _taken(left: Counter[str], name: str) -> str | None:
    """Take one heading of this plain form off those that are left; None when there is none."""
    plain = plain_heading(name)
    if left[plain] <= 0:
        return None
    left[plain] -= 1
    return plain


# ------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Reading:
    """How a header is read. `layout` is None when a person must say which column is which, and `fault` says
    why; with a `change` the person is asked whether the layout is right all the same.
    """

    layout: Layout | None
    known: ColumnLayout | None = None
    change: Change | None = None
    fault: UnreadableFile | None = None

    @property
    def sure(self) -> bool:
        """Whether nobody need be asked."""
        return self.layout is not None and self.change is None


def read_header(session: HospitalSession, header: Cells) -> Reading:
    """How this hospital's header is read: as remembered, else as recognised and compared with the last."""
    known = remembered(session, header)
    if known is not None:
        return Reading(_remembered_layout(known, header), known)
    last = last_used(session)
    carried = _carried(last, header) if last is not None and last.by_hand else None
    try:
        layout = carried or recognise(header)
    except UnreadableFile as fault:
        if fault.code not in {"unknown_header", "repeated_header"}:
            raise
        compared = change(last.header, last.columns, header) if last is not None else None
        if compared is not None and last is not None and len(compared.gone) * 2 > len(last.header):
            compared = None  # not the same list any more: what is gone of it says nothing
        return Reading(None, change=compared, fault=fault)
    before = last_used(session, layout.visit)
    return Reading(layout, change=change(before.header, before.columns, header) if before else None)


def _remembered_layout(known: ColumnLayout, header: Cells) -> Layout:
    if not known.by_hand:
        return recognise(header)
    # The same headings in their plain form: each stands where it stood, however it is written now.
    places = {name: place for place, name in enumerate(known.header)}
    names = headings(header)
    return Layout.by_hand(names, {field: names[places[held[0]]] for field, held in known.columns.items()})


def _carried(last: ColumnLayout, header: Cells) -> Layout | None:
    """A layout made by hand, for a header with the same headings in another order; None for any other."""
    if change(last.header, last.columns, header) is not None:
        return None
    names = headings(header)
    by_plain = {plain_heading(name): name for name in names}
    if len(by_plain) < len(names):
        return None
    return Layout.by_hand(
        names, {field: by_plain[plain_heading(held[0])] for field, held in last.columns.items()}
    )


# ------------------------------------------------------------------------------------------- remembered


def remembered(session: HospitalSession, header: Cells) -> ColumnLayout | None:
    """The layout of this very header, in its plain form; None for one that was never read."""
    return session.scalar(
        select(ColumnLayout).where(
            ColumnLayout.tenant_id == session.tenant_id, ColumnLayout.header_digest == digest(header)
        )
    )


def last_used(session: HospitalSession, visit: str | None = None) -> ColumnLayout | None:
    """The layout that was used last, for this kind of visit or for any."""
    query = select(ColumnLayout).where(ColumnLayout.tenant_id == session.tenant_id)
    if visit is not None:
        query = query.where(ColumnLayout.visit == visit)
    return session.scalar(query.order_by(ColumnLayout.used_at.desc(), ColumnLayout.id.desc()).limit(1))


def layouts(session: HospitalSession) -> Sequence[ColumnLayout]:
    """All remembered layouts, the one used last first."""
    query = select(ColumnLayout).where(ColumnLayout.tenant_id == session.tenant_id)
    return session.scalars(query.order_by(ColumnLayout.used_at.desc(), ColumnLayout.id.desc())).all()


def remember(
    session: HospitalSession, header: Cells, layout: Layout, *, hand: bool, by: str, now: datetime
) -> ColumnLayout:
    """Keep how this header is read; used last from now on."""
    row = remembered(session, header)
    columns = named_columns(header, layout)
    if row is None:
        row = ColumnLayout(
            tenant_id=session.tenant_id,
            id=new_id(),
            header=list(headings(header)),
            header_digest=digest(header),
            columns=columns,
            visit=layout.visit,
            by_hand=hand,
            accepted_by=by,
            accepted_at=now,
            used_at=now,
        )
        session.add(row)
    elif hand or not row.by_hand:
        row.header, row.columns, row.visit, row.by_hand = list(headings(header)), columns, layout.visit, hand
        row.accepted_by, row.accepted_at = by, now
    row.used_at = now
    session.flush()
    return row


def forget(session: HospitalSession, layout_id: UUID) -> ColumnLayout | None:
    """Read this header as if for the first time; returns what was forgotten, None for an unknown id."""
    row = session.get(ColumnLayout, (session.tenant_id, layout_id))
    if row is not None:
        session.execute(
            delete(ColumnLayout).where(
                ColumnLayout.tenant_id == session.tenant_id, ColumnLayout.id == layout_id
            )
        )
    return row


def earlier_sizes(session: HospitalSession, visit: str, *, but: UUID) -> list[int]:
    """The rows of the last imports of this kind of visit, the newest first, without one of them."""
    query = select(DataImport.rows).where(
        DataImport.tenant_id == session.tenant_id,
        DataImport.visit == visit,
        DataImport.state == "done",
        DataImport.source.in_(LISTS),
        DataImport.id != but,
    )
    return list(session.scalars(query.order_by(DataImport.id.desc()).limit(SIZE_OF_LAST)))
