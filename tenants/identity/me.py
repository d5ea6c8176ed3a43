"""One's own account: roles held and offered, with the names of their places, and open sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.database import Database, ScopedSession
from foundation.languages import gettext as _
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web.errors import UserMistake
from tenants.identity import confined, invitations, signin
from tenants.identity.browsers import name_of
from tenants.models import DirectoryEntry, Firm, Hospital, Membership, SigninSession
from tenants.oversight.firm_audit import note
from tenants.rights import Role, role_name


@dataclass(frozen=True, slots=True)
class RoleLine:
    """One role, and where: the two names of a hospital or of a firm; none for the platform."""

    id: UUID
    role: str
    place: dict[str, str] | None
    since: datetime
    taken: bool


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One open session: browser, network address, and whether it is the one that asks."""

    id: UUID
    browser: str
    address: str
    since: datetime
    last_seen: datetime
    strength: str
    this_one: bool


def roles_of(database: Database, person_id: UUID, actor: Actor, side: UUID | None = None) -> list[RoleLine]:
    """The person's roles, those that were only offered (`taken` is false) included, oldest first.

    With `side`, the firm or hospital whose company sign-in vouched, those of that side alone.
    """
    with database.platform(PlatformScope(actor, "own account")) as session:
        members = session.scalars(
            select(Membership)
            .where(Membership.person_id == person_id, Membership.closed_at.is_(None))
            .order_by(Membership.created_at, Membership.id)
        ).all()
        members = [m for m in members if _of_side(m, side)]
        firms = _firms_of(session, members)
    names: dict[UUID, dict[str, str]] = {}
    for firm_id in dict.fromkeys(firms.values()):
        with database.firm(FirmScope(firm_id, (), actor, "own account")) as session:
            names |= _names(session, firm_id, [m.tenant_id for m in members if m.tenant_id])
    return [
        RoleLine(
            m.id, role_name(Role(m.role)), names.get(m.tenant_id or m.firm_id or m.id), m.created_at,
            m.accepted_at is not None,
        )
        for m in members
    ]  # fmt: skip


def answer_offer(
    database: Database,
    person_id: UUID,
    offer_id: UUID,
    *,
    accept: bool,
    actor: Actor,
    now: datetime,
    side: UUID | None = None,
) -> None:
    """Take or decline a role that was offered; the firm's record says so. Raises `UserMistake`.

    A session that one side's company sign-in vouched for answers for that side alone.
    """
    with database.platform(PlatformScope(actor, "own account")) as session:
        offers = invitations.offers_of(session, person_id)
        open_offers = [o for o in offers if o.id == offer_id and _of_side(o, side)]
        firm_id = _firms_of(session, open_offers).get(offer_id)
    if firm_id is None:
        raise UserMistake(_("This offer is no longer there."))
    with database.firm(FirmScope(firm_id, (), actor, "own account")) as session:
        if accept:
            invitations.accept_offer(session, person_id, offer_id, now=now)
        else:
            invitations.decline_offer(session, person_id, offer_id)
        action = "tenants.role_accepted" if accept else "tenants.role_declined"
        note(session, action, now=now, subject=f"person:{person_id}", role=open_offers[0].role)


def sessions_of(
    session: ScopedSession, person_id: UUID, this: UUID | None, now: datetime, side: UUID | None = None
) -> list[SessionLine]:
    """The person's open sessions, the one that asks first, then the one used last; with `side` those that
    are confined to it.
    """
    rows = session.scalars(
        select(SigninSession)
        .where(
            SigninSession.person_id == person_id,
            SigninSession.ended_at.is_(None),
            SigninSession.waiting_for.is_(None),
            SigninSession.expires_at > now,
            SigninSession.last_seen_at > now - signin.IDLE,
            confined.sessions_in_reach(side),
        )
        .order_by((SigninSession.id == this).desc(), SigninSession.last_seen_at.desc())
    )
    return [
        SessionLine(
            row.id, name_of(row.browser), row.address, row.created_at, row.last_seen_at, row.strength,
            row.id == this,
        )
        for row in rows
    ]  # fmt: skip


def _of_side(member: Membership, side: UUID | None) -> bool:
    return side is None or side in (member.firm_id, member.tenant_id)


def _firms_of(session: ScopedSession, members: Sequence[Membership]) -> dict[UUID, UUID]:
    """The firm of each membership, a hospital's included; none for the platform's."""
    rows = session.execute(
        select(DirectoryEntry.tenant_id, DirectoryEntry.firm_id).where(
            DirectoryEntry.tenant_id.in_([m.tenant_id for m in members if m.tenant_id])
        )
    )
    hospitals = {row.tenant_id: row.firm_id for row in rows}
    firms = {m.id: m.firm_id or hospitals.get(m.tenant_id) for m in members}
    return {member_id: firm_id for member_id, firm_id in firms.items() if firm_id is not None}


def _names(session: ScopedSession, firm_id: UUID, tenant_ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    found = session.execute(
        select(Hospital.tenant_id, Hospital.name, Hospital.name_en).where(
            Hospital.firm_id == firm_id, Hospital.tenant_id.in_(tenant_ids)
        )
    )
    names = {tenant_id: {"zh": zh, "en": en} for tenant_id, zh, en in found}
    firm = session.get_one(Firm, firm_id)
    return names | {firm_id: {"zh": firm.name, "en": firm.name_en}}
