"""Two firms of three hospitals each, with one of everything in each, and who may reach what.

What a hospital holds is marked: its names, numbers and texts contain its mark, so that a single foreign
word in an answer shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from litestar import Litestar
from litestar.routes import HTTPRoute
from sqlalchemy import Connection, text
from world import NOW, agreement_of

from billing.service import close_month, ensure_contract, issue
from careloop.models import table_classes
from foundation.database import Database, HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from patients import importing
from patients.models import Patient
from reporting.monthly import make_report
from tenants import service
from tenants.models import HospitalPhase
from tenants.rights import ASSIGNED_ONLY, SIDES, Role
from workforce.service import assign

AUGUST = date(2026, 8, 1)
MARKS = ("甲鸞", "乙鸞", "丙鸞", "丁鸞", "戊鸞", "己鸞")
SYSTEM = Actor.system("test")


@dataclass(frozen=True)
class Place:
    """One hospital: its mark is in every name and text that it holds, its digits in every number."""

    firm: int
    firm_id: UUID
    tenant_id: UUID
    code: str
    mark: str
    digits: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen elsewhere."""
        return (self.mark, self.digits, str(self.tenant_id))


@dataclass
class Reality:
    """The places, the people, and what each of them may reach as an auditor would write it down."""

    db: Database
    places: list[Place]
    people: dict[UUID, tuple[Role, int | None, int | None]] = field(default_factory=dict)
    assigned: dict[UUID, set[int]] = field(default_factory=dict)
    ids: dict[int, list[UUID]] = field(default_factory=dict)

    def reach(self, person: UUID) -> set[int]:
        """Which places this person may know of: said without asking the product."""
        role, firm, place = self.people[person]
        if SIDES[role] == "hospital":
            return set() if place is None else {place}
        if SIDES[role] == "firm":
            own = {i for i, p in enumerate(self.places) if p.firm == firm}
            return self.assigned.get(person, set()) if role in ASSIGNED_ONLY else own
        return set()

    def foreign(self, person: UUID) -> list[int]:
        """The places this person may not know of."""
        return [i for i in range(len(self.places)) if i not in self.reach(person)]


def build(db: Database) -> Reality:
    """Make all of it."""
    places: list[Place] = []
    for firm in range(2):
        firm_id = new_id()
        own = FirmScope(firm_id, (), SYSTEM, "test")
        with db.firm(own) as session:
            service.create_firm(session, code=f"firm{firm}", name=f"公司{firm}", name_en="", now=NOW)
        for _ in range(3):
            mark = MARKS[len(places)]
            code = f"place{len(places)}"
            new = service.NewHospital(code, f"{mark}医院", "", "general", "130100", "3A")
            with db.firm(own) as session:
                tenant_id = service.create_hospital(session, new, now=NOW).tenant_id
            digits = f"1390{len(places)}7"
            places.append(Place(firm, firm_id, tenant_id, code, mark, digits))
    reality = Reality(db, places)
    for number, place in enumerate(places):
        with db.hospital(HospitalScope(place.tenant_id, SYSTEM, "test")) as session:
            _fill(session, place)
        _staff(reality, number)
    _collect(reality)
    return reality


def _fill(session: HospitalSession, place: Place) -> None:
    """A list of patients through the product's own import, an invoice, a month."""
    have = session.scalar(text("SELECT count(*) FROM processing_agreement"))
    if not have:
        session.add(agreement_of(place.tenant_id))
    if not session.scalar(text("SELECT count(*) FROM hospital_phase")):
        session.add(
            HospitalPhase(tenant_id=place.tenant_id, state="active", started_at=NOW, reason="", by_name="")
        )
    session.flush()
    service.add_departments(session, place.tenant_id, [f"{place.mark}科"])
    rows = "病案号,姓名,性别,年龄,联系电话,出院日期,出院科室\n" + "".join(
        f"{place.mark}{n},{place.mark}{n}号,男,50,{place.digits}0000{n},2026-08-{10 + n},{place.mark}科\n"
        for n in range(4)
    )
    importing.import_file(session, rows.encode(), f"{place.mark}.csv", by="陈静", now=NOW)
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    issue(session, close_month(session, AUGUST, now=NOW).id, now=NOW)
    make_report(session, AUGUST, by="何琳", now=NOW)
    assert session.query(Patient).count() == 4


