"""What becomes of the processing agreement when a hospital goes to another firm (PIPL 21, 23)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from foundation.calendar import local_date
from foundation.database import HospitalSession
from tenants.life import agreement
from tenants.models import HospitalMove, ProcessingAgreement

TERMS = ("purposes", "fields", "channels", "benchmark", "on_end")
LISTS = ("purposes", "fields", "channels")


def hand_over(session: HospitalSession, move: HospitalMove, *, now: datetime) -> bool:
    """End the agreement with the old firm and put into force with the new one what holds at this hour and
    was agreed in the move, so that work goes on without a gap; nothing that the hospital has ended, let
    expire or narrowed meanwhile comes back. False when nothing is left: the hospital arrives without one.
    """
    held = agreement.row_in_force(session, local_date(now))
    rows = session.scalars(
        select(ProcessingAgreement)
        .where(ProcessingAgreement.tenant_id == session.tenant_id)
        .order_by(ProcessingAgreement.version)
        .with_for_update()
    ).all()
    # What was signed to begin later counts as the hospital's word, too.
    later = [r for r in rows if held and r.version > held.version and r.signed_at and not r.ended_at]
    terms = _common(move.agreement, [held, *later]) if held is not None else None
    last = _earlier(held.valid_to if held else None, _day(move.agreement.get("valid_to")))
    for row in rows:
        if row.signed_at is None:  # the old firm's name on a draft does not bind the new one
            row.signed_for_firm, row.firm_signed_at = "", None
        elif row.ended_at is None:
            row.ended_at, row.ended_by = now, session.scope.actor.name
    day = local_date(move.moves_at)
    if terms is None or (last is not None and last < day):
        session.flush()
        return False
    session.add(
        ProcessingAgreement(
            tenant_id=session.tenant_id,
            version=rows[-1].version + 1,
            valid_from=day,
            valid_to=last,
            signed_for_firm=move.accepted_by_name or "",
            firm_signed_at=move.accepted_at,
            signed_for_hospital=move.agreed_by_name or "",
            hospital_signed_at=move.agreed_at,
            signed_at=move.agreed_at,
            created_by=move.asked_by_name,
            created_at=now,
            **terms,
        )
    )
    session.flush()
    return True


def _common(agreed: dict[str, Any], versions: list[ProcessingAgreement]) -> dict[str, Any] | None:
    """The terms that all of these contain; None when no purpose or no channel is left."""
    terms = {
        kind: [one for one in agreed[kind] if all(one in getattr(row, kind) for row in versions)]
        for kind in LISTS
    }
    if not terms["purposes"] or not terms["channels"] or not {*terms["fields"]} >= agreement.ALWAYS_FIELDS:
        return None
    shares = agreed["benchmark"] == "full" and all(row.benchmark == "full" for row in versions)
    return terms | {"benchmark": "full" if shares else "none", "on_end": versions[-1].on_end}


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day is not None), default=None)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
