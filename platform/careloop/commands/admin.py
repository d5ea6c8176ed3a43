"""Making firms, hospitals and people from the command line."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from careloop.assemble import assembled, database_server
from careloop.commands.directory import ACTOR, directory_entry
from careloop.commands.errors import CommandMistake
from careloop.commands.output import report
from foundation.ids import new_id
from foundation.runtime import Runtime
from foundation.scope import FirmScope, HospitalScope, PlatformScope
from foundation.settings import Settings
from tenants.identity import invitations, signin
from tenants.life.agreement import sign_usual
from tenants.life.onboarding import prepare
from tenants.rights import SIDES, Role
from tenants.service import NewHospital, add_member, create_firm, create_hospital, invite_person, make_person
from workforce.service import assign

Json = Annotated[bool, Parameter(name="--json", negative=())]


def firm_create(*, code: str, name: str, name_en: str = "", json: Json = False) -> None:
    """Make an outsourcing firm.

    Parameters
    ----------
    code
        Short code of small letters, digits and hyphens.
    name
        The firm's name.
    name_en
        Its English name.
    json
        Print one JSON object.
    """
    settings = Settings()
    with (
        database_server(settings, purpose="careloop firm create") as server,
        assembled(settings, server, name="firm") as parts,
        parts.database.firm(FirmScope(new_id(), (), ACTOR, "command line")) as session,
    ):
        firm = create_firm(session, code=code, name=name, name_en=name_en, now=parts.clock.now())
        made = {"firm": code, "id": str(firm.firm_id)}
    report(made, as_json=json)


def hospital_create(
    *,
    firm: str,
    code: str,
    name: str,
    hospital_type: Annotated[str, Parameter(name="--type")],
    region: str,
    grade: str,
    name_en: str = "",
    brand: str = "",
    beds: int | None = None,
    json: Json = False,
) -> None:
    """Make a hospital of a firm, active at once: whoever types this holds its signed contract.

    Through the pages a hospital goes through onboarding instead.

    Parameters
    ----------
    firm
        The firm's code.
    code
        Short code of the hospital; it stands in the addresses of its pages.
    name
        The hospital's name.
    hospital_type
        general, specialist, tcm, maternal or checkup.
    region
        Region code of GB/T 2260, six digits.
    grade
        1A to 3S, or none.
    name_en
        Its English name.
    brand
        The group it belongs to.
    beds
        Number of licensed beds.
    json
        Print one JSON object.
    """
    new = NewHospital(code, name, name_en, hospital_type, region, grade, brand, beds)
    report(_make_hospital(firm, new), as_json=json)


def _make_hospital(firm: str, new: NewHospital) -> dict[str, str]:
    settings = Settings()
    with (
        database_server(settings, purpose="careloop hospital create") as server,
        assembled(settings, server, name="hospital") as parts,
    ):
        entry = directory_entry(parts, firm, "firm")
        now = parts.clock.now()
        with parts.database.firm(FirmScope(entry.firm_id, (), ACTOR, "command line")) as session:
            tenant_id = create_hospital(session, new, now=now).tenant_id
        with parts.database.hospital(HospitalScope(tenant_id, ACTOR, "command line")) as hospital:
            prepare(hospital, now=now)
            terms = sign_usual(hospital, by=ACTOR.name, now=now)
        agreed = f"usual processing agreement in force from {terms.valid_from}; the hospital is active"
        return {"firm": firm, "hospital": new.code, "id": str(tenant_id), "agreement": agreed}


def person_invite(
    *,
    role: Role,
    email: str,
    firm: str | None = None,
    hospital: str | None = None,
    name: str | None = None,
    json: Json = False,
) -> None:
    """Invite a person; prints the link with which they set a password. An operator belongs to no firm.

    Parameters
    ----------
    role
        The role; with --hospital an agent is assigned to that hospital.
    email
        Where the person is reached; also what they sign in with.
    firm
        The firm's code.
    hospital
        The hospital's code.
    name
        The person's name; the first part of the e-mail by default.
    json
        Print one JSON object.
    """
    settings = Settings()
    with (
        database_server(settings, purpose="careloop person invite") as server,
        assembled(settings, server, name="person") as parts,
    ):
        called = name or email.split("@", maxsplit=1)[0]
        address = settings.public_url or f"http://{settings.host}:{settings.port}"
        if SIDES[role] == "platform":
            token: str | None = _invite_operator(parts, role, email, called)
        else:
            token = _invite_member(parts, role, email, called, _place(parts, role, firm, hospital))
        link = invitations.link(address, token) if token else None
    report({"person": email, "role": role.value, "hospital": hospital, "link": link}, as_json=json)


def _invite_member(
    parts: Runtime, role: Role, email: str, name: str, place: tuple[UUID, UUID | None]
) -> str | None:
    """Somebody of a firm or of one of its hospitals; None for an account that has a password."""
    firm_id, tenant_id = place
    now, of_hospital = parts.clock.now(), SIDES[role] == "hospital"
    tenants = () if tenant_id is None else (tenant_id,)
    with parts.database.firm(FirmScope(firm_id, tenants, ACTOR, "command line")) as session:
        invited = invite_person(
            session,
            email=email,
            name=name,
            role=role,
            now=now,
            tenant_id=tenant_id if of_hospital else None,
        )
        if role is Role.AGENT and tenant_id is not None:
            assign(session, invited.person.id, tenant_id, now)
    return invited.token


def _invite_operator(parts: Runtime, role: Role, email: str, name: str) -> str:
    """An operator of the platform, who sees no patient; only whoever runs the installation makes one."""
    if role is not Role.OPERATOR:
        raise CommandMistake(
            f"Nobody is given the role {role.value}; it comes with a granted support request."
        )
    now = parts.clock.now()
    with parts.database.platform(PlatformScope(ACTOR, "command line")) as session:
        if signin.find_account(session, email) is not None:
            raise CommandMistake(f"{email} has an account; an operator needs one of their own.")
        person = make_person(session, email=email, name=name, language="zh_Hans", now=now)
        add_member(session, person.id, role, now=now, accepted=False)
        _, token = invitations.create(session, person, channel="link", now=now)
    return token


def _place(parts: Runtime, role: Role, firm: str | None, hospital: str | None) -> tuple[UUID, UUID | None]:
    """The firm and, where one was named, the hospital that a role is given at."""
    if SIDES[role] == "hospital" and hospital is None:
        raise CommandMistake(f"The role {role.value} is held at a hospital: name it with --hospital.")
    if hospital is None:
        if firm is None:
            raise CommandMistake("Name the firm with --firm, or the hospital with --hospital.")
        return directory_entry(parts, firm, "firm").firm_id, None
    entry = directory_entry(parts, hospital, "hospital")
    if firm is not None and directory_entry(parts, firm, "firm").firm_id != entry.firm_id:
        raise CommandMistake(f"The hospital {hospital} is not served by the firm {firm}.")
    return entry.firm_id, entry.tenant_id


firm_group = App(name="firm", help="Outsourcing firms.")
firm_group.command(firm_create, name="create")
hospital_group = App(name="hospital", help="Hospitals.")
hospital_group.command(hospital_create, name="create")
person_group = App(name="person", help="People who sign in.")
person_group.command(person_invite, name="invite")