def _staff(reality: Reality, number: int) -> None:
    """Somebody of each role: the hospital's roles at each place, the firm's once a firm."""
    place = reality.places[number]
    for role in Role:
        side = SIDES[role]
        if role is Role.SUPPORT or (side == "firm" and number % 3) or (side == "platform" and number):
            continue
        with reality.db.platform(PlatformScope(SYSTEM, "test")) as session:
            person = service.make_person(
                session,
                email=f"{role.value}-{number}@example.com",
                name=f"{role.value}{number}",
                language="zh_Hans",
                now=NOW,
            )
            service.add_member(
                session,
                person.id,
                role,
                now=NOW,
                firm_id=place.firm_id if side == "firm" else None,
                tenant_id=place.tenant_id if side == "hospital" else None,
            )
        reality.people[person.id] = (
            role,
            place.firm if side == "firm" else None,
            number if side == "hospital" else None,
        )
        if role in ASSIGNED_ONLY:
            with firm_session(reality, place.firm) as firm:
                assign(firm, person.id, place.tenant_id, NOW)
            reality.assigned[person.id] = {number}


def firm_session(reality: Reality, firm: int) -> Any:
    """A session over one firm with all its places."""
    own = [p for p in reality.places if p.firm == firm]
    return reality.db.firm(FirmScope(own[0].firm_id, tuple(p.tenant_id for p in own), SYSTEM, "test"))


def tenant_tables() -> list[str]:
    """Every table of hospitals, by name."""
    return sorted(
        name
        for name, mapped in table_classes().items()
        if mapped.table_class == "tenant" and not getattr(mapped, "anchor", False)
    )


def _collect(reality: Reality) -> None:
    """The id of every row of each place: what somebody who is not to see it might try."""
    union = " UNION ALL ".join(f"SELECT tenant_id, id FROM {name}" for name in tenant_tables())
    for firm in range(2):
        with firm_session(reality, firm) as session:
            for tenant_id, row_id in session.execute(text(union)):
                number = next(i for i, p in enumerate(reality.places) if p.tenant_id == tenant_id)
                reality.ids.setdefault(number, []).append(row_id)


# What may change in a place although somebody else's request was refused: the refusal itself is on record.
UNWATCHED = {"audit_event"}


def prints(reality: Reality) -> dict[int, str]:
    """A fingerprint of everything each place holds, in one statement a firm."""
    parts = " UNION ALL ".join(
        f"SELECT tenant_id, '{name}' AS held, count(*) AS rows, sum(hashtextextended(t::text, 0)) AS content"
        f" FROM {name} t GROUP BY tenant_id"
        for name in tenant_tables()
        if name not in UNWATCHED
    )
    statement = text(
        "SELECT tenant_id, md5(string_agg(held || rows || ':' || content, ',' ORDER BY held))"
        f" FROM ({parts}) p GROUP BY tenant_id"
    )
    found: dict[int, str] = {}
    for firm in range(2):
        with firm_session(reality, firm) as session:
            rows = {row[0]: row[1] for row in session.execute(statement)}
        for number, place in enumerate(reality.places):
            if place.firm == firm:
                found[number] = rows.get(place.tenant_id, "")
    return found


@dataclass(frozen=True)
class Route:
    """One address of the application and how it is asked."""

    method: str
    path: str
    raw: str
    handler: Any

    def address(self, values: Mapping[str, Any]) -> str:
        """The address with these values, and an unknown id where none is given."""
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: str(values.get(part[1], new_id())), self.path)

    @property
    def names(self) -> list[str]:
        """The names of its path parameters."""
        return re.findall(r"\{(\w+)", self.path)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of its form."""
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return tuple(getattr(data.annotation, "__struct_fields__", ())) if data else ()


# Addresses that end the sign-in itself, or are files for everybody.
LEFT_OUT = ("/static", "/api/schema", "/signin", "/signout", "/health", "/demo", "/webhooks", "/language")


def routes(app: Litestar) -> Iterator[Route]:
    """Every page, form and programming interface."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith(LEFT_OUT):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                    yield Route(method, route.path_format, route.path, handler)


def raw_scope(connection: Connection, place: Place) -> None:
    """Speak as the runtime role with the scope of one place, without any of our code."""
    connection.execute(
        text("SELECT set_config('careloop.tenant_ids', :t, true), set_config('careloop.firm_id', :f, true)"),
        {"t": f"{{{place.tenant_id}}}", "f": str(place.firm_id)},
    )
