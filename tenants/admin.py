"""The firm's settings: its people with their roles and hospitals."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import bilingual
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from tenants import queries, reach, service
from tenants.rights import ASSIGNED_ONLY, SIDES, Action, Role, role_name
from tenants.visit import Visit

# A form in which one box is ticked brings a text, with several a list.
Codes = str | tuple[str, ...]
ROLES = tuple(role for role in Role if SIDES[role] != "platform")


class PersonForm(msgspec.Struct):
    """Somebody to invite, as typed."""

    name: str
    email: str
    role: str
    hospital: str = ""
    department: str = ""
    assigned: Codes = ()


class AssignmentForm(msgspec.Struct):
    """The hospitals of an agent: codes."""

    assigned: Codes = ()


@get("/firm/people", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def people_page(visit: NamedDependency[Visit]) -> Response[str]:
    """Everybody with a role at the firm or its hospitals, and a form to invite somebody."""
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        hospitals = queries.hospitals_of(session)
        people = queries.people_of(session, [row.tenant_id for row in hospitals], visit.now)
        assigned = reach.hospitals_of_agents(session)
    return page(
        "tenants/people.html",
        visit=visit,
        active="settings",
        people=people,
        hospitals=hospitals,
        hospital_of={row.tenant_id: row for row in hospitals},
        choices=[(row.code, bilingual({"zh": row.name, "en": row.name_en})) for row in hospitals],
        assigned=assigned,
        assignable=ASSIGNED_ONLY,
        roles=[(role.value, role_name(role)) for role in ROLES],
        role_name=role_name,
    )


@post("/firm/people", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def invite(
    request: Request[Any, Any, Any], visit: NamedDependency[Visit], data: URLEncodedBody[PersonForm]
) -> Response[str]:
    """Give somebody a role; shows the link to hand over, this once."""
    if data.role not in ROLES:
        raise UserMistake(_("Choose a role."))
    role = Role(data.role)
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        tenant_id = visit.reached[data.hospital].face.tenant_id if data.hospital in visit.reached else None
        at = tenant_id if SIDES[role] == "hospital" else None
        department_id = None
        if role is Role.DEPARTMENT_HEAD and at is not None:
            if not data.department.strip():
                raise UserMistake(_("Which department does this person head?"))
            department_id = service.add_departments(session, at, [data.department])[data.department.strip()]
        invited = service.invite_person(
            session,
            email=data.email,
            name=data.name,
            role=role,
            tenant_id=at,
            department_id=department_id,
            now=visit.now,
        )
        if role in ASSIGNED_ONLY:
            chosen = _tenants(visit, data.assigned)
            reach.set_hospitals(
                session,
                invited.person.id,
                chosen | reach.hospitals_of_agent(session, invited.person.id),
                visit.now,
            )
    link = f"{_site(request)}/invitation/{invited.token}" if invited.token else None
    return fragment("tenants/_invited.html", person=invited.person, link=link)


@post("/firm/people/{person_id:uuid}/hospitals", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def set_hospitals(
    person_id: FromPath[UUID], visit: NamedDependency[Visit], data: URLEncodedBody[AssignmentForm]
) -> Redirect:
    """Which hospitals an agent of the firm works for."""
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        lines = queries.people_of(session, [], visit.now)
        if not any(line.person_id == person_id and line.role in ASSIGNED_ONLY for line in lines):
            raise NotFound
        reach.set_hospitals(session, person_id, _tenants(visit, data.assigned), visit.now)
        note(session, "tenants.hospitals_assigned", now=visit.now, subject=f"person:{person_id}")
    return redirect("/firm/people", notice=_("Saved."))


def _tenants(visit: Visit, codes: Codes) -> frozenset[UUID]:
    chosen = (codes,) if isinstance(codes, str) else codes
    return frozenset(visit.reached[code].face.tenant_id for code in chosen if code in visit.reached)


def _site(request: Request[Any, Any, Any]) -> str:
    given: str = request.app.state.runtime.settings.public_url
    return given.rstrip("/") or str(request.base_url).rstrip("/")


handlers = [people_page, invite, set_hospitals]
