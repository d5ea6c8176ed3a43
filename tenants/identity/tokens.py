"""Keys for programs (接口令牌): made by a person, kept to one firm or one hospital, to rights and a date.

A key never reaches further than its owner does at that moment: what it may is what both may. It is shown
once; only its hash is stored, and its first letters, by which people tell one from another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert

from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.faces import Member, Reached
from tenants.identity import signin
from tenants.models import AccessRefusal, ApiToken, DirectoryEntry, Person
from tenants.rights import Action, allowed
from tenants.visit import Visit

PREFIX = "clp_"
SHOWN_LETTERS = 12
LONGEST_DAYS = 365
NAME_LENGTH = 80
TOUCH_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Side:
    """Where a key counts: one firm or one hospital, and the rights its maker holds there."""

    key: str  # as a form sends it: `firm:<id>` or `hospital:<code>`
    firm_id: UUID | None
    tenant_id: UUID | None
    label: str
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that carries a key, for the record of one that is refused. `route` is the pattern."""

    method: str
    route: str
    code: str | None
    address: str


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A key as lists show it."""

    token: ApiToken
    owner: str
    state: str  # active, expired, revoked

    @property
    def actions(self) -> list[Action]:
        """Its rights, in the order in which they are written down."""
        return [action for action in Action if action in self.token.actions]


def sides_of(visit: Visit) -> list[Side]:
    """The firms and hospitals for which this person may make keys."""
    sides = []
    firms = {m.firm_id for m in visit.members if m.firm_id and allowed([m.role], Action.MANAGE_TOKENS)}
    for firm_id in sorted(firms, key=str):
        roles = [m.role for m in visit.members if m.firm_id == firm_id]
        held = frozenset(action for action in Action if allowed(roles, action))
        sides.append(Side(f"firm:{firm_id}", firm_id, None, _("The whole firm"), held))
    for code, reached in visit.reached.items():
        if visit.may(Action.MANAGE_TOKENS, code):
            held = frozenset(action for action in Action if allowed(reached.roles, action))
            face = reached.face
            sides.append(Side(f"hospital:{code}", None, face.tenant_id, face.label, held))
    return sides


def make(
    session: ScopedSession,
    person_id: UUID,
    side: Side,
    *,
    name: str,
    actions: Iterable[str],
    days: int,
    now: datetime,
) -> tuple[ApiToken, str]:
    """A new key and its text, which is shown this once. `days` until it ends, 1 to 365.

    Raises `UserMistake` for an empty name, no right, a right that its maker does not hold, a wrong length.
    """
    plain = name.strip()
    if not plain or len(plain) > NAME_LENGTH:
        raise UserMistake(_("Say in a few words which program uses this key."))
    wanted = set(actions)
    if not wanted:
        raise UserMistake(_("Choose at least one right."))
    if not wanted <= {action.value for action in side.actions}:
        raise UserMistake(_("A key holds no right that you do not hold yourself."))
    if not 1 <= days <= LONGEST_DAYS:
        raise UserMistake(_("A key lasts between 1 and 365 days."))
    text = PREFIX + secrets.token_urlsafe(signin.TOKEN_BYTES)
    token = ApiToken(
        id=new_id(),
        token_hash=signin.token_hash(text),
        prefix=text[:SHOWN_LETTERS],
        name=plain,
        person_id=person_id,
        firm_id=side.firm_id,
        tenant_id=side.tenant_id,
        actions=sorted(wanted),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(token)
    session.flush()
    return token, text


def owner_of(
    session: ScopedSession, text: str, asked: Asked, *, now: datetime
) -> tuple[ApiToken, Person] | None:
    """The key of this text and whose it is; None, and a line on record, when it is unknown, ended, revoked
    or its owner's account is closed. Notes its use at most once a minute.
    """
    found = session.execute(
        select(ApiToken, Person)
        .join(Person, Person.id == ApiToken.person_id)
        .where(ApiToken.token_hash == signin.token_hash(text))
    ).one_or_none()
    if found is None:
        refuse(session, None, "token_unknown", asked, now=now)
        return None
    token, person = found
    reason = _why_not(token, person, now)
    if reason is not None:
        refuse(session, token, reason, asked, now=now)
        return None
    if token.last_used_at is None or now - token.last_used_at > TOUCH_AFTER:
        token.last_used_at = now
    return token, person


def refuse(
    session: ScopedSession, token: ApiToken | None, reason: str, asked: Asked, *, now: datetime
) -> None:
    """One line of a request whose key did not count (越界访问记录); the same again in a minute is counted."""
    known = select(DirectoryEntry.id).where(
        DirectoryEntry.kind == "hospital", DirectoryEntry.code == (asked.code or "")
    )
    statement = insert(AccessRefusal).values(
        id=new_id(),
        at=now,
        minute=now.replace(second=0, microsecond=0),
        times=1,
        person_id=None if token is None else token.person_id,
        token_id=None if token is None else token.id,
        code=asked.code if asked.code and session.scalar(known) is not None else "",
        method=asked.method,
        route=asked.route,
        status=401,
        reason=reason,
        address=asked.address,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id", "token_id", "method", "route", "code", "status", "minute"],
            set_={"times": AccessRefusal.times + 1},
        )
    )


def kept_to_side(
    token: ApiToken, reached: dict[str, Reached]
) -> tuple[tuple[Member, ...], dict[str, Reached]]:
    """The memberships and hospitals that count under a key of one hospital: that hospital alone, and a role
    at its firm only towards it.
    """
    kept = {}
    members: tuple[Member, ...] = ()
    for code, entry in reached.items():
        if entry.face.tenant_id == token.tenant_id:
            members = tuple(Member(m.role, None, token.tenant_id, m.department_id) for m in entry.members)
            kept[code] = Reached(entry.face, members)
    return members, kept


def revoke(session: ScopedSession, token_id: UUID, where: ColumnElement[bool], *, now: datetime) -> ApiToken:
    """End a key at once, if it is one of these; else `NotFound`."""
    token = session.scalar(select(ApiToken).where(ApiToken.id == token_id, where))
    if token is None:
        raise NotFound
    if token.revoked_at is None:
        token.revoked_at = now
        session.flush()
    return token


def end_all(
    session: ScopedSession,
    person_id: UUID,
    *,
    now: datetime,
    firm_ids: Iterable[UUID] = (),
    tenant_ids: Iterable[UUID] = (),
) -> None:
    """Revoke what a person holds towards these firms and hospitals."""
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.person_id == person_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.firm_id.in_(list(firm_ids)) | ApiToken.tenant_id.in_(list(tenant_ids)),
        )
        .values(revoked_at=now)
    )


def _why_not(token: ApiToken, person: Person, now: datetime) -> str | None:
    if token.revoked_at is not None:
        return "token_revoked"
    if token.expires_at <= now:
        return "token_expired"
    if person.disabled_at is not None:
        return "token_owner"
    return None


def lines(session: ScopedSession, where: ColumnElement[bool], now: datetime) -> list[TokenLine]:
    """The keys of one person, firm or hospital, those in force first, newest first."""
    rows = session.execute(
        select(ApiToken, Person.name)
        .join(Person, Person.id == ApiToken.person_id)
        .where(where)
        .order_by(ApiToken.created_at.desc(), ApiToken.id.desc())
    )
    made = [TokenLine(token, owner, _state(token, now)) for token, owner in rows]
    return sorted(made, key=lambda line: line.state != "active")


def _state(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= now else "active"
