"""A hospital leaves (退出, SC-58): everything handed back, counted and signed, then erased (PIPL 21, 47).

    begun -> exporting -> exported -> signed -> erasing -> erased, and withdrawn from any before the signature

The departure is a row of the firm, because of the hospital nothing remains. Whoever acts for the hospital
opens it through the hospital's own door (`opened`), which reaches this one hospital's departure alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from foundation import audit, outbox
from foundation.database import Database, FirmSession, HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.scope import FirmScope, HospitalScope
from foundation.web.errors import UserMistake
from tenants.life import stages
from tenants.models import Departure, Hospital
from tenants.oversight.firm_audit import note

EXPORT_JOB, ERASE_JOB = "tenants.departure_export", "tenants.departure_erase"
LEAVING, LEFT = "leaving", "left"
OPEN = ("begun", "exporting", "exported", "signed", "erasing")
REASON_LENGTH = 500


def current(session: FirmSession, tenant_id: UUID, *, lock: bool = False) -> Departure | None:
    """The hospital's departure that was not withdrawn, or None."""
    query = select(Departure).where(
        Departure.firm_id == session.firm_id,
        Departure.tenant_id == tenant_id,
        Departure.state != "withdrawn",
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def departures(session: FirmSession) -> Sequence[Departure]:
    """All departures of the firm, the newest first."""
    return session.scalars(
        select(Departure)
        .where(Departure.firm_id == session.firm_id, Departure.state != "withdrawn")
        .order_by(Departure.begun_at.desc(), Departure.id.desc())
    ).all()


def one(session: FirmSession, departure_id: UUID) -> Departure | None:
    """One departure of the session's firm."""
    return session.get(Departure, (session.firm_id, departure_id))


@contextmanager
def opened(database: Database, firm_id: UUID, scope: HospitalScope) -> Iterator[FirmSession]:
    """The firm's side of one hospital: a session over that hospital and the firm's own rows."""
    with database.firm(FirmScope(firm_id, (scope.tenant_id,), scope.actor, scope.purpose)) as session:
        yield session


def stop_hospital(session: HospitalSession, *, reason: str, now: datetime) -> None:
    """The hospital is leaving from now on: nobody is contacted, what is open can be finished.

    Repeating it is harmless. Raises `UserMistake` without a reason.
    """
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    stages.change(session, LEAVING, reason=reason.strip()[:REASON_LENGTH], now=now)


def begin(session: FirmSession, tenant_id: UUID, *, reason: str, now: datetime) -> Departure:
    """Open the departure of a hospital that `stop_hospital` has stopped; an open one is the same again."""
    found = current(session, tenant_id, lock=True)
    if found is not None:
        return found
    hospital = session.get_one(Hospital, tenant_id)
    departure = Departure(
        firm_id=session.firm_id,
        id=new_id(),
        tenant_id=tenant_id,
        code=hospital.code,
        name=hospital.name,
        name_en=hospital.name_en,
        state="begun",
        reason=reason.strip()[:REASON_LENGTH],
        begun_by=session.scope.actor.name,
        begun_at=now,
        progress={},
        export_parts=[],
        counts={},
        erased={},
    )
    session.add(departure)
    session.flush()
    note(session, "tenants.departure_begun", now=now, subject=f"hospital:{tenant_id}", code=hospital.code)
    return departure


def start_export(session: FirmSession, tenant_id: UUID, *, now: datetime) -> Departure:
    """Queue the full export; an earlier one is replaced, so it can be started again any time before the
    signature. Raises `UserMistake`.
    """
    departure = _in(session, tenant_id, ("begun", "exported"))
    departure.state = "exporting"
    _forget_export(departure)
    departure.progress = fresh_run(now)
    session.flush()
    outbox.enqueue(session, EXPORT_JOB, now=now, firm_id=str(session.firm_id), departure_id=str(departure.id))
    return departure


def stop_export(session: FirmSession, tenant_id: UUID) -> Departure:
    """Stop a running export: what it wrote is dropped. Raises `UserMistake`."""
    departure = _in(session, tenant_id, ("exporting",))
    departure.state, departure.progress = "begun", {}
    session.flush()
    return departure


def withdraw(session: FirmSession, tenant_id: UUID, *, now: datetime) -> Departure:
    """Stay after all, any time before the signature; the caller brings the hospital back (`take_back`).

    Raises `UserMistake`.
    """
    departure = _in(session, tenant_id, ("begun", "exporting", "exported"))
    departure.state = "withdrawn"
    departure.progress = {}
    session.flush()
    note(session, "tenants.departure_withdrawn", now=now, subject=f"hospital:{tenant_id}")
    return departure


def take_back(session: HospitalSession, *, reason: str, now: datetime) -> str:
    """Bring the hospital back to the stage in which its departure began; returns that stage.

    Its plans are taken up again as after a suspension, without a flood (`stages.on_resumed`).
    """
    leaving = stages.open_phase(session)
    before = [p.state for p in stages.history(session) if leaving and p.ended_at == leaving.started_at]
    stage = before[0] if before else stages.ACTIVE
    stages.change(session, stage, reason=reason.strip()[:REASON_LENGTH], now=now)
    return stage


def downloaded(session: FirmSession, tenant_id: UUID, *, now: datetime) -> None:
    """The hospital took its data. Signing waits for it: what nobody has must not be erased."""
    departure = current(session, tenant_id, lock=True)
    if departure is not None and departure.state in {"exported", "signed"}:
        departure.downloaded_by, departure.downloaded_at = session.scope.actor.name, now
        session.flush()


def sign(session: FirmSession, tenant_id: UUID, *, now: datetime) -> Departure:
    """The hospital signs the count sheet (数据清单签收). Raises `UserMistake` before it has its data."""
    departure = _in(session, tenant_id, ("exported",))
    if departure.downloaded_at is None:
        raise UserMistake(_("Download the data first: after the signature it may be erased."))
    departure.state = "signed"
    departure.signed_by, departure.signed_at = session.scope.actor.name, now
    session.flush()
    note(session, "tenants.departure_signed", now=now, subject=f"hospital:{tenant_id}")
    return departure


def start_erasure(session: FirmSession, tenant_id: UUID, *, typed: str, now: datetime) -> Departure:
    """Queue the erasure; there is no way back. `typed` repeats the hospital's code. Raises `UserMistake`."""
    departure = _in(session, tenant_id, ("signed",))
    if typed.strip() != departure.code:
        raise UserMistake(_("Type the hospital's code {code} to confirm.", code=departure.code))
    departure.state, departure.progress = "erasing", fresh_run(now)
    session.flush()
    note(session, "tenants.departure_erasing", now=now, subject=f"hospital:{tenant_id}", code=departure.code)
    outbox.enqueue(session, ERASE_JOB, now=now, firm_id=str(session.firm_id), departure_id=str(departure.id))
    return departure


def record(session: HospitalSession, action: str, *, now: datetime, reason: str = "", **detail: Any) -> None:
    """The same step in the hospital's own trail."""
    audit.record(
        session,
        f"tenants.departure_{action}",
        now=now,
        subject=f"hospital:{session.tenant_id}",
        reason=reason,
        detail=detail,
    )


def fresh_run(now: datetime) -> dict[str, Any]:
    """The progress of work that begins: whose run it is, how far it is, and when it was seen last."""
    return {"run": str(new_id()), "done": 0, "of": 0, "seen_at": now.isoformat()}


def _forget_export(departure: Departure) -> None:
    departure.export_bytes = departure.export_sha256 = departure.exported_at = None
    departure.downloaded_by = departure.downloaded_at = None
    departure.counts = {}


def _in(session: FirmSession, tenant_id: UUID, states: tuple[str, ...]) -> Departure:
    departure = current(session, tenant_id, lock=True)
    if departure is None or departure.state not in states:
        raise UserMistake(_("The departure has moved on meanwhile; look at the page again."))
    return departure
