"""Every request's first step: from the cookie to the visit, and the language it speaks.

Names and colours of hospitals are kept for a minute; who somebody is, what roles they hold and which
hospitals are assigned to them is asked anew at every request, so that a right that was taken away is gone
at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy import or_, select

from foundation import languages
from foundation.calendar import local_date
from foundation.database import PlatformSession
from foundation.runtime import Runtime
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web import context
from foundation.web.errors import LANGUAGE_COOKIE
from foundation.web.security import BEARER
from tenants import queries, reach
from tenants.faces import Grant, HospitalFace, Member, PersonFacts, reach_of
from tenants.identity import membership, signin, tokens
from tenants.models import (
    ApiToken,
    DirectoryEntry,
    Hospital,
    IdentityProvider,
    Membership,
    Person,
    SigninSession,
)
from tenants.oversight import grants as granting
from tenants.oversight import support
from tenants.rights import ASSIGNED_ONLY, Action, Role
from tenants.visit import Visit

KEEP_SECONDS = 60
FOR_ANYBODY = ("/static/", "/health/", "/metrics")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Only programs bring a key, and only here; on a page it means nothing.
API = "/api/v1/"
# The header of a page that asks by itself, without the person doing anything (careloop.js).
QUIET = "x-careloop-quiet"
SYSTEM = Actor.system("arrival")


@dataclass(frozen=True, slots=True)
class _Known:
    person: PersonFacts
    members: tuple[Member, ...]
    # Of each firm, what the directory says could be within reach, and the stage of each hospital and firm.
    hospitals: dict[UUID, dict[UUID, str]]
    firms: dict[UUID, str]
    session_id: UUID | None = None
    side: UUID | None = None
    token: ApiToken | None = None


def _is_for_anybody(scope: Scope) -> bool:
    """Whether an address is the same for everybody: files of the pages, health, figures."""
    return scope["path"].startswith(FOR_ANYBODY)


class Arrival(ASGIMiddleware):
    """Puts the visit onto the request as `viewer`, or nothing when nobody is signed in."""

    scopes = (ScopeType.HTTP,)
    should_bypass_for_scope = staticmethod(_is_for_anybody)

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._proxies = runtime.settings.proxies
        self._faces: dict[UUID, tuple[float, dict[UUID, HospitalFace]]] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """See the class."""
        connection: context.Connection = ASGIConnection(scope)
        context.enter(scope)
        languages.use(languages.choose(connection.cookies.get(LANGUAGE_COOKIE)))
        visit = None
        found = connection.path_params.get("code")
        code = found if isinstance(found, str) else None
        address = context.source_address(connection, self._proxies)
        scope["state"]["address"] = address
        key = _bearer(connection)
        token = connection.cookies.get(signin.COOKIE)
        if key is not None:  # the cookie is ignored, and so no form token is asked for
            scope["state"][BEARER] = True
            method = connection.scope.get("method", "")
            asked = tokens.Asked(str(method), connection.scope.get("path_template", ""), code, address)
            visit = await sync_to_thread(self.visit_by_key, key, asked)
        elif token:
            # A page that only asks whether its session goes on does not keep it alive.
            touch = QUIET not in connection.headers
            visit = await sync_to_thread(partial(self.visit, token, code, address, touch=touch))
        if visit is not None:
            visit = replace(visit, changes=scope.get("method") not in READING)
            languages.use(visit.language)
            if visit.support is not None:
                look = {"method": str(scope.get("method", "")), "route": scope.get("path_template", "")}
                await sync_to_thread(partial(support.record_look, self.runtime.database, visit, **look))
        scope["state"]["viewer"] = visit
        await next_app(scope, receive, send)

    def visit(self, token: str, code: str | None, address: str, *, touch: bool = True) -> Visit | None:
        """The visit of this token, or None when its session has ended."""
        now = self.runtime.clock.now()
        with self.runtime.database.platform(PlatformScope(SYSTEM, "arrival")) as session:
            known = _known(session, token, now, touch=touch)
            if known is None:
                signin.note_ended(session, token, now=now, address=address)
        return None if known is None else self._visit(known, code, address, now)

    def visit_by_key(self, key: str, asked: tokens.Asked) -> Visit | None:
        """The visit of a program's key, or None (and a line on record) when it does not count."""
        now = self.runtime.clock.now()
        with self.runtime.database.platform(PlatformScope(SYSTEM, "arrival")) as session:
            known = _known_by_key(session, key, asked, now)
        return None if known is None else self._visit(known, asked.code, asked.address, now)

    def _visit(self, known: _Known, code: str | None, address: str, now: datetime) -> Visit:
        faces: list[HospitalFace] = []
        assigned: frozenset[UUID] = frozenset()
        grants: dict[UUID, tuple[Grant, ...]] = {}
        for firm_id in known.hospitals:
            more_faces, more_assigned = self._of_firm(known, firm_id)
            faces += more_faces
            assigned |= more_assigned
            grants |= self._grants(known, firm_id, now)
        members, reached, token = known.members, reach_of(known.members, faces, assigned), known.token
        if token is not None and token.tenant_id is not None:
            members, reached = tokens.kept_to_side(token, reached)
        return Visit(
            database=self.runtime.database,
            person=known.person,
            members=members,
            reached=reached,
            now=now,
            code=code,
            address=address,
            session_id=known.session_id,
            side=known.side,
            token_id=None if token is None else token.id,
            limit=None if token is None else frozenset(Action) & frozenset(token.actions),
            grants=grants,
            firm_states=known.firms,
        )

    def _grants(self, known: _Known, firm_id: UUID, now: datetime) -> dict[UUID, tuple[Grant, ...]]:
        """Statistics opened to somebody of a hospital: asked only for people who could have been given
        some.
        """
        own = {m.tenant_id for m in known.members}
        mine = tuple(tenant_id for tenant_id in known.hospitals[firm_id] if tenant_id in own)
        if not mine:
            return {}
        with self.runtime.database.firm(FirmScope(firm_id, mine, SYSTEM, "arrival")) as session:
            return granting.of_person(session, known.person.id, known.members, local_date(now))

    def _of_firm(self, known: _Known, firm_id: UUID) -> tuple[list[HospitalFace], frozenset[UUID]]:
        states = known.hospitals[firm_id]
        agent = any(m.role in ASSIGNED_ONLY and m.firm_id == firm_id for m in known.members)
        kept_at, kept = self._faces.get(firm_id, (0.0, {}))
        fresh = time.monotonic() - kept_at < KEEP_SECONDS and all(t in kept for t in states)
        if fresh and not agent:
            return _in_order(kept, states, known.firms[firm_id]), frozenset()
        assigned: frozenset[UUID] = frozenset()
        with self.runtime.database.firm(FirmScope(firm_id, (), SYSTEM, "arrival")) as session:
            if agent:
                assigned = reach.hospitals_of_agent(session, known.person.id)
            if not fresh:
                kept = {row.tenant_id: _face(row) for row in queries.hospitals_of(session)}
                self._faces[firm_id] = (time.monotonic(), kept)
        return _in_order(kept, states, known.firms[firm_id]), assigned


