"""What the tests of cases have in common: a new case, and somebody of the hospital for each owner."""

import html
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from world import NOW, World

from feedback.models import CaseClock, CaseEvent, FeedbackCase
from feedback.service import NewCase, acknowledge, mark_handled, open_case
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from patients.models import Encounter, Patient
from tenants.models import Membership, Person

LATER = NOW + timedelta(hours=2)


def new_case(**changes: Any) -> NewCase:
    """Cold food, said on a follow-up call, unless told otherwise."""
    cold_food = NewCase(
        patient_id=None,
        encounter_id=None,
        call_id=None,
        department_id=None,
        channel="revisit_call",
        category="service",
        tag="meals",
        tier=2,
        medical_dispute=False,
        text="饭菜凉了,叫了两次没人来。",
        wish="换保温车",
    )
    return replace(cold_food, **changes)


def case_of(
    session: HospitalSession, patient: Patient, actor: Actor, now: datetime = NOW, **changes: Any
) -> FeedbackCase:
    """A case of this patient's stay."""
    stay = session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()
    new = new_case(patient_id=patient.id, encounter_id=stay.id, department_id=stay.department_id, **changes)
    return open_case(session, new, actor=actor, now=now)


def handled_case(session: HospitalSession, world: World, now: datetime = NOW, **changes: Any) -> FeedbackCase:
    """A case that the hospital's admin has taken up and handled, two hours after it came."""
    case = case_of(session, world.patient(session), world.agent, now, **changes)
    owner = "department_head" if case.tier > 1 else "agent"
    acknowledge(session, case.id, actor=world.admin, now=now + timedelta(hours=1), owner=owner)
    return mark_handled(
        session, case.id, actor=world.admin, note="营养科已更换保温车", now=now + timedelta(hours=2)
    )


def clocks(session: HospitalSession, case: FeedbackCase, round_: int | None = None) -> dict[str, CaseClock]:
    """The clocks of a round, the present one unless told, by kind."""
    rows = session.scalars(
        select(CaseClock).where(CaseClock.case_id == case.id, CaseClock.round == (round_ or case.round))
    )
    return {row.kind: row for row in rows}


def log_of(session: HospitalSession, case: FeedbackCase) -> list[str]:
    """The kinds of the case's events in order."""
    return list(
        session.scalars(
            select(CaseEvent.kind).where(CaseEvent.case_id == case.id).order_by(CaseEvent.at, CaseEvent.id)
        )
    )


def member(session: HospitalSession, role: str, name: str, **where: UUID) -> Actor:
    """A person with one role, at `tenant_id=` or `firm_id=`."""
    person = Person(
        id=new_id(),
        email=f"{new_id()}@example.com",
        name=name,
        language="zh_Hans",
        created_at=NOW,
        failures=0,
    )
    session.add(person)
    session.flush()
    session.add(Membership(person_id=person.id, role=role, created_at=NOW, accepted_at=NOW, **where))
    session.flush()
    return Actor("person", person.id, name)


def text_of(page: str) -> str:
    """The words of a page without its marks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def table_of(page: str) -> list[list[str]]:
    """The cells of the page's table, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [
        [text_of(cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]
