"""Setting the stage: the firm, its hospitals, their people and contracts, all made by the product's
services.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.service import Seller, Terms, ensure_contract
from careloop.demo.cast import (
    AGENTS,
    FIRM_CODE,
    FIRM_NAME,
    FIRM_NAME_EN,
    FIRM_PEOPLE,
    HOSPITAL_PEOPLE,
    HOSPITALS,
    OPERATOR,
    DemoHospital,
    DemoPerson,
)
from foundation.calendar import first_of_month, local_date
from foundation.database import Database, FirmSession, HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from tenants.life.agreement import USUAL_PURPOSES, sign_usual
from tenants.life.agreement_drafts import assess
from tenants.life.onboarding import prepare
from tenants.rights import Role
from tenants.service import (
    NewHospital,
    add_departments,
    add_member,
    create_firm,
    create_hospital,
    make_person,
)
from workforce.service import assign

SELLER = Seller(
    name=FIRM_NAME,
    name_en=FIRM_NAME_EN,
    bank="示例银行河清分行",
    account="6200 0000 0000 0000",
    tax_number="91130100DEMO00000X",
)
ASSESSED = "数据仅限随访所需,号码与原话加密保存,列表脱敏,查看留痕;影响有限,已采取的措施与风险相称。"
TELLER = Actor.system("careloop demo")


@dataclass(frozen=True, slots=True)
class StageHospital:
    """A hospital of the story as it stands in the database, with who takes its complaints up."""

    cast: DemoHospital
    tenant_id: UUID
    officer: Actor
    head: Actor


@dataclass
class Stage:
    """Everything that was set up: what the story plays on."""

    database: Database
    firm_id: UUID
    hospitals: list[StageHospital] = field(default_factory=list)
    agents: list[tuple[Actor, tuple[UUID, ...]]] = field(default_factory=list)
    operations: Actor = TELLER
    director: Actor = TELLER

    @contextmanager
    def hospital(self, hospital: StageHospital, actor: Actor = TELLER) -> Iterator[HospitalSession]:
        """One transaction over one hospital."""
        with self.database.hospital(HospitalScope(hospital.tenant_id, actor, "demo")) as session:
            yield session

    @contextmanager
    def firm(self, actor: Actor = TELLER, only: tuple[UUID, ...] | None = None) -> Iterator[FirmSession]:
        """One transaction over the firm and its hospitals, or those an agent works for."""
        tenants = only if only is not None else tuple(hospital.tenant_id for hospital in self.hospitals)
        with self.database.firm(FirmScope(self.firm_id, tenants, actor, "demo")) as session:
            yield session


def set_stage(database: Database, now: datetime, hospitals: Sequence[DemoHospital] = HOSPITALS) -> Stage:
    """Make the firm, its hospitals and everybody in them."""
    stage = Stage(database, new_id())
    with stage.firm() as session:
        create_firm(session, code=FIRM_CODE, name=FIRM_NAME, name_en=FIRM_NAME_EN, now=now)
    for cast in hospitals:
        _add_hospital(stage, cast, now)
    with stage.firm() as session:
        _add_firm_people(session, stage, now)
    with database.platform(PlatformScope(TELLER, "demo")) as platform:
        operator = make_person(
            platform, email=OPERATOR.email, name=OPERATOR.name, language="zh_Hans", now=now
        )
        add_member(platform, operator.id, Role.OPERATOR, now=now)
    return stage


def _add_hospital(stage: Stage, cast: DemoHospital, now: datetime) -> None:
    with stage.firm() as session:
        made = create_hospital(
            session,
            NewHospital(
                code=cast.code,
                name=cast.name,
                name_en=cast.name_en,
                hospital_type=cast.hospital_type,
                region=cast.region,
                grade=cast.grade,
                brand=cast.brand,
                beds=cast.beds,
            ),
            now=now,
        )
        tenant_id = made.tenant_id
        stage.hospitals.append(StageHospital(cast, tenant_id, TELLER, TELLER))
    with stage.firm() as session:
        actors: dict[str, Actor] = {}
        for person in _people_of(cast):
            actors.setdefault(person.role, add_person(session, person, tenant_id, now))
    stage.hospitals[-1] = StageHospital(
        cast, tenant_id, officer=actors["hospital_admin"], head=actors["department_head"]
    )
    with stage.hospital(stage.hospitals[-1]) as session:
        prepare(session, now=now)
        sign_usual(session, by=FIRM_NAME, for_hospital=actors["hospital_gm"].name, now=now)
        for purpose in USUAL_PURPOSES:
            assess(
                session,
                purpose,
                assessed_on=local_date(now),
                assessed_by=actors["hospital_admin"].name,
                summary=ASSESSED,
                now=now,
            )
        ensure_contract(
            session,
            starts_on=first_of_month(local_date(now)),
            now=now,
            terms=Terms(billing_email=f"finance@{cast.code}.example", seller=SELLER),
        )


def _people_of(cast: DemoHospital) -> list[DemoPerson]:
    """The named people of a hospital; the others get one of each that the story needs."""
    named = [person for person in HOSPITAL_PEOPLE if person.hospital == cast.code]
    short = cast.name[:2]
    needed = {
        "hospital_gm": f"{short}院长",
        "hospital_admin": f"{short}客服主任",
        "department_head": f"{short}科主任",
    }
    have = {person.role for person in named}
    return named + [
        DemoPerson(name, f"{role.replace('_', '.')}@{cast.code}.example", role, cast.code)
        for role, name in needed.items()
        if role not in have
    ]


def _add_firm_people(session: FirmSession, stage: Stage, now: datetime) -> None:
    by_code = {hospital.cast.code: hospital.tenant_id for hospital in stage.hospitals}
    for person in AGENTS:
        actor = add_person(session, person, None, now)
        serves = tuple(by_code[code] for code in person.serves if code in by_code)
        for tenant_id in serves:
            assign(session, _id(actor), tenant_id, now)
        stage.agents.append((actor, serves))
    for person in FIRM_PEOPLE:
        actor = add_person(session, person, None, now)
        if person.role == "operations":
            stage.operations = actor
        if person.role == "firm_gm":
            stage.director = actor


def add_person(session: FirmSession, person: DemoPerson, tenant_id: UUID | None, now: datetime) -> Actor:
    """A person without a password: in the demo people are entered with one click, elsewhere by invitation."""
    made = make_person(session, email=person.email, name=person.name, language="zh_Hans", now=now)
    department = None
    if person.department is not None and tenant_id is not None:
        department = add_departments(session, tenant_id, [person.department])[person.department]
    add_member(
        session,
        made.id,
        Role(person.role),
        firm_id=None if tenant_id else session.firm_id,
        tenant_id=tenant_id,
        department_id=department,
        now=now,
    )
    return Actor("person", made.id, made.name)


def _id(actor: Actor) -> UUID:
    if actor.id is None:
        msg = "a person of the demo has no id"
        raise TypeError(msg)
    return actor.id
