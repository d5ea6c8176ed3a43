"""One's own account: password, roles offered, sessions, second factor, and the record of sign-ins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.status_codes import HTTP_204_NO_CONTENT
from sqlalchemy import select

from foundation.database import PlatformSession
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.web.access import SIGNED_IN
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from tenants import queries
from tenants.identity import confined, entry, me, password_rules, passwords, second_factor, signin
from tenants.labels import REFUSED_CODES, SIGNIN_RESULTS, SIGNIN_TONES, STRENGTHS
from tenants.models import IdentityProvider, Person, SigninSession
from tenants.visit import Visit


class ChangeForm(msgspec.Struct):
    """A new password, typed twice, and the present one."""

    present: str
    password: str
    again: str


class ProofForm(msgspec.Struct):
    """The password (empty for somebody who has none), and a code of the second factor where one is asked."""

    password: str = ""
    code: str = ""


class EnrolForm(msgspec.Struct):
    """A first code, the secret it was made from, sealed, and the password."""

    code: str
    sealed: str
    password: str = ""


@get("/me", needs=SIGNED_IN, sync_to_thread=True)
def my_account(visit: NamedDependency[Visit]) -> Response[str]:
    """Name, roles, offers, and the password."""
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
    lines = me.roles_of(visit.database, person.id, visit.actor, visit.side)
    due = person.password_set_at + password_rules.MOST_DAYS if person.password_set_at else None
    return page(
        "tenants/me.html",
        visit=visit,
        person=person,
        shown=signin.shown_name(person),
        roles=[line for line in lines if line.taken],
        offers=[line for line in lines if not line.taken],
        password_due=due,
    )


@post("/me/password", needs=SIGNED_IN, sync_to_thread=True)
def change_password(visit: NamedDependency[Visit], data: URLEncodedBody[ChangeForm]) -> Redirect:
    """Change one's own password; every other session ends."""
    confined.require_whole_account(visit)
    if data.password != data.again:
        raise UserMistake(_("The two passwords differ."))
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        known = passwords.is_own(session, person, data.present, now=visit.now, address=visit.address)
    _require(known)
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        passwords.set_password(
            session, person, data.password,
            now=visit.now, address=visit.address, keep_session=visit.session_id,
        )  # fmt: skip
    return redirect("/me", notice=_("Your password is changed; your other sessions have ended."))


@post("/me/offers/{offer_id:uuid}/accept", needs=SIGNED_IN, sync_to_thread=True)
def accept_offer(
    offer_id: FromPath[UUID], visit: NamedDependency[Visit], runtime: NamedDependency[Runtime]
) -> Redirect:
    """Take a role that was offered; if it asks for a second factor, that is set up before anything else."""
    me.answer_offer(
        visit.database,
        visit.person.id,
        offer_id,
        accept=True,
        actor=visit.actor,
        now=visit.now,
        side=visit.side,
    )
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        confined.ask_for_factor(session, person.id, now=visit.now, but=visit.session_id)
        token = None if second_factor.is_enrolled(person) else _enrol_again(session, visit, person)
    if token is not None:
        return entry.entered(runtime, token, visit.language, "/signin/enrol?next=/me")
    return redirect("/me", notice=_("You have the role from now on."))