def _bearer(connection: context.Connection) -> str | None:
    """The key that a program brought, where keys count; an empty one is no key, and is refused as such."""
    if not connection.scope["path"].startswith(API):
        return None
    kind, _, key = connection.headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else None


def _known(session: PlatformSession, token: str, now: datetime, *, touch: bool) -> _Known | None:
    found = signin.session_of(session, token, now=now, touch=touch)
    if found is None:
        return None
    signed_in, person = found
    members = _members(session, person.id, signed_in, now)
    return _Known(
        _facts(person),
        members,
        *_directory(session, members),
        session_id=signed_in.id,
        side=signed_in.firm_id or signed_in.tenant_id,
    )


def _known_by_key(session: PlatformSession, key: str, asked: tokens.Asked, now: datetime) -> _Known | None:
    found = tokens.owner_of(session, key, asked, now=now)
    if found is None:
        return None
    token, person = found
    held = _held(session, person.id)
    firm_id = token.firm_id
    if firm_id is None:
        # A role at the firm counts towards its hospital; what lies beyond it is cut off with the reach.
        at = DirectoryEntry.tenant_id == token.tenant_id
        firm_id = session.scalar(select(DirectoryEntry.firm_id).where(at))
    own = token.tenant_id
    members = tuple(m for m in held if m.firm_id == firm_id or (own is not None and m.tenant_id == own))
    if not members:
        tokens.refuse(session, token, "token_owner", asked, now=now)
        return None
    return _Known(_facts(person), members, *_directory(session, members), token=token)


