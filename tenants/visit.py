"""A visit: who asks, which hospitals they reach, and what they may do there.

Handlers take a `Visit` and open their sessions through it, so that no handler can forget the question:

    with visit.hospital(code, Action.VIEW_CASES) as session: ...   # 404 beyond reach, 403 without the right
    with visit.firm(Action.WORK_QUEUE) as session: ...             # the hospitals where the right is held
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from foundation import languages
from foundation.database import Database, FirmSession, HospitalSession, PlatformSession
from foundation.languages import Language
from foundation.languages import gettext as _
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from foundation.web import navigation
from foundation.web.access import PUBLIC, SIGNED_IN
from foundation.web.errors import Forbidden, NotFound, NotSignedIn, UserMistake
from tenants.faces import (
    GRANT_OPENS,
    Grant,
    HospitalFace,
    Member,
    PersonFacts,
    Reached,
    SupportLine,
    Switch,
)
from tenants.life import branding
from tenants.life.branding import BrandFace
from tenants.rights import (
    HOME,
    MATRIX,
    REFUSED_BY_FIRM,
    Action,
    Role,
    allowed,
    role_name,
)
from tenants.stage_words import FIRM_SUSPENDED, stage_banner, stage_sentence


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
    session_id: UUID | None = None
    # The firm or the hospital whose company sign-in vouched for this session, and to which it is confined.
    side: UUID | None = None
    token_id: UUID | None = None
    # What a key for programs was made for: nothing beyond it, whatever its owner may.
    limit: frozenset[Action] | None = None
    grants: Mapping[UUID, tuple[Grant, ...]] = field(default_factory=dict)
    # The stage of each firm, and whether this request would change something.
    firm_states: Mapping[UUID, str] = field(default_factory=dict)
    changes: bool = False
    _by_id: Mapping[UUID, HospitalFace] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_id = {reached.face.tenant_id: reached.face for reached in self.reached.values()}
        object.__setattr__(self, "_by_id", by_id)

    # -- who

    @property
    def actor(self) -> Actor:
        """The person as audit records and sessions name them."""
        return Actor("person", self.person.id, self.person.name)

    def actor_at(self, code: str | None) -> Actor:
        """The person as the records of this hospital name them: under support access both names."""
        reached = self.reached.get(code or "")
        if reached is None or reached.support is None:
            return self.actor
        return replace(self.actor, granted_by=reached.support.granted_by)

    @property
    def support(self) -> SupportLine | None:
        """The support access under which this page is looked at, for the frame around it."""
        reached = self.reached.get(self.code or "")
        if reached is None or reached.support is None:
            return None
        note = reached.support
        seconds = max(0, int((note.ends_at - self.now).total_seconds()))
        return SupportLine(note.granted_by, note.ends_at, seconds)

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
        if self.limit is not None and action not in self.limit:
            return False
        if code is None:
            return allowed((m.role for m in self.members), action)
        reached = self.reached.get(code)
        if reached is None or reached.face.refuses(action):
            return False
        return allowed(reached.roles, action) or self._granted(reached, action)

    def may_by_role(self, action: Action, code: str) -> bool:
        """Whether a role held towards this hospital includes the action: what was only granted does not
        count.
        """
        if self.limit is not None and action not in self.limit:
            return False
        reached = self.reached.get(code)
        return reached is not None and not reached.face.refuses(action) and allowed(reached.roles, action)

    def rights(self, code: str) -> frozenset[Action]:
        """Everything that is allowed towards this hospital."""
        return frozenset(action for action in Action if self.may(action, code))

    def may_for_the_firm(self, action: Action) -> bool:
        """Whether the action is allowed on a page that is no hospital's: by a role at a firm or the
        platform.
        """
        if self.limit is not None and action not in self.limit:
            return False
        return any(
            m.tenant_id is None and action in MATRIX[m.role] and not self._firm_refuses(m.firm_id, action)
            for m in self.members
        )

    def require_for_the_firm(self, action: Action) -> None:
        """`Forbidden` without the right on pages that are no hospital's, `UserMistake` where the firm's stage
        refuses it.
        """
        if self.may_for_the_firm(action):
            return
        held = any(m.tenant_id is None and action in MATRIX[m.role] for m in self.members)
        if held and (self.limit is None or action in self.limit):
            raise UserMistake(_(FIRM_SUSPENDED))
        raise Forbidden

    def _firm_refuses(self, firm_id: UUID | None, action: Action) -> bool:
        """Whether the firm's stage stops this for everybody: everything can be read, also then."""
        if firm_id is None or not self.changes:
            return False
        return action in REFUSED_BY_FIRM[self.firm_states.get(firm_id, "active")]

    def require(self, code: str, action: Action) -> None:
        """`NotFound` beyond reach, `Forbidden` without the right, `UserMistake` where the stage refuses
        it.
        """
        reached = self._reached(code)
        if self.may(action, code):
            return
        in_the_way = reached.face.refuses(action) and allowed(reached.roles, action)
        if in_the_way and (self.limit is None or action in self.limit):
            raise UserMistake(stage_sentence(reached.face))
        raise Forbidden

    def granted(self, code: str) -> tuple[Grant, ...]:
        """What the hospital's director opened to this person there (S4-16)."""
        return self.grants.get(self._reached(code).face.tenant_id, ())

    def _granted(self, reached: Reached, action: Action) -> bool:
        return any(
            GRANT_OPENS[grant.subject] is action for grant in self.grants.get(reached.face.tenant_id, ())
        )

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
        self.require(code, action)
        reached = self._reached(code)
        scope = HospitalScope(
            reached.face.tenant_id,
            self.actor_at(code),
            action.value,
            read_only=reached.support is not None,
            address=self.address,
        )
        with self.database.hospital(scope) as session:
            yield session

    @contextmanager
    def firm(self, action: Action) -> Iterator[FirmSession]:
        """One transaction over the firm and its hospitals where the right is held; else `Forbidden`."""
        firm_id = self.firm_id(action)
        tenant_ids = tuple(
            reached.face.tenant_id
            for reached in self.reached.values()
            if not reached.face.refuses(action)
            and any(m.firm_id == firm_id and allowed([m.role], action) for m in reached.members)
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
        """The firm where the person holds the right (the first, if several); else `Forbidden`, or
        `UserMistake` where its stage refuses it.
        """
        if self.limit is not None and action not in self.limit:
            raise Forbidden
        held = [m.firm_id for m in self.members if m.firm_id is not None and allowed([m.role], action)]
        for firm_id in held:
            if not self._firm_refuses(firm_id, action):
                return firm_id
        if held:
            raise UserMistake(_(FIRM_SUSPENDED))
        raise Forbidden

    # -- what the layout shows

    @property
    def brand(self) -> BrandFace | None:
        """Under which brand the pages appear (SC-59): the firm's people see the firm's, a hospital's people
        their hospital's; None is the product's own.
        """
        reached = self.reached.get(self.code or "")
        members = reached.members if reached else self.members
        at = next((m for m in members if m.support is None and (m.firm_id or m.tenant_id)), None)
        if at is None:
            return None
        with self.platform() as session:
            return branding.shown_to(session, firm_id=at.firm_id, tenant_id=at.tenant_id)

    @property
    def banner(self) -> str:
        """What everybody must know on this hospital's pages (or a suspended firm's): its stage, if it is not
        active.
        """
        reached = self.reached.get(self.code or "")
        if reached is not None and reached.face.firm_state == reached.face.state == "active":
            return ""
        if reached is not None:
            return stage_banner(reached.face)
        suspended = any(r.face.firm_state != "active" for r in self.reached.values())
        return _(FIRM_SUSPENDED) if suspended else ""

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
        """Where the person starts, by role; a new hospital's director, where the agreement is signed."""
        for code, reached in self.reached.items():
            if reached.face.state == "onboarding" and self.may(Action.SIGN_AGREEMENT, code):
                return f"/h/{code}/agreement"
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


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Before anything of a request is read: may this person open this address at all?

    Each handler says in its option `needs` what it asks: an `Action`, or a word of `foundation.web.access`.
    `asks_itself` leaves the right (not the reach) to the handler, `reads` marks a POST that changes nothing.
    """
    needs = handler.opt.get("needs")
    method = connection.scope.get("method")
    if needs == PUBLIC or method == "OPTIONS":
        return
    visit = provide_visit(connection)
    if needs == SIGNED_IN:
        return
    if not isinstance(needs, Action):
        raise Forbidden
    code = connection.path_params.get("code")
    if code is None:
        visit.require_for_the_firm(needs)
        return
    if code not in visit.reached:
        raise NotFound
    if not handler.opt.get("asks_itself"):
        visit.require(code, needs)
    changes = method not in {"GET", "HEAD"} and not handler.opt.get("reads")
    if changes and visit.reached[code].support is not None:
        raise Forbidden


def provide_visit(request: ASGIConnection[Any, Any, Any, Any]) -> Visit:
    """The dependency `visit`; raises `NotSignedIn`, which leads to the sign-in page."""
    visit = request.scope.get("state", {}).get("viewer")
    if not isinstance(visit, Visit):
        raise NotSignedIn
    return visit
