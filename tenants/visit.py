"""A visit: who asks, which hospitals they reach, and what they may do there.

Handlers take a `Visit` and open their sessions through it, so that no handler can forget the question:

    with visit.hospital(code, Action.VIEW_CASES) as session: ...   # 404 beyond reach, 403 without the right
    with visit.firm(Action.WORK_QUEUE) as session: ...             # the hospitals where the right is held
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request

from foundation import languages
from foundation.database import Database, FirmSession, HospitalSession, PlatformSession
from foundation.languages import Language
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from foundation.web import navigation
from foundation.web.errors import Forbidden, NotFound, NotSignedIn
from tenants.rights import ASSIGNED_ONLY, HOME, SIDES, Action, Role, allowed, role_name


@dataclass(frozen=True, slots=True)
class HospitalFace:
    """What a screen shows of a hospital (医院): its name and the colour that stands for it."""

    tenant_id: UUID
    firm_id: UUID
    code: str
    name: str
    name_en: str
    colour: str

    @property
    def label(self) -> str:
        """The name in the current language."""
        return self.name if languages.current() == "zh_Hans" else self.name_en or self.name


@dataclass(frozen=True, slots=True)
class Member:
    """One role held somewhere (成员身份)."""

    role: Role
    firm_id: UUID | None
    tenant_id: UUID | None
    department_id: UUID | None


@dataclass(frozen=True, slots=True)
class Reached:
    """A hospital within reach, and the memberships that reach it."""

    face: HospitalFace
    members: tuple[Member, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """The roles held towards this hospital."""
        return frozenset(member.role for member in self.members)


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Who is signed in (用户)."""

    id: UUID
    name: str
    email: str
    language: Language


