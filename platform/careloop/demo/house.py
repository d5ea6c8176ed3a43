"""What lies on the table besides calls when the demo's world begins.

A new hospital on its way to the first call, statistics that a director opened, an operator who asks to look,
a patient who asks for a copy of their data.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select

from careloop.demo.arrivals import arrive
from careloop.demo.cast import AUDITORS, ONBOARDING, ONBOARDING_DIRECTOR, OPERATOR
from careloop.demo.stage import Stage, StageHospital, add_person
from foundation.calendar import local_date
from foundation.scope import Actor, HospitalScope
from patients import requests
from patients.models import Patient
from tenants.life import agreement, agreement_drafts, onboarding
from tenants.models import Membership, Person
from tenants.oversight import grants, support
from tenants.rights import Role
from tenants.service import NewHospital, create_hospital

GRANTED_UNTIL = date(2027, 3, 31)
STEPS_DONE = ("site_visit", "factors", "indicators", "consent", "recording", "regulation")


def furnish(stage: Stage, now: datetime) -> None:
    """Put it all on the table; `now` is a little before the world begins."""
    with stage.firm() as session:
        for person in AUDITORS:
            at = next((h.tenant_id for h in stage.hospitals if h.cast.code == person.hospital), None)
            add_person(session, person, at, now)
    heqing = stage.hospitals[0]
    _onboard(stage, now - timedelta(days=10))
    _open_statistics(stage, heqing, now)
    _ask_to_look(stage, heqing, now)
    _ask_for_a_copy(stage, heqing, now)
    arrive(stage, now)


def _onboard(stage: Stage, now: datetime) -> None:
    """A hospital in its second week: the first steps done, the agreement signed by the firm and not yet
    by it.
    """
    new = NewHospital(
        code=ONBOARDING.code,
        name=ONBOARDING.name,
        name_en=ONBOARDING.name_en,
        hospital_type=ONBOARDING.hospital_type,
        region=ONBOARDING.region,
        grade=ONBOARDING.grade,
    )
    with stage.firm(stage.operations) as session:
        tenant_id = create_hospital(session, new, now=now, state="onboarding").tenant_id
        add_person(session, ONBOARDING_DIRECTOR, tenant_id, now)
    with stage.database.hospital(HospitalScope(tenant_id, stage.operations, "demo")) as hospital:
        onboarding.prepare(hospital, now=now)
        draft = agreement_drafts.Draft(
            purposes=frozenset(agreement.USUAL_PURPOSES),
            fields=frozenset(agreement.FIELDS),
            channels=frozenset({"telephone", "sms"}),
            benchmark=True,
            on_end="delete",
            valid_from=local_date(now),
            valid_to=None,
        )
        written = agreement_drafts.write(hospital, draft, now=now)
        agreement_drafts.sign(hospital, written.id, side="firm", now=now)
        for line in onboarding.lines(hospital, local_date(now)):
            if line.step.key in STEPS_DONE:
                onboarding.change(
                    hospital,
                    line.step.key,
                    state="done",
                    owner_id=stage.operations.id,
                    due_on=line.due_on,
                    note="",
                    now=now,
                )


def _holder(stage: Stage, hospital: StageHospital, role: Role) -> Actor:
    """Who holds this role at a hospital: the first, by the day they came."""
    with stage.firm() as session:
        person = session.scalars(
            select(Person)
            .join(Membership, Membership.person_id == Person.id)
            .where(Membership.tenant_id == hospital.tenant_id, Membership.role == role.value)
            .order_by(Person.id)
        ).first()
    if person is None:
        msg = f"nobody is {role} at {hospital.cast.code}"
        raise LookupError(msg)
    return Actor("person", person.id, person.name)


def _open_statistics(stage: Stage, hospital: StageHospital, now: datetime) -> None:
    """The director opens the months to the patient service director (S4-16)."""
    director = _holder(stage, hospital, Role.HOSPITAL_GM)
    officer = _holder(stage, hospital, Role.HOSPITAL_ADMIN)
    if officer.id is None:
        return
    with stage.hospital(hospital, director) as session:
        grants.give(
            session,
            kind="person",
            grantee_id=officer.id,
            subject="report",
            month=None,
            ends_on=GRANTED_UNTIL,
            now=now,
        )


def _ask_to_look(stage: Stage, hospital: StageHospital, now: datetime) -> None:
    """The platform's operator asks; nobody has answered yet."""
    with stage.firm() as session:
        operator = session.scalars(select(Person).where(Person.email == OPERATOR.email)).one()
    with stage.hospital(hospital, Actor("person", operator.id, operator.name)) as session:
        support.ask(session, reason="客服反映反馈台账昨晚打开缓慢，查看台账页面。", minutes=30, now=now)


def _ask_for_a_copy(stage: Stage, hospital: StageHospital, now: datetime) -> None:
    """A patient asked for a copy of their data nine days ago; their identity is still to be checked
    (PIPL 45).
    """
    with stage.hospital(hospital, hospital.officer) as session:
        patient_id = session.scalars(
            select(Patient.id)
            .where(Patient.tenant_id == session.tenant_id, Patient.contact_state == "reachable")
            .order_by(Patient.record_number)
        ).first()
        if patient_id is not None:
            requests.register(
                session,
                patient_id,
                kind="copy",
                requester="patient",
                channel="telephone",
                wish="想要一份随访记录和本人资料的副本。",
                asked_on=local_date(now) - timedelta(days=9),
                now=now,
            )
