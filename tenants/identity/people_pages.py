"""The people of one hospital: its own manager's page; and what both pages of people have in common."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation import audit
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.web.errors import UserMistake
from foundation.web.pages import fragment, page, redirect
from tenants import service
from tenants.identity import accounts, invitations, people, people_list
from tenants.identity.people import Manager, SideSession
from tenants.rights import SIDES, Action, Role, role_name
from tenants.visit import Visit

# A form in which one box is ticked brings a text, with several a list.
Codes = str | tuple[str, ...]


class PersonForm(msgspec.Struct):
    """Somebody to invite, as typed: by e-mail or by mobile number."""

    name: str
    role: str
    email: str = ""
    phone: str = ""
    hospital: str = ""
    department: str = ""
    assigned: Codes = ()


class RoleForm(msgspec.Struct):
    """What to do with one role: `remove`, or make it another one."""

    act: str
    role: str = ""
    department: str = ""


class AccountForm(msgspec.Struct):
    """What to do with an account: one of `ACTS`."""

    act: str


class DepartmentForm(msgspec.Struct):
    """New departments, one a line."""

    names: str


ACTS = {
    "close": people.close,
    "reopen": accounts.reopen,
    "unlock": accounts.unlock,
    "reset_second_factor": accounts.reset_second_factor,
    "unlink": accounts.unlink,
}


@get("/h/{code:str}/people", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def hospital_people(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Everybody with a role at the hospital, its departments, and a form to invite somebody."""
    with visit.hospital(code, Action.WITHDRAW_ACCESS) as session:
        manager = people.manager_of(visit, session)
        lines = people_list.people_of(session, [session.tenant_id], visit.now)
        departments = people_list.departments_of(session, session.tenant_id)
    return page(
        "tenants/hospital_people.html",
        visit=visit,
        active="settings",
        people=lines,
        base=f"/h/{code}/people",
        departments=departments,
        headless={
            row.id for row in people_list.headless(departments, lines, visit.reached[code].face.tenant_id)
        },
        **choices(manager, visit),
    )


