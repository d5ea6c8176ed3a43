"""The firm's people, with their roles and hospitals; and what else stands among the firm's settings."""

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
from foundation.runtime import Runtime
from foundation.web.errors import NotFound
from foundation.web.pages import page, redirect
from tenants import queries, reach
from tenants.identity import accounts, people, people_list, people_pages, signin
from tenants.identity.people_pages import AccountForm, Codes, PersonForm, RoleForm
from tenants.oversight.firm_audit import note
from tenants.rights import ASSIGNED_ONLY, HOSPITAL_ROLES, Action
from tenants.visit import Visit


class AssignmentForm(msgspec.Struct):
    """The hospitals of an agent: codes."""

    assigned: Codes = ()


@get("/firm/people", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def people_page(visit: NamedDependency[Visit]) -> Response[str]:
    """Everybody with a role at the firm or its hospitals, and a form to invite somebody."""
    with visit.firm(Action.WITHDRAW_ACCESS) as session:
        manager = people.manager_of(visit, session)
        hospitals = queries.hospitals_of(session)
        lines = people_list.people_of(session, [row.tenant_id for row in hospitals], visit.now)
        assigned = reach.hospitals_of_agents(session)
    return page(
        "tenants/people.html",
        visit=visit,
        active="settings",
        people=lines,
        base="/firm/people",
        hospitals=hospitals,
        hospital_of={row.tenant_id: row for row in hospitals},
        codes=[(row.code, bilingual({"zh": row.name, "en": row.name_en})) for row in hospitals],
        assigned=assigned,
        assignable=ASSIGNED_ONLY,
        **people_pages.choices(manager, visit),
    )


@post("/firm/people", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def invite(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[PersonForm],
) -> Response[str]:
    """Offer somebody a role at the firm or at one of its hospitals."""
    with visit.firm(Action.MANAGE_PEOPLE) as session:
        manager = people.manager_of(visit, session)
        reached = visit.reached.get(data.hospital)
        at = reached.face.tenant_id if reached and data.role in HOSPITAL_ROLES else None
        wanted = people_pages.wanted_of(session, data, at)
        outcome = accounts.invite(session, manager, wanted, runtime.settings, now=visit.now)
        invited = signin.find_account(session, wanted.contact)
        if wanted.role in ASSIGNED_ONLY and invited is not None:
            chosen = _tenants(visit, data.assigned) & manager.tenant_ids
            before = reach.hospitals_of_agent(session, invited.id)
            reach.set_hospitals(session, invited.id, chosen | before, visit.now)
    return people_pages.told(outcome, people_pages.site(request))


@post("/firm/people/{person_id:uuid}/invitation", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def invite_again(
    person_id: FromPath[UUID],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    visit: NamedDependency[Visit],
) -> Response[str]:
    """A fresh invitation."""
    with visit.firm(Action.MANAGE_PEOPLE) as session:
        manager = people.manager_of(visit, session)
        outcome = accounts.invite_again(session, manager, person_id, runtime.settings, now=visit.now)
    return people_pages.told(outcome, people_pages.site(request))


@post("/firm/people/{person_id:uuid}/account", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def act_on_account(
    person_id: FromPath[UUID], visit: NamedDependency[Visit], data: URLEncodedBody[AccountForm]
) -> Redirect:
    """Close or open an account's access to the firm, or help it back in."""
    with visit.firm(people_pages.asked_for(data.act, "close")) as session:
        manager = people.manager_of(visit, session)
        people_pages.act_on_account(session, manager, person_id, data.act, visit)
    return redirect("/firm/people", notice=_("Saved."))


@post("/firm/people/roles/{role_id:uuid}", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def act_on_role(
    role_id: FromPath[UUID], visit: NamedDependency[Visit], data: URLEncodedBody[RoleForm]
) -> Redirect:
    """Change a role, or take it away."""
    with visit.firm(people_pages.asked_for(data.act, "remove")) as session:
        people_pages.act_on_role(session, people.manager_of(visit, session), role_id, data, visit)
    return redirect("/firm/people", notice=_("Saved."))


@post("/firm/people/{person_id:uuid}/hospitals", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def set_hospitals(
    person_id: FromPath[UUID], visit: NamedDependency[Visit], data: URLEncodedBody[AssignmentForm]
) -> Redirect:
    """Which hospitals an agent of the firm works for."""
    with visit.firm(Action.MANAGE_PEOPLE) as session:
        lines = people_list.people_of(session, [], visit.now)
        agents = {line.person_id for line in lines if any(r.role in ASSIGNED_ONLY for r in line.roles)}
        if person_id not in agents:
            raise NotFound
        reach.set_hospitals(session, person_id, _tenants(visit, data.assigned), visit.now)
        note(session, "tenants.hospitals_assigned", now=visit.now, subject=f"person:{person_id}")
    return redirect("/firm/people", notice=_("Saved."))


def _tenants(visit: Visit, codes: Codes) -> frozenset[UUID]:
    chosen = (codes,) if isinstance(codes, str) else codes
    return frozenset(visit.reached[code].face.tenant_id for code in chosen if code in visit.reached)


handlers = [people_page, invite, invite_again, act_on_account, act_on_role, set_hospitals]
