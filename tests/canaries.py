"""Two hospitals full of rows whose names and numbers stand nowhere else, somebody of every role, and the
sample ids by which every address of the application can be opened.

A canary is a full name, a mobile number or an identity number of a patient. Numbers also stand inside what
people wrote: notes, complaints, drafts, reasons and file names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from breaking_rows import due_task
from canary_arrivals import arrive
from conftest import MASTER_KEY
from feedback_cases import case_of
from sqlalchemy import Engine, select, text
from world import NOW, World, build_world

from billing.service import close_month, ensure_contract, issue
from careloop import wiring
from careloop.models import table_classes
from feedback.service import acknowledge, add_progress
from foundation import audit
from foundation.clock import SetClock
from foundation.database import Database, HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from outreach import calls, queue
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import Outcome
from patients import importing, intake, intake_run, service, suppression
from patients.models import ContactPoint, Patient, SubjectRequest
from patients.revealing import reveal_number
from reporting.monthly import make_report
from tenants.keys import data_key
from tenants.models import Membership, Person, StatisticsGrant, SupportAccess
from tenants.rights import SIDES, Role
from workforce.service import assign

AUGUST = date(2026, 8, 1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Marks:
    """What is unmistakable about one hospital's patients: `phone` and `id_number` lack their last digits."""

    name: str
    phone: str
    id_number: str

    def number(self, n: int) -> str:
        """The nth mobile number."""
        return f"{self.phone}{n:04d}"

    def identity(self, n: int) -> str:
        """The nth identity number."""
        return f"{self.id_number}{n:03d}X"

    def words(self, n: int) -> str:
        """What somebody wrote down, numbers and all."""
        return f"请打{self.number(n)}，证件{self.identity(n)}"

    def numbers(self) -> re.Pattern[str]:
        """Any mobile or identity number of this hospital."""
        return re.compile(f"{self.phone}\\d{{4}}|{self.id_number}\\d{{3}}X")


HEQING = Marks("赫连鸾", "1391357", "11010119700501")
YUNLING = Marks("宇文鸑", "1372468", "53010219810902")


@dataclass
class Canaries:
    """The world with its canaries. `people` belong to the first hospital and its firm."""

    world: World
    people: dict[Role, UUID] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def stranger(self) -> UUID:
        """Somebody with wide rights at the other hospital only."""
        return self.world.people["yunling_admin"]


def build(world: World) -> Canaries:
    """Fill both hospitals and give every role to somebody."""
    wiring.wire()
    made = Canaries(world)
    for role in Role:
        if role is not Role.SUPPORT:
            made.people[role] = _person(world, role)
    made.people[Role.SUPPORT] = _support(world)
    with world.firm() as session:
        for agent in (made.people[Role.AGENT], world.people["agent"]):
            for place in (world.heqing, world.yunling):
                if agent == world.people["agent"] or place is world.heqing:
                    assign(session, agent, place.tenant_id, NOW)
    for place, marks in ((world.yunling, YUNLING), (world.heqing, HEQING)):
        holder = made.people[Role.AGENT] if place is world.heqing else world.people["agent2"]
        with world.hospital(place) as filling:
            _fill(world, filling, marks, Actor("person", holder, "李敏"))
            waiting = intake_run.due(filling, now=NOW)
        for import_id in waiting:
            intake_run.run(world.db, filling.scope, import_id, clock=SetClock(NOW))
        with world.hospital(place) as filled_place:
            made.ids = _samples(filled_place)
    made.ids |= {
        "code": "heqing",
        "month": "2026-08",
        "act": "progress",
        "name": "feedback",
        "question": "overall",
        "listed": "wrong",
    }
    made.ids |= {"person_id": str(made.people[Role.QA])}
    return made


def _person(world: World, role: Role) -> UUID:
    side = SIDES[role]
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = Person(
            id=new_id(),
            email=f"{role.value}@canary.example.com",
            name=f"{role.value}",
            language="zh_Hans",
            created_at=NOW,
            failures=0,
        )
        session.add(person)
        session.flush()
        session.add(
            Membership(
                person_id=person.id,
                role=role.value,
                firm_id=world.firm_id if side == "firm" else None,
                tenant_id=world.heqing.tenant_id if side == "hospital" else None,
                department_id=world.heqing.departments["骨科"] if role is Role.DEPARTMENT_HEAD else None,
                created_at=NOW,
                accepted_at=NOW,
            )
        )
    return person.id


