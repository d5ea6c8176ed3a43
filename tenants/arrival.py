"""Every request's first step: from the cookie to the visit, and the language it speaks.

Names and colours of hospitals are kept for a minute; who somebody is, what roles they hold and which
hospitals are assigned to them is asked anew at every request, so that a right that was taken away is gone
at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy import or_, select

from foundation import languages
from foundation.database import PlatformSession
from foundation.runtime import Runtime
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web import context
from foundation.web.errors import LANGUAGE_COOKIE
from tenants import queries, reach, signin
from tenants.models import DirectoryEntry, Hospital, Membership, Person
from tenants.rights import ASSIGNED_ONLY, Role
from tenants.visit import HospitalFace, Member, PersonFacts, Visit, reach_of

KEEP_SECONDS = 60
FOR_ANYBODY = ("/static/", "/health/", "/metrics")
SYSTEM = Actor.system("arrival")


@dataclass(frozen=True, slots=True)
class _Known:
    person: PersonFacts
    members: tuple[Member, ...]
    hospitals: dict[UUID, list[UUID]]  # of each firm, what the directory says could be within reach


def _is_for_anybody(scope: Scope) -> bool:
    """Whether an address is the same for everybody: files of the pages, health, figures."""
    return scope["path"].startswith(FOR_ANYBODY)


class Arrival(ASGIMiddleware):
    """Puts the visit onto the request as `viewer`, or nothing when nobody is signed in."""

    scopes = (ScopeType.HTTP,)
    should_bypass_for_scope = staticmethod(_is_for_anybody)

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._faces: dict[UUID, tuple[float, dict[UUID, HospitalFace]]] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """See the class."""
        connection: context.Connection = ASGIConnection(scope)
        context.enter(scope)
        languages.use(languages.choose(connection.cookies.get(LANGUAGE_COOKIE)))
        visit = None
        token = connection.cookies.get(signin.COOKIE)
        if token:
            address = connection.client.host if connection.client else ""
            code = connection.path_params.get("code")
            visit = await sync_to_thread(self.visit, token, code if isinstance(code, str) else None, address)
        if visit is not None:
            languages.use(visit.language)
        scope["state"]["viewer"] = visit
        await next_app(scope, receive, send)

    def visit(self, token: str, code: str | None, address: str) -> Visit | None:
        """The visit of this token, or None when its session has ended."""
        now = self.runtime.clock.now()
        with self.runtime.database.platform(PlatformScope(SYSTEM, "arrival")) as session:
            known = _known(session, token, now)
        if known is None:
            return None
        faces: list[HospitalFace] = []
        assigned: frozenset[UUID] = frozenset()
        for firm_id, tenant_ids in known.hospitals.items():
            more_faces, more_assigned = self._of_firm(known, firm_id, tenant_ids)
            faces += more_faces
            assigned |= more_assigned
        return Visit(
            database=self.runtime.database,
            person=known.person,
            members=known.members,
            reached=reach_of(known.members, faces, assigned),
            now=now,
            code=code,
            address=address,
        )

    def _of_firm(
        self, known: _Known, firm_id: UUID, tenant_ids: list[UUID]
    ) -> tuple[list[HospitalFace], frozenset[UUID]]:
        agent = any(m.role in ASSIGNED_ONLY and m.firm_id == firm_id for m in known.members)
        kept_at, kept = self._faces.get(firm_id, (0.0, {}))
        fresh = time.monotonic() - kept_at < KEEP_SECONDS and all(t in kept for t in tenant_ids)
        if fresh and not agent:
            return _in_order(kept, tenant_ids), frozenset()
        assigned: frozenset[UUID] = frozenset()
        with self.runtime.database.firm(FirmScope(firm_id, (), SYSTEM, "arrival")) as session:
            if agent:
                assigned = reach.hospitals_of_agent(session, known.person.id)
            if not fresh:
                kept = {row.tenant_id: _face(row) for row in queries.hospitals_of(session)}
                self._faces[firm_id] = (time.monotonic(), kept)
        return _in_order(kept, tenant_ids), assigned


def _known(session: PlatformSession, token: str, now: datetime) -> _Known | None:
    person = signin.person_of(session, token, now=now)
    if person is None:
        return None
    rows = session.scalars(
        select(Membership)
        .where(Membership.person_id == person.id)
        .order_by(Membership.created_at, Membership.id)
    )
    members = tuple(Member(Role(r.role), r.firm_id, r.tenant_id, r.department_id) for r in rows)
    entries = session.execute(
        select(DirectoryEntry.firm_id, DirectoryEntry.tenant_id)
        .where(
            DirectoryEntry.kind == "hospital",
            DirectoryEntry.suspended.is_(False),
            or_(
                DirectoryEntry.firm_id.in_([m.firm_id for m in members if m.firm_id]),
                DirectoryEntry.tenant_id.in_([m.tenant_id for m in members if m.tenant_id]),
            ),
        )
        .order_by(DirectoryEntry.id)
    )
    hospitals: dict[UUID, list[UUID]] = {}
    for firm_id, tenant_id in entries:
        if tenant_id is not None:
            hospitals.setdefault(firm_id, []).append(tenant_id)
    return _Known(_facts(person), members, hospitals)


def _in_order(kept: dict[UUID, HospitalFace], tenant_ids: list[UUID]) -> list[HospitalFace]:
    wanted = set(tenant_ids)
    return [face for tenant_id, face in kept.items() if tenant_id in wanted]


def _facts(person: Person) -> PersonFacts:
    return PersonFacts(person.id, person.name, person.email, languages.choose(person.language))


def _face(row: Hospital) -> HospitalFace:
    return HospitalFace(row.tenant_id, row.firm_id, row.code, row.name, row.name_en, row.colour)