@post("/me/offers/{offer_id:uuid}/decline", needs=SIGNED_IN, sync_to_thread=True)
def decline_offer(offer_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Decline a role that was offered."""
    me.answer_offer(
        visit.database,
        visit.person.id,
        offer_id,
        accept=False,
        actor=visit.actor,
        now=visit.now,
        side=visit.side,
    )
    return redirect("/me", notice=_("The offer is declined."))


@get("/me/sessions", needs=SIGNED_IN, sync_to_thread=True)
def my_sessions(visit: NamedDependency[Visit]) -> Response[str]:
    """Where one is signed in."""
    with visit.platform() as session:
        lines = me.sessions_of(session, visit.person.id, visit.session_id, visit.now, visit.side)
    strengths = {key: _(text) for key, text in STRENGTHS.items()}
    return page("tenants/me_sessions.html", visit=visit, lines=lines, strengths=strengths)


@post("/me/sessions/{session_id:uuid}/end", needs=SIGNED_IN, sync_to_thread=True)
def end_session(session_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """End one of one's own sessions: it opens nothing from the next request on."""
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        ended = confined.reaches_session(session, visit.side, session_id) and signin.end_session(
            session, person, session_id, now=visit.now, address=visit.address
        )
    if not ended:
        raise NotFound
    return redirect("/me/sessions", notice=_("The session has ended."))


@post("/me/sessions/end-others", needs=SIGNED_IN, sync_to_thread=True)
def end_other_sessions(visit: NamedDependency[Visit]) -> Redirect:
    """End all of one's sessions but this one."""
    with visit.platform() as session:
        confined.end_other_sessions(session, visit)
        person = session.get_one(Person, visit.person.id)
        signin.note(session, person, "signed_out", now=visit.now, address=visit.address)
    return redirect("/me/sessions", notice=_("All other sessions have ended."))


@get("/me/factor", needs=SIGNED_IN, sync_to_thread=True)
def my_factor(visit: NamedDependency[Visit]) -> Response[str]:
    """The second factor: set up, or what can be done with it."""
    confined.require_whole_account(visit)
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        required = second_factor.is_required(session, person.id)
        left = second_factor.recovery_codes_left(session, person)
        offer = None
        if not second_factor.is_enrolled(person) and visit.session_id is not None:
            offer = second_factor.offer(session, visit.session_id)
    picture = offer and second_factor.picture(second_factor.address_for_app(person, offer.secret))
    return page(
        "tenants/me_factor.html", visit=visit, person=person, required=required, left=left, offer=offer,
        picture=picture,
    )  # fmt: skip


@post("/me/factor", needs=SIGNED_IN, sync_to_thread=True)
def enrol(
    visit: NamedDependency[Visit], runtime: NamedDependency[Runtime], data: URLEncodedBody[EnrolForm]
) -> Response[str]:
    """Set up a second factor of one's own wish; shows the recovery codes, this once."""
    confined.require_whole_account(visit)
    with visit.platform() as session:
        known = _knows_password(session, visit, data.password)
    _require(known)
    if visit.session_id is None:
        raise NotFound
    with visit.platform() as session:
        person = session.get_one(Person, visit.person.id)
        made = second_factor.confirm(
            session, person, data.sealed, data.code, signin_id=visit.session_id,
            now=visit.now, address=visit.address, at=entry.phone_time(runtime.clock),
        )  # fmt: skip
    if isinstance(made, str):
        raise UserMistake(_(REFUSED_CODES[made]))
    return page("tenants/second_recovery.html", visit=visit, codes=made, path="/me/factor")


@post("/me/factor/codes", needs=SIGNED_IN, sync_to_thread=True)
def new_recovery_codes(visit: NamedDependency[Visit], data: URLEncodedBody[ProofForm]) -> Response[str]:
    """Ten fresh recovery codes, shown this once; those before are void."""
    confined.require_whole_account(visit)
    with visit.platform() as session:
        known = _knows_password(session, visit, data.password)
        person = session.get_one(Person, visit.person.id)
        codes = []
        if known and second_factor.is_enrolled(person):
            codes = second_factor.new_recovery_codes(session, person, now=visit.now)
            signin.note(session, person, "recovery_codes_made", now=visit.now, address=visit.address)
    _require(known)
    if not codes:
        raise NotFound
    return page("tenants/second_recovery.html", visit=visit, codes=codes, path="/me/factor")


@post("/me/factor/remove", needs=SIGNED_IN, sync_to_thread=True)
def remove_factor(
    visit: NamedDependency[Visit], runtime: NamedDependency[Runtime], data: URLEncodedBody[ProofForm]
) -> Response[Any]:
    """Take the second factor away; somebody whose role asks for one sets up a new one right away."""
    confined.require_whole_account(visit)
    at = entry.phone_time(runtime.clock)
    refused, token = None, None
    with visit.platform() as session:
        known = _knows_password(session, visit, data.password)
        person = session.get_one(Person, visit.person.id)
        if known:
            refused = second_factor.check(
                session, person, data.code, now=visit.now, address=visit.address, at=at
            )
            if refused is None:
                second_factor.remove(session, person, now=visit.now, address=visit.address)
                token = _enrol_again(session, visit, person)
    _require(known)
    if refused is not None:
        raise UserMistake(_(REFUSED_CODES[refused]))
    if token is None:
        return redirect("/me/factor", notice=_("The second factor is taken away."))
    return entry.entered(runtime, token, visit.language, "/signin/enrol?next=/me/factor")


@get("/me/signins", needs=SIGNED_IN, sync_to_thread=True)
def my_signins(visit: NamedDependency[Visit]) -> Response[str]:
    """One's own sign-ins, so that a foreign one is noticed."""
    with visit.platform() as session:
        events = queries.signins_of(session, visit.person.id)
    results = {key: _(text) for key, text in SIGNIN_RESULTS.items()}
    return page("tenants/me_signins.html", visit=visit, events=events, results=results, tones=SIGNIN_TONES)


@post("/me/alive", needs=SIGNED_IN, sync_to_thread=True, status_code=HTTP_204_NO_CONTENT)
def alive(visit: NamedDependency[Visit]) -> None:
    """The person is at the keyboard, or on the phone: the session goes on (arriving was enough)."""


@get("/me/alive", needs=SIGNED_IN, sync_to_thread=True, status_code=HTTP_204_NO_CONTENT)
def is_alive(visit: NamedDependency[Visit]) -> None:
    """Whether the session goes on: asked by a page that nobody touched, quietly (`tenants.arrival.QUIET`)."""


def _knows_password(session: PlatformSession, visit: Visit, typed: str) -> bool:
    """Somebody who signs in elsewhere has no password here: the provider vouches for them."""
    person = session.get_one(Person, visit.person.id)
    if person.password_hash is None:
        return True
    return passwords.is_own(session, person, typed, now=visit.now, address=visit.address)


def _require(known: bool) -> None:
    if not known:
        raise UserMistake(
            _("Your present password is not right. After five wrong attempts an account stays locked.")
        )


def _enrol_again(session: PlatformSession, visit: Visit, person: Person) -> str | None:
    """Let this session wait for a new second factor where the person's role asks for one."""
    if visit.session_id is None or not second_factor.is_required(session, person.id):
        return None
    row = session.get_one(SigninSession, visit.session_id)
    if row.strength == "demo" or _is_vouched_for(session, row):
        return None
    return signin.advance(session, row, person, "enrolment", now=visit.now, address=visit.address)


def _is_vouched_for(session: PlatformSession, row: SigninSession) -> bool:
    """Whether the provider of this sign-in answers for a second factor itself."""
    side = (IdentityProvider.firm_id == row.firm_id) | (IdentityProvider.tenant_id == row.tenant_id)
    asked = select(IdentityProvider.id).where(side, IdentityProvider.vouches_second_factor)
    return row.strength == "provider" and session.scalar(asked) is not None


handlers = [
    my_account,
    change_password,
    accept_offer,
    decline_offer,
    my_sessions,
    end_session,
    end_other_sessions,
    my_factor,
    enrol,
    new_recovery_codes,
    remove_factor,
    my_signins,
    alive,
    is_alive,
]