@dataclass(frozen=True, slots=True)
class Switch:
    """The same page for another hospital."""

    chip: HospitalFace
    href: str


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is signed in."""

    database: Database
    person: PersonFacts
    members: tuple[Member, ...]
    reached: Mapping[str, Reached]
    now: datetime
    code: str | None = None
    address: str = ""
    _by_id: Mapping[UUID, HospitalFace] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_id = {reached.face.tenant_id: reached.face for reached in self.reached.values()}
        object.__setattr__(self, "_by_id", by_id)

    # -- who

    @property
    def actor(self) -> Actor:
        """The person as audit records and sessions name them."""
        return Actor("person", self.person.id, self.person.name)

    @property
    def language(self) -> Language:
        """The person's language."""
        return self.person.language

    @property
    def display_name(self) -> str:
        """The name in the top bar."""
        return self.person.name

    @property
    def role_label(self) -> str:
        """The role in the top bar: towards the hospital on screen, else the first one held."""
        reached = self.reached.get(self.code or "")
        members = reached.members if reached else self.members
        return role_name(members[0].role) if members else ""

    # -- what they may

    def may(self, action: Action, code: str | None = None) -> bool:
        """Whether the action is allowed towards this hospital, or without one towards anything at all."""
        if code is None:
            return allowed((m.role for m in self.members), action)
        reached = self.reached.get(code)
        return reached is not None and allowed(reached.roles, action)

    def departments(self, code: str) -> frozenset[UUID] | None:
        """The departments that the person is kept to at this hospital; None when not kept to any."""
        members = self._reached(code).members
        if any(member.role is not Role.DEPARTMENT_HEAD for member in members):
            return None
        return frozenset(member.department_id for member in members if member.department_id is not None)

    # -- sessions

    @contextmanager
    def hospital(self, code: str, action: Action) -> Iterator[HospitalSession]:
        """One transaction over one hospital; `NotFound` beyond reach, `Forbidden` without the right."""
        reached = self._reached(code)
        if not allowed(reached.roles, action):
            raise Forbidden
        scope = HospitalScope(reached.face.tenant_id, self.actor, action.value)
        with self.database.hospital(scope) as session:
            yield session

    @contextmanager
    def firm(self, action: Action) -> Iterator[FirmSession]:
        """One transaction over the firm and its hospitals where the right is held; else `Forbidden`."""
        firm_id = self.firm_id(action)
        tenant_ids = tuple(
            reached.face.tenant_id
            for reached in self.reached.values()
            if any(m.firm_id == firm_id and allowed([m.role], action) for m in reached.members)
        )
        with self.database.firm(FirmScope(firm_id, tenant_ids, self.actor, action.value)) as session:
            yield session

    @contextmanager
    def platform(self, action: Action | None = None) -> Iterator[PlatformSession]:
        """One transaction over the platform tables (no patient); without an action: own settings."""
        if action is not None and not self.may(action):
            raise Forbidden
        purpose = action.value if action is not None else "own settings"
        with self.database.platform(PlatformScope(self.actor, purpose)) as session:
            yield session

    def firm_id(self, action: Action) -> UUID:
        """The firm where the person holds the right (the first, if several); else `Forbidden`."""
        for member in self.members:
            if member.firm_id is not None and allowed([member.role], action):
                return member.firm_id
        raise Forbidden

    # -- what the layout shows

    @property
    def chip(self) -> HospitalFace | None:
        """The hospital of the address."""
        reached = self.reached.get(self.code or "")
        return reached.face if reached else None

    @property
    def chips(self) -> list[HospitalFace]:
        """All hospitals within reach."""
        return [reached.face for reached in self.reached.values()]

    @property
    def hospital_count(self) -> int:
        """How many hospitals are within reach."""
        return len(self.reached)

    def face(self, tenant_id: UUID) -> HospitalFace:
        """The face of a hospital by id, for lists over several hospitals; `NotFound` beyond reach."""
        if tenant_id not in self._by_id:
            raise NotFound
        return self._by_id[tenant_id]

    @property
    def rail(self) -> list[navigation.RailLink]:
        """The entries of the rail that the person may open."""
        links = ((item, self._href(item)) for item in navigation.items())
        return [
            navigation.RailLink(item.key, languages.gettext(item.label), item.icon, href)
            for item, href in links
            if href is not None
        ]

    def switches(self, active: str | None) -> list[Switch]:
        """The entry on screen for each hospital where it may be opened; empty when it is not a hospital's."""
        for item in navigation.items():
            if item.key == active and "{code}" in item.path:
                action = Action(item.action)
                faces = (r.face for r in self.reached.values() if allowed(r.roles, action))
                return [Switch(face, item.path.format(code=face.code)) for face in faces]
        return []

    @property
    def home(self) -> str:
        """Where the person starts, by role."""
        links = {link.key: link.href for link in self.rail}
        for member in self.members:
            for key in HOME[member.role]:
                if key in links:
                    return links[key]
        return next(iter(links.values()), "/me/signins")

    def _href(self, item: navigation.Item) -> str | None:
        action = Action(item.action)
        if item.firm_path and any(m.firm_id and allowed([m.role], action) for m in self.members):
            return item.firm_path
        if "{code}" not in item.path:
            return item.path if self.may(action) else None
        if self.code is not None and self.may(action, self.code):
            return item.path.format(code=self.code)
        return next((item.path.format(code=code) for code in self.reached if self.may(action, code)), None)

    def _reached(self, code: str) -> Reached:
        found = self.reached.get(code)
        if found is None:
            raise NotFound
        return found


def reach_of(
    members: tuple[Member, ...], faces: list[HospitalFace], assigned: frozenset[UUID]
) -> dict[str, Reached]:
    """Which hospitals these memberships reach: a hospital's own people theirs, agents those assigned to them,
    the firm's other roles all of the firm."""
    reached = {}
    for face in faces:
        mine = tuple(m for m in members if _reaches(m, face, assigned))
        if mine:
            reached[face.code] = Reached(face, mine)
    return reached


def _reaches(member: Member, face: HospitalFace, assigned: frozenset[UUID]) -> bool:
    if SIDES[member.role] == "hospital":
        return member.tenant_id == face.tenant_id
    if SIDES[member.role] == "firm":
        return member.firm_id == face.firm_id and (
            member.role not in ASSIGNED_ONLY or face.tenant_id in assigned
        )
    return False


def provide_visit(request: Request[Any, Any, Any]) -> Visit:
    """The dependency `visit`; raises `NotSignedIn`, which leads to the sign-in page."""
    visit = request.scope.get("state", {}).get("viewer")
    if not isinstance(visit, Visit):
        raise NotSignedIn
    return visit
