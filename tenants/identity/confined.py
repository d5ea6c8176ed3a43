"""Sign-ins that one side's provider vouched for (单位账号登录): what such a session may do to the account.

The provider is run by that side alone; the account may belong to others as well. So nothing that concerns the
account as a whole (password, second factor, sessions and keys elsewhere) is done from such a session.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true, update

from foundation.database import ScopedSession
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from tenants.identity import required_provider, signin
from tenants.models import ApiToken, Membership, Person, SigninSession
from tenants.visit import Visit


def may_enrol(session: ScopedSession, person: Person, side: UUID | None) -> bool:
    """Whether a session confined to `side` may set up the second factor of this account: only when
    the account belongs to nobody else and no password opens it. A session that is not confined always may.
    """
    if side is None:
        return True
    if person.password_hash is not None and required_provider.password_refusal(session, person.id) is None:
        return False
    here = or_(Membership.firm_id == side, Membership.tenant_id == side)
    elsewhere = select(Membership.id).where(Membership.person_id == person.id, here.is_not(True))
    return session.scalar(elsewhere.limit(1)) is None


def require_may_enrol(session: ScopedSession, row: SigninSession, person: Person) -> None:
    """Raises `UserMistake` where this session must not set up the second factor."""
    if not may_enrol(session, person, row.firm_id or row.tenant_id):
        raise UserMistake(
            _("Your role asks for a second factor: sign in with your password and set it up there first.")
        )


def require_whole_account(visit: Visit) -> None:
    """Raises `UserMistake` in a session that one side's provider vouched for."""
    if visit.side is not None:
        raise UserMistake(_("This concerns your whole account: sign in with your password for it."))


def sessions_in_reach(side: UUID | None) -> ColumnElement[bool]:
    """The sessions that one of `side` sees and ends: all, or those that are confined to the same side."""
    return true() if side is None else or_(SigninSession.firm_id == side, SigninSession.tenant_id == side)


def reaches_session(session: ScopedSession, side: UUID | None, session_id: UUID) -> bool:
    """Whether one of `side` may end this session."""
    found = select(SigninSession.id).where(SigninSession.id == session_id, sessions_in_reach(side))
    return session.scalar(found) is not None


def end_other_sessions(session: ScopedSession, visit: Visit) -> None:
    """End the visitor's other sessions, as far as this one reaches."""
    session.execute(
        update(SigninSession)
        .where(
            SigninSession.person_id == visit.person.id,
            SigninSession.ended_at.is_(None),
            SigninSession.id.is_distinct_from(visit.session_id),
            sessions_in_reach(visit.side),
        )
        .values(ended_at=visit.now)
    )


def keys_in_reach(visit: Visit) -> ColumnElement[bool]:
    """One's own keys that this session sees and revokes: all, or those of the side it is confined to."""
    own = ApiToken.person_id == visit.person.id
    if visit.side is None:
        return own
    hospitals = [reached.face.tenant_id for reached in visit.reached.values()]
    return own & or_(ApiToken.firm_id == visit.side, ApiToken.tenant_id.in_(hospitals))


def ask_for_factor(
    session: ScopedSession, person_id: UUID, *, now: datetime, but: UUID | None = None
) -> None:
    """Somebody's roles have changed: where one asks for a second factor and none is set up, open sessions by
    password wait for it from their next request on (GB/T 22239-2019 8.1.4.1 d). `but` is left to the caller.
    """
    person = session.get_one(Person, person_id)
    if signin.has_factor(person) or not signin.needs_factor(session, person_id):
        return
    others = SigninSession.id != but if but is not None else true()
    session.execute(
        update(SigninSession)
        .where(
            SigninSession.person_id == person_id,
            SigninSession.ended_at.is_(None),
            SigninSession.waiting_for.is_(None) | (SigninSession.waiting_for == "new_password"),
            SigninSession.strength.in_(["password", "second_factor"]),
            others,
        )
        .values(waiting_for="enrolment", expires_at=now + signin.WAITING)
    )
