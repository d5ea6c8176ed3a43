"""Numbers not to be called (谢绝来电), whoever of the hospital's patients they belong to (regulation C4).

A family shares a telephone: what one of them asks for the number holds for all, and is stronger than any yes.
The list is one hospital's own; the same number in two hospitals is two entries that know nothing of each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients.models import ContactPoint, NumberBlock
from patients.suppression import UnknownPatient

SCOPES = ("all", "marketing", "survey")
SOURCES = ("patient", "hospital", "carrier")
LONGEST = 500

BlockedHook = Callable[[HospitalSession, bytes, str, datetime], None]
_blocked_hooks: list[BlockedHook] = []


class UnknownBlock(LookupError):
    """No such entry in this hospital."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An entry and the number by mask."""

    row: NumberBlock
    masked: str


def on_blocked(hook: BlockedHook) -> BlockedHook:
    """Register what a higher floor stops: (session, number_index, scope, now), in the same transaction."""
    if hook not in _blocked_hooks:
        _blocked_hooks.append(hook)
    return hook


def block(
    session: HospitalSession,
    contact_point_id: UUID,
    scope: str,
    *,
    source: str,
    evidence: str,
    now: datetime,
) -> NumberBlock:
    """Put a number on the list; one that is there already for this scope stays as it is.

    Raises `UnknownPatient` for a number that is nobody's here, `UserMistake` without evidence, ValueError for
    words that are not of the lists.
    """
    if scope not in SCOPES or source not in SOURCES:
        raise ValueError(scope)
    if not evidence.strip():
        raise UserMistake(_("Say who asked for it, and how."))
    point = session.get(ContactPoint, (session.tenant_id, contact_point_id), with_for_update=True)
    if point is None:
        raise UnknownPatient(str(contact_point_id))
    known = session.scalar(
        select(NumberBlock).where(
            NumberBlock.tenant_id == session.tenant_id,
            NumberBlock.number_index == point.number_index,
            NumberBlock.scope == scope,
            NumberBlock.removed_at.is_(None),
        )
    )
    if known is not None:
        return known
    row = NumberBlock(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=point.patient_id,
        number_index=point.number_index,
        scope=scope,
        source=source,
        evidence=evidence.strip()[:LONGEST],
        since=now,
        recorded_by=session.scope.actor.name,
    )
    session.add(row)
    session.flush()
    _record(session, "patients.number_blocked", row, now)
    for hook in _blocked_hooks:
        hook(session, row.number_index, scope, now)
    return row


def remove(session: HospitalSession, block_id: UUID, *, reason: str, now: datetime) -> NumberBlock:
    """Take a number off the list at the request that `reason` records; twice is once.

    Raises `UnknownBlock`, and `UserMistake` without a reason (C4: only with the patient's request recorded).
    """
    if not reason.strip():
        raise UserMistake(_("Say who asked to be called again, and how."))
    row = session.get(NumberBlock, (session.tenant_id, block_id), with_for_update=True)
    if row is None:
        raise UnknownBlock(str(block_id))
    if row.removed_at is None:
        row.removed_at, row.removed_by = now, session.scope.actor.name
        row.removed_reason = reason.strip()[:LONGEST]
        session.flush()
        _record(session, "patients.number_unblocked", row, now)
    return row


def of_patient(session: HospitalSession, patient_id: UUID) -> list[Blocked]:
    """The entries that hold for the numbers of one patient, noted on whose page ever."""
    rows = session.execute(
        select(NumberBlock, ContactPoint.number_masked)
        .join(
            ContactPoint,
            (ContactPoint.tenant_id == NumberBlock.tenant_id)
            & (ContactPoint.number_index == NumberBlock.number_index),
        )
        .where(
            NumberBlock.tenant_id == session.tenant_id,
            ContactPoint.patient_id == patient_id,
            NumberBlock.removed_at.is_(None),
        )
        .order_by(NumberBlock.since, NumberBlock.id)
    )
    unique = {row.id: Blocked(row, masked) for row, masked in rows}
    return list(unique.values())


def numbers_of(session: HospitalSession, patient_id: UUID) -> Sequence[ContactPoint]:
    """The numbers of one patient, in their order."""
    return session.scalars(
        select(ContactPoint)
        .where(ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == patient_id)
        .order_by(ContactPoint.position)
    ).all()


def _record(session: HospitalSession, action: str, row: NumberBlock, now: datetime) -> None:
    audit.record(
        session,
        action,
        now=now,
        subject=f"patient:{row.patient_id}",
        detail={"block": str(row.id), "scope": row.scope, "source": row.source},
    )