@post("/h/{code:str}/people", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def hospital_invite(
    code: FromPath[str],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[PersonForm],
) -> Response[str]:
    """Offer somebody a role at the hospital."""
    with visit.hospital(code, Action.MANAGE_PEOPLE) as session:
        manager = people.manager_of(visit, session)
        wanted = wanted_of(session, data, session.tenant_id)
        outcome = accounts.invite(session, manager, wanted, runtime.settings, now=visit.now)
    return told(outcome, site(request))


@post("/h/{code:str}/people/{person_id:uuid}/invitation", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def hospital_invite_again(
    code: FromPath[str],
    person_id: FromPath[UUID],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    visit: NamedDependency[Visit],
) -> Response[str]:
    """A fresh invitation."""
    with visit.hospital(code, Action.MANAGE_PEOPLE) as session:
        manager = people.manager_of(visit, session)
        outcome = accounts.invite_again(session, manager, person_id, runtime.settings, now=visit.now)
    return told(outcome, site(request))


@post("/h/{code:str}/people/{person_id:uuid}/account", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def hospital_account(
    code: FromPath[str],
    person_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[AccountForm],
) -> Redirect:
    """Close or open an account's access here, or help it back in."""
    with visit.hospital(code, asked_for(data.act, "close")) as session:
        act_on_account(session, people.manager_of(visit, session), person_id, data.act, visit)
    return redirect(f"/h/{code}/people", notice=_("Saved."))


@post("/h/{code:str}/people/roles/{role_id:uuid}", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def hospital_role(
    code: FromPath[str],
    role_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[RoleForm],
) -> Redirect:
    """Change a role, or take it away."""
    with visit.hospital(code, asked_for(data.act, "remove")) as session:
        act_on_role(session, people.manager_of(visit, session), role_id, data, visit)
    return redirect(f"/h/{code}/people", notice=_("Saved."))


@post("/h/{code:str}/departments", needs=Action.MANAGE_PEOPLE, sync_to_thread=True)
def add_departments(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[DepartmentForm]
) -> Redirect:
    """Add departments, one a line; those already there stay."""
    names = [name.strip() for name in data.names.splitlines() if name.strip()]
    if not names or any(len(name) > 40 for name in names):
        raise UserMistake(_("Type the name of each department, at most 40 letters, one a line."))
    with visit.hospital(code, Action.MANAGE_PEOPLE) as session:
        before = {row.name for row in people_list.departments_of(session, session.tenant_id)}
        service.add_departments(session, session.tenant_id, names)
        detail = {"count": len(set(names) - before)}
        audit.record(session, "tenants.departments_added", now=visit.now, detail=detail)
    return redirect(f"/h/{code}/people", notice=_("Saved."))


def choices(manager: Manager, visit: Visit) -> dict[str, Any]:
    """What both pages offer: the roles this manager may give, and what a template asks."""
    return {
        "gives": manager.gives,
        "me": manager.person_id,
        "roles": [(role.value, role_name(role)) for role in Role if role in manager.gives],
        "role_name": role_name,
        "sides": SIDES,
        "now": visit.now,
    }


def wanted_of(session: SideSession, data: PersonForm, tenant_id: UUID | None) -> accounts.Wanted:
    """The form as the service wants it; raises `UserMistake`."""
    if data.role not in list(Role):
        raise UserMistake(_("Choose a role."))
    contacts = [text for text in (data.email.strip(), data.phone.strip()) if text]
    if len(contacts) != 1:
        raise UserMistake(_("Type an e-mail address or a mobile number, one of the two."))
    role = Role(data.role)
    return accounts.Wanted(
        name=data.name,
        contact=contacts[0],
        role=role,
        tenant_id=tenant_id,
        department_id=_department(session, role, tenant_id, data.department),
    )


def asked_for(act: str, taking_away: str) -> Action:
    """The right that this needs: to shut somebody out is always possible, everything else is a change."""
    return Action.WITHDRAW_ACCESS if act == taking_away else Action.MANAGE_PEOPLE


def act_on_account(session: SideSession, manager: Manager, person_id: UUID, act: str, visit: Visit) -> None:
    """Do one of `ACTS`; raises `UserMistake`."""
    if act not in ACTS:
        raise UserMistake(_("Choose what to do."))
    ACTS[act](session, manager, person_id, now=visit.now)


def act_on_role(session: SideSession, manager: Manager, role_id: UUID, data: RoleForm, visit: Visit) -> None:
    """Take a role away or make it another one; raises `UserMistake`."""
    held = people.membership(session, manager, role_id)
    if data.act == "remove":
        people.remove(session, manager, held, now=visit.now)
        return
    if data.act != "change" or data.role not in list(Role):
        raise UserMistake(_("Choose what to do."))
    role = Role(data.role)
    department_id = _department(session, role, held.tenant_id, data.department)
    people.change(session, manager, held, role, department_id, now=visit.now)


def told(outcome: accounts.Outcome, address: str) -> Response[str]:
    """What an invitation came to: sent, a link to hand over, or an offer."""
    link = None if outcome.token is None else invitations.link(address, outcome.token)
    return fragment("tenants/_invited.html", outcome=outcome, link=link)


def site(request: Request[Any, Any, Any]) -> str:
    """The address of this site as people type it, without a slash at its end."""
    given: str = request.app.state.runtime.settings.public_url
    return given.rstrip("/") or str(request.base_url).rstrip("/")


def _department(session: SideSession, role: Role, tenant_id: UUID | None, name: str) -> UUID | None:
    if role is not Role.DEPARTMENT_HEAD or tenant_id is None:
        return None
    plain = name.strip()
    if not plain:
        raise UserMistake(_("Which department does this person head?"))
    if len(plain) > service.DEPARTMENT_LENGTH:
        raise UserMistake(
            _("A department's name has at most {count} letters.", count=service.DEPARTMENT_LENGTH)
        )
    return service.add_departments(session, tenant_id, [plain])[plain]


handlers = [
    hospital_people,
    hospital_invite,
    hospital_invite_again,
    hospital_account,
    hospital_role,
    add_departments,
]
