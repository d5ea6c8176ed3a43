"""Invitations (邀请): a link with which somebody sets a first password, and roles offered to known accounts.

The token of a link is computed from the invitation's id under the master key and stored nowhere: the database
holds its hash, a message to the worker holds the id, and a message that is handled twice sends the same link
twice and not a dead one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select, update

from foundation import outbox, sending
from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.settings import Settings
from foundation.web.errors import UserMistake
from tenants.identity import passwords, signin
from tenants.keys import platform_key
from tenants.models import Invitation, Membership, Person

Channel = Literal["email", "phone", "link"]
GOOD_FOR = timedelta(days=7)
SEND_JOB = "tenants.send_invitation"


def create(
    session: ScopedSession, person: Person, *, channel: Channel, now: datetime
) -> tuple[Invitation, str]:
    """An invitation to set a password, good for seven days, and the token for its link. Those before open
    nothing any more: a link that somebody kept must not open what was offered later.
    """
    withdraw(session, person.id, now=now)
    made = new_id()
    token = token_of(session, made)
    invitation = Invitation(
        id=made,
        person_id=person.id,
        token_hash=signin.token_hash(token),
        channel=channel,
        created_at=now,
        expires_at=now + GOOD_FOR,
        used_at=None,
    )
    session.add(invitation)
    session.flush()
    return invitation, token


def withdraw(session: ScopedSession, person_id: UUID, *, now: datetime) -> None:
    """No link that was made for this person opens anything any more."""
    session.execute(
        update(Invitation)
        .where(Invitation.person_id == person_id, Invitation.used_at.is_(None))
        .values(used_at=now)
    )


def token_of(session: ScopedSession, invitation_id: UUID) -> str:
    """The token of an invitation's link: 43 signs that nobody can compute without the master key."""
    digest = platform_key(session).digest(f"invitation {invitation_id}")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def link(site: str, token: str) -> str:
    """The address that the invited person opens; `site` without a slash at its end."""
    return f"{site}/invitation/{token}"


def sends(settings: Settings, channel: Channel) -> bool:
    """Whether this installation can send by this channel; if not, the inviter hands the link over."""
    if channel == "email":
        return sending.can_mail(settings)
    return channel == "phone" and sending.can_text(settings)


def send(session: ScopedSession, invitation: Invitation, *, now: datetime) -> None:
    """Send the link by the invitation's channel once this transaction has committed."""
    outbox.enqueue(session, SEND_JOB, now=now, invitation_id=str(invitation.id))


def invited_person(session: ScopedSession, token: str, *, now: datetime) -> Person | None:
    """Who may set a password with this token, or None when it is used, too old or unknown."""
    found = _usable(session, token, now)
    return None if found is None else found[1]


def note_refused(session: ScopedSession, token: str, *, now: datetime, address: str) -> None:
    """Record that somebody came with an invitation that was used before or is too old."""
    person = session.scalar(
        select(Person)
        .join(Invitation, Invitation.person_id == Person.id)
        .where(Invitation.token_hash == signin.token_hash(token))
    )
    if person is not None:
        signin.note(session, person, "invitation_refused", now=now, address=address)


def accept(
    session: ScopedSession, token: str, password: str, *, now: datetime, address: str
) -> Person | None:
    """Set the first password, close every open invitation of the person, and take what was offered with them.

    None when the invitation is used, too old or unknown; raises `UserMistake` for a weak password. What was
    offered to an account that had a password already stays an offer: the link alone does not take it.
    """
    found = _usable(session, token, now)
    if found is None:
        return None
    invitation, person = found
    first = person.password_hash is None
    passwords.set_password(session, person, password, now=now, address=address)
    withdraw(session, person.id, now=now)
    if first:
        session.execute(
            update(Membership)
            .where(
                Membership.person_id == person.id,
                Membership.accepted_at.is_(None),
                Membership.created_at <= invitation.created_at,
            )
            .values(accepted_at=now)
        )
    return person


def offers_of(session: ScopedSession, person_id: UUID) -> Sequence[Membership]:
    """Roles offered to a known account that it has neither taken nor declined, oldest first."""
    return session.scalars(
        select(Membership)
        .where(
            Membership.person_id == person_id,
            Membership.accepted_at.is_(None),
            Membership.closed_at.is_(None),
        )
        .order_by(Membership.created_at, Membership.id)
    ).all()


def accept_offer(session: ScopedSession, person_id: UUID, offer_id: UUID, *, now: datetime) -> None:
    """Take a role that was offered: it counts from the next request. Raises `UserMistake`."""
    taken = session.scalar(
        update(Membership)
        .where(
            Membership.id == offer_id,
            Membership.person_id == person_id,
            Membership.accepted_at.is_(None),
            Membership.closed_at.is_(None),
        )
        .values(accepted_at=now)
        .returning(Membership.id)
    )
    if taken is None:
        raise UserMistake(_("This offer is no longer there."))


def decline_offer(session: ScopedSession, person_id: UUID, offer_id: UUID) -> None:
    """Decline a role that was offered. Raises `UserMistake`."""
    gone = session.scalar(
        delete(Membership)
        .where(Membership.id == offer_id, Membership.person_id == person_id, Membership.accepted_at.is_(None))
        .returning(Membership.id)
    )
    if gone is None:
        raise UserMistake(_("This offer is no longer there."))


def _usable(session: ScopedSession, token: str, now: datetime) -> tuple[Invitation, Person] | None:
    """The row is locked: of two who use one link at the same moment, one does."""
    row = session.execute(
        select(Invitation, Person)
        .join(Person, Invitation.person_id == Person.id)
        .where(
            Invitation.token_hash == signin.token_hash(token),
            Invitation.used_at.is_(None),
            Invitation.expires_at > now,
            Person.disabled_at.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    return None if row is None else (row[0], row[1])