def _support(world: World) -> UUID:
    """An operator whom the first hospital let in."""
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = Person(
            id=new_id(),
            email="in@canary.example.com",
            name="运维",
            language="zh_Hans",
            created_at=NOW,
            failures=0,
        )
        session.add(person)
        session.flush()
        session.add(
            Membership(person_id=person.id, role=Role.OPERATOR.value, created_at=NOW, accepted_at=NOW)
        )
        session.add(
            SupportAccess(
                operator_id=person.id,
                operator_name="运维",
                firm_id=world.firm_id,
                tenant_id=world.heqing.tenant_id,
                reason="看一个问题",
                minutes=60,
                asked_at=NOW,
                decision="granted",
                decided_at=NOW,
                decided_by=world.people["heqing_gm"],
                decided_by_name="赵院长",
                ends_at=NOW + timedelta(minutes=60),
            )
        )
    return person.id


def _fill(world: World, session: HospitalSession, marks: Marks, agent: Actor) -> None:
    patients = [_patient(world, session, marks, n) for n in range(4)]
    _imported(session, marks)
    _contacts(world, session, marks, patients[0], agent)
    actor = Actor("person", world.people["heqing_admin"], "陈静")
    for n, dispute in enumerate((False, True)):
        case = case_of(
            session,
            patients[n],
            agent,
            tag="meals",
            tier=2,
            medical_dispute=dispute,
            text=marks.words(10 + n),
            wish=marks.words(12 + n),
        )
        if not dispute:
            acknowledge(session, case.id, actor=actor, now=NOW, owner="department_head")
            add_progress(session, case.id, actor=actor, note=marks.words(14), told=True, now=NOW)
    suppression.suppress(session, patients[3].id, "refused", note=marks.words(15), source="card", now=NOW)
    service.set_must_not_say(session, patients[0].id, marks.words(16), now=NOW)
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patients[1].id)).first()
    assert point is not None
    reveal_number(session, point.id, reason=marks.words(17), now=NOW)
    audit.record(session, "test.read", now=NOW, reason=marks.words(18), detail={"words": marks.words(19)})
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    issue(session, close_month(session, AUGUST, now=NOW).id, now=NOW)
    make_report(session, AUGUST, by="何琳", now=NOW)
    _papers(world, session, marks, patients[2])
    arrive(world, session, marks, AUGUST)


def _patient(world: World, session: HospitalSession, marks: Marks, n: int) -> Patient:
    key = data_key(session)
    patient = world.patient(
        session,
        name=f"{marks.name}{'甲乙丙丁'[n]}",
        phone=marks.number(n),
        id_number_cipher=key.encrypt(marks.identity(n)),
        id_number_index=key.blind_index(marks.identity(n)),
        discharged_on=AUGUST + timedelta(days=10 + n),
    )
    relative = marks.number(50 + n)
    session.add(
        ContactPoint(
            tenant_id=session.tenant_id,
            patient_id=patient.id,
            holder="contact",
            relation="daughter",
            name=f"{marks.name}{'子丑寅卯'[n]}",
            number_cipher=key.encrypt(relative),
            number_index=key.blind_index(relative),
            number_masked=f"{relative[:3]}****{relative[-4:]}",
            position=2,
        )
    )
    session.flush()
    return patient


def _imported(session: HospitalSession, marks: Marks) -> None:
    """A list that came in, with a row that was rejected; one that waits to be confirmed, one to be mapped."""
    head = "病案号,姓名,性别,年龄,身份证号,联系电话,出院日期,出院科室\n"
    rows = f"C1,{marks.name}戊,男,50,,{marks.number(60)},2026-08-20,骨科\n"
    rows += (
        f"C2,{marks.name}己,女,40,,{marks.number(61)},某日,骨科\nC3,{marks.name}庚,女,40,,,2026-08-21,骨科\n"
    )
    name = f"名单{marks.number(62)}.csv"
    importing.import_file(session, (head + rows).encode(), name, by="陈静", now=NOW)
    more = f"D1,{marks.name}辛,男,50,,{marks.number(63)},2026-08-22,骨科\n"
    waits = intake.Arrival("upload", "陈静", NOW, ask=True)
    intake.receive(session, (head + more).encode(), name, waits)
    unknown = f"编码,称呼,何时\nE1,{marks.name}戊,2026-08-22\n"
    intake.receive(session, unknown.encode(), name, waits)


