"""Who asks, over the API: what a program may do with its session or token, and where."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from foundation.web.access import SIGNED_IN
from foundation.web.api import OWN_TROUBLES
from tenants.rights import Action
from tenants.visit import Visit


class RoleHeld(msgspec.Struct):
    """One role, and where it is held: at a firm, at a hospital, in a department, or nowhere but here."""

    role: str
    firm_id: UUID | None
    hospital_id: UUID | None
    department_id: UUID | None


class HospitalReached(msgspec.Struct):
    """A hospital within reach: its code stands in addresses, `actions` are what may be done there now."""

    id: UUID
    code: str
    name: str
    state: str
    actions: list[str]


class Me(msgspec.Struct):
    """Who is asking."""

    id: UUID
    name: str
    language: str
    roles: list[RoleHeld]
    hospitals: list[HospitalReached]


@get("/api/v1/me", needs=SIGNED_IN, sync_to_thread=False, summary="Say who is asking", responses=OWN_TROUBLES)
def me(visit: NamedDependency[Visit]) -> Me:
    """The person behind the session or the token, the roles held, and the hospitals within reach."""
    return Me(
        id=visit.person.id,
        name=visit.person.name,
        language=visit.person.language,
        roles=[RoleHeld(m.role.value, m.firm_id, m.tenant_id, m.department_id) for m in visit.members],
        hospitals=[
            HospitalReached(
                id=reached.face.tenant_id,
                code=code,
                name=reached.face.name,
                state=reached.face.state,
                actions=[action.value for action in Action if visit.may(action, code)],
            )
            for code, reached in visit.reached.items()
        ],
    )


handlers: list[ControllerRouterHandler | Any] = [me]