def _directory(
    session: PlatformSession, members: tuple[Member, ...]
) -> tuple[dict[UUID, dict[UUID, str]], dict[UUID, str]]:
    """What could be within reach of these memberships: of each firm its hospitals, and every stage."""
    entries = session.execute(
        select(DirectoryEntry.kind, DirectoryEntry.firm_id, DirectoryEntry.tenant_id, DirectoryEntry.state)
        .where(
            DirectoryEntry.state != "left",
            or_(
                DirectoryEntry.kind == "firm",
                DirectoryEntry.firm_id.in_([m.firm_id for m in members if m.firm_id]),
                DirectoryEntry.tenant_id.in_([m.tenant_id for m in members if m.tenant_id]),
            ),
        )
        .order_by(DirectoryEntry.id)
    ).all()
    hospitals: dict[UUID, dict[UUID, str]] = {}
    for entry in entries:
        if entry.tenant_id is not None:
            hospitals.setdefault(entry.firm_id, {})[entry.tenant_id] = entry.state
    return hospitals, {entry.firm_id: entry.state for entry in entries if entry.kind == "firm"}


def _held(session: PlatformSession, person_id: UUID) -> list[Member]:
    """The roles that were accepted and not closed."""
    rows = session.scalars(
        select(Membership)
        .where(
            Membership.person_id == person_id,
            membership.counts(),
        )
        .order_by(Membership.created_at, Membership.id)
    )
    return [Member(Role(r.role), r.firm_id, r.tenant_id, r.department_id, since=r.accepted_at) for r in rows]


def _members(
    session: PlatformSession, person_id: UUID, signed_in: SigninSession, now: datetime
) -> tuple[Member, ...]:
    """The roles that count: accepted, and of the side whose provider vouched for this sign-in, if one did;
    without one, those of sides that leave the choice.
    """
    held = _held(session, person_id)
    if signed_in.firm_id is not None:
        return tuple(m for m in held if m.firm_id == signed_in.firm_id)
    if signed_in.tenant_id is not None:
        return tuple(m for m in held if m.tenant_id == signed_in.tenant_id)
    shut = _only_by_provider(session, held)
    open_to_all = [m for m in held if m.firm_id not in shut and m.tenant_id not in shut]
    return (*open_to_all, *support.lent_roles(session, person_id, now))


def _only_by_provider(session: PlatformSession, held: list[Member]) -> frozenset[UUID]:
    """The firms and hospitals among these that are entered through their own provider alone."""
    if not held:
        return frozenset()
    rows = session.execute(
        select(IdentityProvider.firm_id, IdentityProvider.tenant_id).where(
            IdentityProvider.required,
            IdentityProvider.disabled_at.is_(None),
            or_(
                IdentityProvider.firm_id.in_([m.firm_id for m in held if m.firm_id]),
                IdentityProvider.tenant_id.in_([m.tenant_id for m in held if m.tenant_id]),
            ),
        )
    )
    return frozenset(side for row in rows for side in row if side is not None)


def _in_order(kept: dict[UUID, HospitalFace], states: dict[UUID, str], firm_state: str) -> list[HospitalFace]:
    """The faces of these hospitals with the stage each is in now, which is never kept."""
    return [
        replace(face, state=states[tenant_id], firm_state=firm_state)
        for tenant_id, face in kept.items()
        if tenant_id in states
    ]


def _facts(person: Person) -> PersonFacts:
    shown = person.email or person.phone_masked
    return PersonFacts(person.id, person.name, shown, languages.choose(person.language))


def _face(row: Hospital) -> HospitalFace:
    return HospitalFace(row.tenant_id, row.firm_id, row.code, row.name, row.name_en, row.colour)
