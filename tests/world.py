"""The small world most tests live in: one firm, two hospitals, an agent or two, and patients made on
demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from foundation.database import Database, FirmSession, HospitalSession
from foundation.encryption import DataKey, MasterKey
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, HospitalScope
from patients.models import ContactPoint, Encounter, Enrolment, Patient
from tenants.keys import data_key, seal
from tenants.life.agreement import CHANNELS, FIELDS, PURPOSES
from tenants.models import (
    Department,
    DirectoryEntry,
    Firm,
    Hospital,
    HospitalPhase,
    Membership,
    Person,
    ProcessingAgreement,
)

# A Tuesday, 10:00 in Shanghai: a working day inside calling hours.
NOW = datetime.fromisoformat("2026-09-15T10:00:00+08:00")
TODAY = date(2026, 9, 15)
_numbers = count(1)


@dataclass(frozen=True)
class TestHospital:
    """One hospital of the world."""

    __test__ = False
    tenant_id: UUID
    code: str
    departments: dict[str, UUID]


@dataclass
class World:
    """One firm, two hospitals and the people who work there."""

    db: Database
    firm_id: UUID
    heqing: TestHospital
    yunling: TestHospital
    agent: Actor
    agent2: Actor
    admin: Actor
    people: dict[str, UUID] = field(default_factory=dict)

    @contextmanager
    def hospital(self, hospital: TestHospital, actor: Actor | None = None) -> Iterator[HospitalSession]:
        """A session over one of the two hospitals."""
        with self.db.hospital(HospitalScope(hospital.tenant_id, actor or self.admin, "test")) as session:
            yield session

    @contextmanager
    def firm(self, actor: Actor | None = None, *hospitals: TestHospital) -> Iterator[FirmSession]:
        """A session over the firm and both hospitals, or those named."""
        chosen = hospitals or (self.heqing, self.yunling)
        scope = FirmScope(self.firm_id, tuple(h.tenant_id for h in chosen), actor or self.agent, "test")
        with self.db.firm(scope) as session:
            yield session

    def patient(
        self,
        session: HospitalSession,
        *,
        discharged_on: date = TODAY - timedelta(days=2),
        phone: str | None = None,
        kind: str = "inpatient",
        department: str = "骨科",
        enrolled: bool = True,
        **changes: Any,
    ) -> Patient:
        """A patient with one encounter, a number of their own and an open enrolment."""
        number = next(_numbers)
        tenant_id, key = session.tenant_id, data_key(session)
        hospital = self.heqing if tenant_id == self.heqing.tenant_id else self.yunling
        columns: dict[str, Any] = {
            "record_number": f"R{number:07d}",
            "name": "王小明",
            "sex": "M",
            "birth_date": date(1970, 5, 1),
            "age_years": 56,
            "contact_state": "reachable",
            "created_at": NOW,
            "updated_at": NOW,
            "must_not_say_cipher": seal(session, changes.pop("must_not_say", "")),
        } | changes
        patient = Patient(tenant_id=tenant_id, id=new_id(), **columns)
        session.add(patient)
        session.flush()
        digits = phone or f"138{number:08d}"
        session.add(_own_number(key, patient, digits))
        encounter = _encounter(patient, kind, hospital.departments[department], discharged_on)
        session.add(encounter)
        session.flush()
        if enrolled:
            session.add(
                Enrolment(
                    tenant_id=tenant_id,
                    patient_id=patient.id,
                    encounter_id=encounter.id,
                    started_on=discharged_on,
                    created_at=NOW,
                )
            )
            session.flush()
        return patient


def _own_number(key: DataKey, patient: Patient, digits: str) -> ContactPoint:
    return ContactPoint(
        tenant_id=patient.tenant_id,
        patient_id=patient.id,
        holder="patient",
        relation="self",
        name=patient.name,
        number_cipher=key.encrypt(digits),
        number_index=key.blind_index(digits),
        number_masked=f"{digits[:3]}****{digits[-4:]}",
        position=1,
    )


def _encounter(patient: Patient, kind: str, department_id: UUID, discharged_on: date) -> Encounter:
    return Encounter(
        tenant_id=patient.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        department_id=department_id,
        kind=kind,
        record_number=patient.record_number,
        admission_count=1,
        ward="3病区",
        doctor="李医生",
        diagnosis="",
        diagnosis_code="",
        admitted_on=discharged_on - timedelta(days=6),
        discharged_on=discharged_on,
        disposition="home",
        content_digest=b"",
        created_at=NOW,
        updated_at=NOW,
    )


def build_world(db: Database) -> World:
    """Make the firm, the hospitals and the people; commits what the database commits."""
    firm_id, heqing, yunling = new_id(), new_id(), new_id()
    system = Actor.system("test")
    if not isinstance(db.master_key, MasterKey):
        msg = "the test database has no master key"
        raise TypeError(msg)
    with db.firm(FirmScope(firm_id, (heqing, yunling), system, "test")) as session:
        session.add(
            Firm(firm_id=firm_id, code="hk", name="恒康客服", name_en="Hengkang Care", created_at=NOW)
        )
        session.add(DirectoryEntry(code="hk", kind="firm", firm_id=firm_id, tenant_id=None))
        session.flush()
        hospitals = [
            _hospital(session, db.master_key, heqing, "heqing", "河清市第一人民医院", "general", "130100"),
            _hospital(session, db.master_key, yunling, "yunling", "云岭妇幼保健院", "maternal", "530100"),
        ]
        people = {
            "agent": _person(session, "李敏", "agent", firm_id, None),
            "agent2": _person(session, "高飞", "agent", firm_id, None),
            "operations": _person(session, "何琳", "operations", firm_id, None),
            "firm_gm": _person(session, "郑总", "firm_gm", firm_id, None),
            "heqing_admin": _person(session, "陈静", "hospital_admin", None, heqing),
            "heqing_gm": _person(session, "赵院长", "hospital_gm", None, heqing),
            "yunling_admin": _person(session, "吴芳", "hospital_admin", None, yunling),
        }
    return World(
        db=db,
        firm_id=firm_id,
        heqing=hospitals[0],
        yunling=hospitals[1],
        agent=Actor("person", people["agent"], "李敏"),
        agent2=Actor("person", people["agent2"], "高飞"),
        admin=Actor("person", people["heqing_admin"], "陈静"),
        people=people,
    )


def _hospital(
    session: FirmSession, master: MasterKey, tenant_id: UUID, code: str, name: str, kind: str, region: str
) -> TestHospital:
    session.add(
        Hospital(
            tenant_id=tenant_id,
            firm_id=session.firm_id,
            code=code,
            name=name,
            name_en=code.title() + " Hospital",
            hospital_type=kind,
            region=region,
            grade="3A",
            brand="",
            beds=800,
            colour="teal",
            state="active",
            outpatient_rate=Decimal("0.10"),
            wrapped_key=master.new_wrapped_key(),
            created_at=NOW,
        )
    )
    session.add(DirectoryEntry(code=code, kind="hospital", firm_id=session.firm_id, tenant_id=tenant_id))
    session.flush()
    session.add(HospitalPhase(tenant_id=tenant_id, state="active", started_at=NOW, reason="", by_name="test"))
    session.add(agreement_of(tenant_id))
    session.flush()
    departments = {}
    for department in ("骨科", "儿科"):
        departments[department] = new_id()
        session.add(Department(tenant_id=tenant_id, id=departments[department], name=department))
    session.flush()
    return TestHospital(tenant_id, code, departments)


def agreement_of(tenant_id: UUID) -> ProcessingAgreement:
    """A signed agreement for everything, from before any test's day and without an end."""
    return ProcessingAgreement(
        tenant_id=tenant_id,
        version=1,
        purposes=list(PURPOSES),
        fields=list(FIELDS),
        channels=list(CHANNELS),
        benchmark="full",
        on_end="delete",
        valid_from=date(2020, 1, 1),
        valid_to=None,
        signed_for_hospital="赵院长",
        signed_for_firm="郑总",
        signed_at=NOW,
        created_by="test",
        created_at=NOW,
    )


def _person(session: FirmSession, name: str, role: str, firm_id: UUID | None, tenant_id: UUID | None) -> UUID:
    person = Person(
        email=f"{new_id()}@example.com",
        name=name,
        language="zh_Hans",
        created_at=NOW,
        id=new_id(),
        failures=0,
    )
    session.add(person)
    session.flush()
    session.add(
        Membership(
            person_id=person.id,
            role=role,
            firm_id=firm_id,
            tenant_id=tenant_id,
            created_at=NOW,
            accepted_at=NOW,
        )
    )
    session.flush()
    return person.id