def _contacts(world: World, session: HospitalSession, marks: Marks, patient: Patient, agent: Actor) -> None:
    """A call with a note, and a card that is held with a draft."""
    first = due_task(world, session)
    second = due_task(world, session)
    patient_id = patient.id
    point = session.scalars(
        select(ContactPoint).where(ContactPoint.patient_id == patient_id, ContactPoint.holder == "patient")
    ).one()
    for ids in (first, second):
        task = session.get_one(ContactTask, (session.tenant_id, ids["task_id"]))
        task.patient_id, task.encounter_id = patient_id, None
    session.flush()
    _hold(session, patient_id, first["task_id"], agent)
    call = calls.dial(session, first["task_id"], point.id, agent, NOW)
    calls.finish(
        session, call.call_id, first["task_id"], Outcome.COMPLETED, agent=agent, note=marks.words(20), now=NOW
    )
    _hold(session, patient_id, second["task_id"], agent)
    queue.save_draft(session, second["task_id"], agent, {"note": marks.words(21)}, NOW)


def _hold(session: HospitalSession, patient_id: UUID, task_id: UUID, agent: Actor) -> None:
    assert agent.id is not None
    session.add(
        PatientHold(
            tenant_id=session.tenant_id,
            id=patient_id,
            task_id=task_id,
            agent_id=agent.id,
            drawn_at=NOW,
            until=NOW + queue.HOLD,
            why="rest",
        )
    )
    session.flush()


def _papers(world: World, session: HospitalSession, marks: Marks, patient: Patient) -> None:
    """A request of a patient, and statistics granted to a department."""
    key = data_key(session)
    session.add(
        SubjectRequest(
            tenant_id=session.tenant_id,
            patient_id=patient.id,
            kind="copy",
            requester="patient",
            channel="telephone",
            wish_cipher=key.encrypt(marks.words(22)),
            asked_on=NOW.date(),
            due_on=NOW.date() + 15 * DAY,
            state="open",
            reason=marks.words(23),
            taken_by="李敏",
            counts={},
            created_at=NOW,
        )
    )
    session.add(
        StatisticsGrant(
            tenant_id=session.tenant_id,
            subject="report",
            month=AUGUST,
            department_id=session.scalars(text("SELECT id FROM department ORDER BY name LIMIT 1")).one(),
            granted_by=world.people["heqing_gm"],
            granted_by_name="赵院长",
            granted_at=NOW,
            ends_on=date(2027, 1, 1),
        )
    )
    session.flush()


# The table whose newest row an address's parameter names, where the name alone does not say.
TABLES = {
    "point_id": "contact_point",
    "contact_point_id": "contact_point",
    "case_id": "feedback_case",
    "task_id": "contact_task",
    "import_id": "data_import",
    "feed_id": "feed",
    "message_id": "feed_message",
    "file_id": "stored_file",
    "layout_id": "column_layout",
    "problem_id": "data_problem",
    "grant_id": "statistics_grant",
    "request_id": "subject_request",
    "sample_id": "survey_sample",
    "pair_id": "possible_duplicate",
    "merge_id": "patient_merge",
    "key": "ledger_entry",
}
CHOICES = {
    "contact_task": "state = 'open'",
    "stored_file": "media_type = 'application/vnd.careloop.upload'",
    "data_import": "rejected_file_id IS NOT NULL AND verdicts_file_id IS NOT NULL",
    "survey_sample": "audience = 'inpatient'",
    "feedback_case": "NOT medical_dispute",
    "patient": "must_not_say_cipher IS NOT NULL",
    "contact_point": "holder = 'patient' AND patient_id IN"
    " (SELECT id FROM patient WHERE must_not_say_cipher IS NOT NULL)",
}


def _samples(session: HospitalSession) -> dict[str, str]:
    """A row of this hospital for every parameter that names one."""
    tenant = {name for name, mapped in table_classes().items() if mapped.table_class == "tenant"}
    wanted = {f"{name}_id": name for name in tenant} | TABLES
    found = {}
    for parameter, table in wanted.items():
        where = CHOICES.get(table, "true")
        query = text(f"SELECT id FROM {table} WHERE {where} ORDER BY id DESC LIMIT 1")
        row = session.scalar(query) if table != "hospital" else None
        if row is not None:
            found[parameter] = str(row)
    return found


@contextmanager
def filled(engine: Engine) -> Iterator[Canaries]:
    """The world of one test module, undone at its end; each request in it is to be undone by itself."""
    with engine.connect() as connection:
        transaction = connection.begin()
        yield build(build_world(Database(connection, master_key=MASTER_KEY)))
        transaction.rollback()
