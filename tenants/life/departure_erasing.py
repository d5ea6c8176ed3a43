"""The erasure of a departure: the key first, then every row, batch by batch, then the certificate.

With the key gone nobody reads the hospital's people any more, also not in a copy of the rows; what follows
may be killed and begun again at any batch. The law keeps some rows (`foundation.personal`): they name no
patient.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update

from foundation import catalogue, erasure, extracts
from foundation.clock import Clock
from foundation.database import Database, FirmSession, HospitalSession
from foundation.scope import Actor, FirmScope, HospitalScope
from tenants.life import departure, departure_certificate, stages
from tenants.models import (
    ApiToken,
    Brand,
    Departure,
    ExternalIdentity,
    Hospital,
    HospitalMove,
    IdentityProvider,
    Invitation,
    Membership,
    Person,
    ProviderAttempt,
    SigninSession,
    SupportAccess,
)
from tenants.oversight.firm_audit import note

BY = Actor.system(departure.ERASE_JOB)


class RowsLeft(RuntimeError):
    """Rows of the hospital are still there after everything was deleted; no certificate is written."""


def run(database: Database, firm_id: UUID, departure_id: UUID, *, clock: Clock) -> bool:
    """Erase the hospital of one departure; False when there was nothing to do. Again goes on where it was.

    Raises `RowsLeft`.
    """
    with database.firm(FirmScope(firm_id, (), BY, BY.name)) as session:
        found = departure.one(session, departure_id)
        if found is None or found.state != "erasing":
            return False
        tenant_id = found.tenant_id
    work = _Erasure(database, firm_id, tenant_id, departure_id, clock)
    # Held while the batches run in transactions of their own, so that no second worker joins in.
    with database.hospital(work.scope) as guard:
        if not extracts.alone(guard, f"departure:{departure_id}"):
            return False
        if not departure.belongs(guard, firm_id) or not work.still_signed():
            return False
        work.run()
    return True


class _Erasure:
    def __init__(
        self, database: Database, firm_id: UUID, tenant_id: UUID, departure_id: UUID, clock: Clock
    ) -> None:
        self.database, self.firm_id, self.departure_id, self.clock = database, firm_id, departure_id, clock
        self.scope = HospitalScope(tenant_id, BY, BY.name)
        self.tenant_id = tenant_id

    def still_signed(self) -> bool:
        """Whether what is there is what was signed for; else the signature is void. Asked until the key is
        destroyed: from then on nobody can write.
        """
        with self._firm() as session:
            row = departure.one(session, self.departure_id)
            if row is None or row.state != "erasing":
                return False
            if (
                row.key_destroyed_at is not None
                or self._key_gone(session)
                or not departure.changed(session, row)
            ):
                return True
            departure.make_void(session, row, now=self.clock.now())
        return False

    def _key_gone(self, session: FirmSession) -> bool:
        """A worker may have died between the key and the line that says so."""
        key = select(Hospital.wrapped_key).where(Hospital.tenant_id == self.tenant_id)
        return session.scalar(key) is None

    def run(self) -> None:
        found = self._destroy_key()
        going = {table.name for table in catalogue.deletion_order()}
        total = sum(number for name, number in found.items() if name in going)
        with self.database.hospital(self.scope) as session:
            erasure.let_go(session)
            done = total - sum(
                number for name, number in catalogue.counts(session, self.tenant_id).items() if name in going
            )
        for table in catalogue.deletion_order():
            while True:
                with self.database.hospital(self.scope) as session:
                    gone = erasure.erase_batch(session, table)
                if not gone:
                    break
                done += gone
                self._say(done, total)
        self._drop_firm_rows()
        self._certify(found)

    # -- the key, and everybody's way in

    def _destroy_key(self) -> dict[str, int]:
        """Count what is there, shut the address and destroy the key, in one transaction; once."""
        now = self.clock.now()
        with self._firm() as session:
            row = departure.one(session, self.departure_id)
            known = dict(row.erased.get("found", {})) if row is not None else {}
        if known:
            return known
        with self.database.hospital(self.scope) as session:
            found = catalogue.counts(session, self.tenant_id)
            _shut(session, now)
            stages.change(session, departure.LEFT, reason="", now=now)
            session.execute(
                update(Hospital).where(Hospital.tenant_id == self.tenant_id).values(wrapped_key=None)
            )
            departure.record(session, "key_destroyed", now=now)
        self._write(key_destroyed_at=now, erased={"found": found})
        return found

    def _drop_firm_rows(self) -> None:
        with self._firm() as session:
            for table in catalogue.firm_tables_of_hospitals():
                if catalogue.stays(table.name) is None:
                    session.execute(
                        delete(table).where(
                            table.c.firm_id == self.firm_id, table.c.tenant_id == self.tenant_id
                        )
                    )

    # -- the end

    def _certify(self, found: dict[str, int]) -> None:
        now = self.clock.now()
        with self.database.hospital(self.scope) as session:
            left = catalogue.counts(session, self.tenant_id)
            remaining = {t.name: left[t.name] for t in catalogue.deletion_order() if left[t.name]}
            if remaining:
                raise RowsLeft(", ".join(sorted(remaining)))
            departure.record(session, "erased", now=now, rows=sum(found.values()))
            left = catalogue.counts(session, self.tenant_id)
        stayed = {table.name: left[table.name] for table in catalogue.staying() if left[table.name]}
        with self._firm() as session:
            row = departure.one(session, self.departure_id)
            if row is None or row.state != "erasing":
                return
            row.erased = {"found": found, "stays": stayed}
            row.erased_at, row.state = now, "erased"
            row.progress, row.export_parts = {}, []
            row.certificate = departure_certificate.certificate_pdf(row, now=now)
            session.flush()
            note(
                session,
                "tenants.departure_erased",
                now=now,
                subject=f"hospital:{self.tenant_id}",
                rows=sum(n for name, n in found.items() if name not in stayed),
            )

    def _say(self, done: int, total: int) -> None:
        self._write(progress={"done": done, "of": total, "seen_at": self.clock.now().isoformat()})

    def _write(self, **values: Any) -> None:
        with self._firm() as session:
            session.execute(
                update(Departure)
                .where(Departure.firm_id == self.firm_id, Departure.id == self.departure_id)
                .values(**values)
            )

    def _firm(self) -> Any:
        return self.database.firm(FirmScope(self.firm_id, (self.tenant_id,), BY, BY.name))


def _shut(session: HospitalSession, now: datetime) -> None:
    """End every way in: roles, keys for programs, own face, providers, sign-ins, support, moves.

    Whoever has no other role has no account any more.
    """
    tenant_id = session.tenant_id
    people = set(session.scalars(select(Membership.person_id).where(Membership.tenant_id == tenant_id)))
    session.execute(delete(Membership).where(Membership.tenant_id == tenant_id))
    session.execute(delete(ApiToken).where(ApiToken.tenant_id == tenant_id))
    codes = select(Hospital.code).where(Hospital.tenant_id == tenant_id).scalar_subquery()
    session.execute(delete(Brand).where(Brand.code == codes))
    providers = select(IdentityProvider.id).where(IdentityProvider.tenant_id == tenant_id).scalar_subquery()
    for linked in (ProviderAttempt, ExternalIdentity):
        session.execute(delete(linked).where(linked.provider_id.in_(providers)))
    session.execute(delete(IdentityProvider).where(IdentityProvider.tenant_id == tenant_id))
    _close_accounts(session, people, now)
    session.execute(
        update(SupportAccess)
        .where(SupportAccess.tenant_id == tenant_id, SupportAccess.ended_at.is_(None))
        .values(ended_at=now)
    )
    session.execute(
        update(HospitalMove)
        .where(
            HospitalMove.tenant_id == tenant_id,
            HospitalMove.done_at.is_(None),
            HospitalMove.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )


def _close_accounts(session: HospitalSession, people: set[UUID], now: datetime) -> None:
    other_role = exists(select(1).where(Membership.person_id == Person.id))
    closed = set(
        session.scalars(
            update(Person)
            .where(Person.id.in_(people), Person.disabled_at.is_(None), ~other_role)
            .values(disabled_at=now)
            .returning(Person.id)
        )
    )
    session.execute(delete(Invitation).where(Invitation.person_id.in_(closed), Invitation.used_at.is_(None)))
    of_theirs: ColumnElement[bool] = or_(
        SigninSession.person_id.in_(closed), SigninSession.tenant_id == session.tenant_id
    )
    session.execute(
        update(SigninSession)
        .where(of_theirs, SigninSession.ended_at.is_(None))
        .values(ended_at=func.coalesce(SigninSession.ended_at, now))
    )
