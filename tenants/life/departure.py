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

from sqlalchemy import delete, func, select

from foundation import audit, catalogue, extracts, outbox
from foundation.database import Database, FirmSession, HospitalSession
from foundation.files import StoredFile
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.masking import mask_numbers
from foundation.scope import FirmScope, HospitalScope
from foundation.web.errors import UserMistake
from tenants.life import moves, stages
from tenants.models import Departure, Hospital
from tenants.oversight.firm_audit import note

EXPORT_JOB, ERASE_JOB = "tenants.departure_export", "tenants.departure_erase"
LEAVING, LEFT = "leaving", "left"
OPEN = ("begun", "exporting", "exported", "signed", "erasing")
REASON_LENGTH = 500
# How the pieces of an export are named in the hospital's files.
ARCHIVE = "departure-"
CHANGED = mark("Something changed since the export: export again, then take the data and sign anew.")


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

    Repeating it is harmless. Raises `UserMistake` without a reason, and while a move is open.
    """
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    stages.change(session, LEAVING, reason=_kept(reason), now=now)
    moves.require_none(session)  # asked under the lock that a stage is changed under


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
        reason=_kept(reason),
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
    stages.change(session, stage, reason=_kept(reason), now=now)
    drop_archives(session)
    return stage


def drop_archives(session: HospitalSession) -> None:
    """Delete every export kept of the session's hospital: who stays leaves no full copy behind."""
    session.execute(
        delete(StoredFile).where(
            StoredFile.tenant_id == session.tenant_id,
            StoredFile.media_type == extracts.MEDIA_TYPE,
            StoredFile.name.startswith(ARCHIVE),
        )
    )


def belongs(session: HospitalSession, firm_id: UUID) -> bool:
    """Whether the session's hospital is still of the firm whose departure this is."""
    own = select(Hospital.firm_id).where(Hospital.tenant_id == session.tenant_id)
    return session.scalar(own) == firm_id


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
    if changed(session, departure):
        raise UserMistake(_(CHANGED))
    departure.state = "signed"
    departure.signed_by, departure.signed_at = session.scope.actor.name, now
    session.flush()
    note(session, "tenants.departure_signed", now=now, subject=f"hospital:{tenant_id}")
    return departure


def start_erasure(session: FirmSession, tenant_id: UUID, *, typed: str, now: datetime) -> Departure:
    """Queue the erasure; there is no way back. `typed` repeats the hospital's code. Raises `UserMistake`.

    Where something was written since the export, the signature is void and the departure `begun` again: the
    caller says `CHANGED` once that is kept.
    """
    departure = _in(session, tenant_id, ("signed",))
    if typed.strip() != departure.code:
        raise UserMistake(_("Type the hospital's code {code} to confirm.", code=departure.code))
    if changed(session, departure):
        make_void(session, departure, now=now)
        return departure
    departure.state, departure.progress = "erasing", fresh_run(now)
    session.flush()
    note(session, "tenants.departure_erasing", now=now, subject=f"hospital:{tenant_id}", code=departure.code)
    outbox.enqueue(session, ERASE_JOB, now=now, firm_id=str(session.firm_id), departure_id=str(departure.id))
    return departure


def changed(session: HospitalSession | FirmSession, departure: Departure) -> list[str]:
    """The tables that the erasure would empty whose rows are not those of the signed count sheet.

    The archive itself is no row that came later: of files those count that an export packs.
    """
    exported: dict[str, int] = departure.counts.get("rows", {})
    there = catalogue.counts(session, departure.tenant_id)
    going = [table.name for table in catalogue.deletion_order() if table.name != StoredFile.__tablename__]
    differ = [name for name in going if there[name] != exported.get(name, 0)]
    packed = session.scalar(
        select(func.count())
        .select_from(StoredFile)
        .where(StoredFile.tenant_id == departure.tenant_id, StoredFile.media_type != extracts.MEDIA_TYPE)
    )
    return differ if packed == departure.counts.get("packed") else [*differ, StoredFile.__tablename__]


def make_void(session: FirmSession, departure: Departure, *, now: datetime) -> None:
    """The signature was for other data: the departure is as before its export, which is made anew."""
    departure.state, departure.progress = "begun", {}
    departure.signed_by = departure.signed_at = None
    _forget_export(departure)
    session.flush()
    note(session, "tenants.departure_void", now=now, subject=f"hospital:{departure.tenant_id}")


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


def _kept(reason: str) -> str:
    """A reason as it is kept: no number of a person outlives the hospital in it."""
    return mask_numbers(reason.strip())[:REASON_LENGTH]


def _forget_export(departure: Departure) -> None:
    departure.export_bytes = departure.export_sha256 = departure.exported_at = None
    departure.downloaded_by = departure.downloaded_at = None
    departure.counts = {}


def _in(session: FirmSession, tenant_id: UUID, states: tuple[str, ...]) -> Departure:
    departure = current(session, tenant_id, lock=True)
    if departure is None or departure.state not in states:
        raise UserMistake(_("The departure has moved on meanwhile; look at the page again."))
    return departure
