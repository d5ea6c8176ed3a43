"""Sign-ins in the chains of the hospitals and firms where somebody holds a role (登录审计, GB/T 22239-2019).

A sign-in belongs to the platform, and its transaction sees no hospital. So it leaves a message for each chain
in the outbox, in that same transaction: either both are there or neither. The message is sent again until it
was worked through, and worked through twice it writes one record.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from foundation import audit, chain, outbox
from foundation.database import FirmSession, HospitalSession, ScopedSession
from foundation.scope import Actor
from foundation.work import job
from tenants.identity import membership
from tenants.models import DirectoryEntry, Membership, Person, SigninEvent
from tenants.oversight import firm_audit
from tenants.oversight.audit_chains import chain_id, model_of
from tenants.oversight.audit_labels import SIGNIN

IN_HOSPITAL = "tenants.signin_in_trail"
IN_FIRM = "tenants.signin_in_record"
# Proved who they are; an attempt that proved nothing is the system's word about the account.
PROVED = frozenset(
    {
        "signed_in", "signed_out", "password_set", "password_right", "recovery_code", "recovery_codes_made",
        "factor_enrolled", "factor_removed", "provider_linked",
    }
)  # fmt: skip


def pass_on(session: ScopedSession, event_id: UUID, person_id: UUID, *, now: datetime) -> None:
    """Leave word of one line of the sign-in record for every chain that it belongs to."""
    rows = session.execute(
        select(Membership.firm_id, Membership.tenant_id)
        .join(
            DirectoryEntry,
            or_(
                DirectoryEntry.tenant_id == Membership.tenant_id,
                (DirectoryEntry.firm_id == Membership.firm_id) & (DirectoryEntry.kind == "firm"),
            ),
        )
        .where(
            Membership.person_id == person_id,
            membership.counts(),
            DirectoryEntry.state != "left",
        )
        .distinct()
    )
    for firm_id, tenant_id in rows:
        if tenant_id is not None:
            outbox.enqueue(session, IN_HOSPITAL, now=now, tenant_id=str(tenant_id), event_id=str(event_id))
        else:
            outbox.enqueue(session, IN_FIRM, now=now, firm_id=str(firm_id), event_id=str(event_id))


@job(IN_HOSPITAL)
def in_trail(session: HospitalSession, _now: datetime, *, event_id: str) -> None:
    """Write one sign-in into the hospital's trail."""
    found = _unwritten(session, UUID(event_id))
    if found is not None:
        event, actor = found
        audit.record(
            session,
            SIGNIN + event.result,
            now=event.at,
            subject=f"person:{event.person_id}",
            detail={"address": event.address, "signin_event": event_id},
            actor=actor,
        )


@job(IN_FIRM, reach="firm")
def in_record(session: FirmSession, _now: datetime, *, event_id: str) -> None:
    """Write one sign-in into the firm's record."""
    found = _unwritten(session, UUID(event_id))
    if found is not None:
        event, actor = found
        firm_audit.note(
            session,
            SIGNIN + event.result,
            now=event.at,
            subject=f"person:{event.person_id}",
            actor=actor,
            address=event.address,
            signin_event=event_id,
        )


def _unwritten(session: HospitalSession | FirmSession, event_id: UUID) -> tuple[SigninEvent, Actor] | None:
    """The line of the sign-in record and who acted, or None when it stands in this chain already."""
    event = session.get(SigninEvent, event_id)
    person = None if event is None or event.person_id is None else session.get(Person, event.person_id)
    if event is None or person is None:
        return None
    model = model_of(session)
    chain.take(session, chain_id(session))
    there = session.scalar(
        select(model.seq).where(
            chain.chain_of(model) == chain_id(session),
            model.at == event.at,
            model.subject == f"person:{person.id}",
            model.detail["signin_event"].astext == str(event_id),
        )
    )
    if there is not None:
        return None
    actor = Actor("person", person.id, person.name) if event.result in PROVED else Actor.system("sign-in")
    return event, actor
