"""Company sign-in (单点登录): one provider per firm and per hospital, and sign-ins on their way through it.

A provider speaks for its own side alone: it never makes an account, never opens a role elsewhere, and the
session it leads to is confined to that side. Refusals are returned and not raised, so that they stand in
the sign-in record although nobody is in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import UserMistake
from tenants.identity import confined, oidc, outward, signin
from tenants.keys import platform_key
from tenants.models import (
    DirectoryEntry,
    ExternalIdentity,
    IdentityProvider,
    Membership,
    Person,
    ProviderAttempt,
)

GOOD_FOR = timedelta(minutes=10)
KEPT_FOR = timedelta(days=1)
LABEL_LENGTH = 40
LONGEST = 2000
BROWSER_COOKIE = "careloop_provider"

# Why a sign-in through a provider was refused, as the person reads it; the key stands in the record.
REFUSALS = {
    "provider_state": mark("This sign-in was used already or was not begun here. Begin again."),
    "provider_expired": mark("This sign-in took more than ten minutes. Begin again."),
    "provider_browser": mark("This sign-in was begun in another browser. Begin again here."),
    "provider_disabled": mark("This company sign-in is switched off."),
    "provider_unknown": mark(
        "The company sign-in knows you, but nobody with your verified e-mail holds a role here. "
        "Ask whoever manages the people."
    ),
    "provider_other": mark(
        "Your account is linked with another identity of this company sign-in. "
        "Ask whoever manages the people to forget it."
    ),
    "provider_offer": mark(
        "You were offered a role here and have not taken it: accept the offer with your password first."
    ),
    "provider_enrolment": mark(
        "Your role asks for a second factor: sign in with your password and set it up there first."
    ),
    "disabled": mark("This account is closed. Ask whoever manages the people."),
}


@dataclass(frozen=True, slots=True)
class Side:
    """Whose provider: one firm or one hospital."""

    firm_id: UUID | None
    tenant_id: UUID | None

    def is_of(self) -> ColumnElement[bool]:
        """The provider of this side."""
        if self.tenant_id is not None:
            return IdentityProvider.tenant_id == self.tenant_id
        return IdentityProvider.firm_id == self.firm_id


@dataclass(frozen=True, slots=True)
class Settings:
    """A provider as its form brings it; an empty `secret` keeps the one that is stored."""

    label: str
    issuer: str
    client_id: str
    secret: str
    required: bool
    vouches: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that came back in time and in its own browser, used up by being read."""

    provider_id: UUID
    issuer: str
    client_id: str
    secret: str
    proof: oidc.Proof
    next_path: str


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody whose session was opened: its token, and what it still waits for."""

    token: str
    person: Person
    step: signin.Step | None


def of_side(session: ScopedSession, side: Side) -> IdentityProvider | None:
    """The provider of a firm or hospital, in force or not."""
    return session.scalar(select(IdentityProvider).where(side.is_of()))


def code_of(session: ScopedSession, side: Side) -> str:
    """The code under which a side signs in: `/signin/<code>`."""
    at = DirectoryEntry.tenant_id == side.tenant_id if side.tenant_id else DirectoryEntry.tenant_id.is_(None)
    found = select(DirectoryEntry.code).where(at)
    if side.firm_id is not None:
        found = found.where(DirectoryEntry.kind == "firm", DirectoryEntry.firm_id == side.firm_id)
    return session.scalar(found) or ""


def by_code(session: ScopedSession, code: str) -> IdentityProvider | None:
    """The provider in force at the address of a firm or hospital."""
    of_firm = (DirectoryEntry.kind == "firm") & (IdentityProvider.firm_id == DirectoryEntry.firm_id)
    of_hospital = IdentityProvider.tenant_id == DirectoryEntry.tenant_id
    return session.scalar(
        select(IdentityProvider)
        .join(DirectoryEntry, or_(of_firm, of_hospital))
        .where(
            DirectoryEntry.code == code,
            DirectoryEntry.state != "left",
            IdentityProvider.disabled_at.is_(None),
        )
    )


def save(
    session: ScopedSession,
    side: Side,
    wanted: Settings,
    *,
    person_id: UUID,
    now: datetime,
    local: bool = False,
) -> IdentityProvider:
    """Set up or change the provider of a side; with `local` on this machine too. Raises `UserMistake`.

    Another issuer is another world: the secret has to be typed anew, so that it never goes to a stranger,
    and who was linked is forgotten, because one issuer's `sub` says nothing at another.
    """
    label, issuer, client_id = wanted.label.strip(), wanted.issuer.strip(), wanted.client_id.strip()
    if not label or len(label) > LABEL_LENGTH or not client_id:
        raise UserMistake(_("A name and a client id are needed."))
    if len(issuer) > LONGEST or len(client_id) > LONGEST or len(wanted.secret) > LONGEST:
        raise UserMistake(
            _("The issuer, the client id and the secret have at most {count} letters.", count=LONGEST)
        )
    if not outward.is_safe(issuer, local=local) or "?" in issuer or "#" in issuer:
        raise UserMistake(_("The issuer is a public address that begins with https://."))
    found = session.scalar(select(IdentityProvider).where(side.is_of()).with_for_update())
    moved = found is None or found.issuer != issuer or found.client_id != client_id
    if moved and not wanted.secret:
        raise UserMistake(_("Type the secret: it is needed for a new issuer or client id."))
    if found is None:
        found = IdentityProvider(
            id=new_id(), firm_id=side.firm_id, tenant_id=side.tenant_id, secret_cipher=b"", created_at=now
        )
        session.add(found)
    elif moved:
        session.execute(delete(ExternalIdentity).where(ExternalIdentity.provider_id == found.id))
    found.label, found.issuer, found.client_id = label, issuer, client_id
    if wanted.secret:
        found.secret_cipher = platform_key(session).encrypt(wanted.secret)
    session.flush()
    if wanted.required and (moved or not _is_linked(session, found.id, person_id)):
        raise UserMistake(
            _("Sign in through it once yourself before you require it: otherwise nobody might get in.")
        )
    found.required, found.vouches_second_factor = wanted.required, wanted.vouches
    session.flush()
    return found


def switch(session: ScopedSession, provider: IdentityProvider, *, on: bool, now: datetime) -> None:
    """Switch a provider on or off; off, nobody signs in through it and passwords open the side again."""
    provider.disabled_at = None if on else now
    session.flush()


def begin(
    session: ScopedSession,
    provider: IdentityProvider,
    proof: oidc.Proof,
    *,
    browser: str,
    next_path: str,
    now: datetime,
) -> str:
    """Write down a sign-in that leaves for the provider; returns its state, good once, for ten minutes."""
    state = secrets.token_urlsafe(signin.TOKEN_BYTES)
    session.execute(delete(ProviderAttempt).where(ProviderAttempt.expires_at < now - KEPT_FOR))
    session.add(
        ProviderAttempt(
            id=new_id(),
            provider_id=provider.id,
            state_hash=signin.token_hash(state),
            browser_hash=signin.token_hash(browser),
            nonce=proof.nonce,
            verifier_cipher=platform_key(session).encrypt(proof.verifier),
            next_path=next_path,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
    )
    session.flush()
    return state


def claim(session: ScopedSession, state: str, browser: str, *, now: datetime, address: str) -> Attempt | str:
    """Use up the sign-in of this state, or say which of `REFUSALS` stands in its way; recorded."""
    row = session.execute(
        update(ProviderAttempt)
        .where(
            ProviderAttempt.state_hash == signin.token_hash(state),
            ProviderAttempt.browser_hash == signin.token_hash(browser),
            ProviderAttempt.used_at.is_(None),
            ProviderAttempt.expires_at > now,
        )
        .values(used_at=now)
        .returning(
            ProviderAttempt.provider_id,
            ProviderAttempt.nonce,
            ProviderAttempt.verifier_cipher,
            ProviderAttempt.next_path,
        )
    ).one_or_none()
    if row is None:
        return _refused(session, _why_not(session, state, browser), "", None, now=now, address=address)
    provider = session.get_one(IdentityProvider, row.provider_id)
    if provider.disabled_at is not None:
        return _refused(session, "provider_disabled", "", None, now=now, address=address)
    key = platform_key(session)
    return Attempt(
        provider.id,
        provider.issuer,
        provider.client_id,
        key.decrypt(provider.secret_cipher),
        oidc.Proof(row.nonce, key.decrypt(row.verifier_cipher)),
        row.next_path,
    )


def enter(
    session: ScopedSession,
    attempt: Attempt,
    who: oidc.Identity,
    *,
    now: datetime,
    address: str,
    browser: str = "",
) -> Entered | str:
    """Open a session for whom the provider names, confined to its side; or one of `REFUSALS`, recorded.

    Known by an earlier link, else by a verified e-mail; in either case only with a role on that side.
    """
    provider = session.get_one(IdentityProvider, attempt.provider_id, with_for_update={"read": True})
    email = who.email or ""
    if provider.disabled_at is not None or (provider.issuer, provider.client_id) != (
        attempt.issuer,
        attempt.client_id,
    ):
        return _refused(session, "provider_disabled", email, None, now=now, address=address)
    linked = _linked_person(session, provider, who.subject)
    person = linked or _person_by_email(session, who)
    if person is None or (held := _role_there(session, provider, person.id)) is None:
        # An account that has nothing to do with this side is not told apart from none at all.
        return _refused(session, "provider_unknown", email, None, now=now, address=address)
    if held == "offered" or person.disabled_at is not None:
        # The side's word alone makes nobody its own: otherwise an offer would open anybody's account.
        why = "provider_offer" if held == "offered" else "disabled"
        return _refused(session, why, email, person.id, now=now, address=address)
    vouched = provider.vouches_second_factor and who.two_factors
    step = signin.step_after(session, person, now=now, password=False, factor_done=vouched)
    if step == "enrolment" and not confined.may_enrol(
        session, person, provider.firm_id or provider.tenant_id
    ):
        return _refused(session, "provider_enrolment", email, person.id, now=now, address=address)
    if linked is None and not _link(session, provider, person, who.subject, now=now, address=address):
        return _refused(session, "provider_other", email, person.id, now=now, address=address)
    token = signin.open_session(
        session,
        person,
        now=now,
        address=address,
        browser=browser,
        strength="provider",
        waiting_for=step,
        firm_id=provider.firm_id,
        tenant_id=provider.tenant_id,
    )
    return Entered(token, person, step)


def refusal(result: str) -> str:
    """The sentence of one of `REFUSALS`."""
    return _(REFUSALS[result])


def _why_not(session: ScopedSession, state: str, browser: str) -> str:
    found = session.scalar(
        select(ProviderAttempt).where(ProviderAttempt.state_hash == signin.token_hash(state))
    )
    if found is None or found.used_at is not None:
        return "provider_state"
    return "provider_browser" if found.browser_hash != signin.token_hash(browser) else "provider_expired"


def _linked_person(session: ScopedSession, provider: IdentityProvider, subject: str) -> Person | None:
    return session.scalar(
        select(Person)
        .join(ExternalIdentity, ExternalIdentity.person_id == Person.id)
        .where(ExternalIdentity.provider_id == provider.id, ExternalIdentity.subject == subject)
    )


def _person_by_email(session: ScopedSession, who: oidc.Identity) -> Person | None:
    if who.email is None:
        return None
    return session.scalar(select(Person).where(Person.email == signin.normal_email(who.email)))


def _role_there(
    session: ScopedSession, provider: IdentityProvider, person_id: UUID
) -> Literal["taken", "offered"] | None:
    """Whether somebody took a role on the provider's side, was only offered one, or neither."""
    at = (
        Membership.firm_id == provider.firm_id
        if provider.firm_id is not None
        else Membership.tenant_id == provider.tenant_id
    )
    held = session.scalars(
        select(Membership.accepted_at).where(
            Membership.person_id == person_id, at, Membership.closed_at.is_(None)
        )
    ).all()
    if not held:
        return None
    return "taken" if any(held) else "offered"


def _is_linked(session: ScopedSession, provider_id: UUID, person_id: UUID) -> bool:
    linked = select(ExternalIdentity.id).where(
        ExternalIdentity.provider_id == provider_id, ExternalIdentity.person_id == person_id
    )
    return session.scalar(linked.limit(1)) is not None


def _link(
    session: ScopedSession,
    provider: IdentityProvider,
    person: Person,
    subject: str,
    *,
    now: datetime,
    address: str,
) -> bool:
    """Link once. False when this person is somebody else there: an address that was given to a new colleague
    must not open the account of the old one.
    """
    session.scalar(select(Person.id).where(Person.id == person.id).with_for_update())
    if _is_linked(session, provider.id, person.id):
        return False
    session.execute(
        insert(ExternalIdentity).values(
            id=new_id(), provider_id=provider.id, subject=subject, person_id=person.id, linked_at=now
        )
    )
    signin.note(session, person, "provider_linked", now=now, address=address)
    return True


def _refused(
    session: ScopedSession,
    result: str,
    email: str,
    person_id: UUID | None,
    *,
    now: datetime,
    address: str,
) -> str:
    signin.record(session, result, now=now, email=email, person_id=person_id, address=address)
    return result
