"""Contacts that are no patients (S1-1): partner hospitals 兄弟医院, community centres 社区卫生服务中心,
companies 企事业单位, government 政府部门, social organisations 社会组织.

An organisation (单位) is a row of `patient` with another `contact_type` and one `cooperation` since the day
on which it began; so tasks, calls, answers and suppression are those of everybody. Its record number is of a
series of its own (`ORG-0001`) or the hospital's code. The name is the organisation's; whom to speak with is a
person, whose name and number are personal data like any other and fall under the agreement (PIPL 21).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import exists, func, or_, select, text

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from patients import merging, suppression
from patients.initials import initials_of
from patients.models import ContactPoint, Encounter, Patient, RecordAlias, Suppression
from patients.phones import mask_phone, read_phone
from tenants.keys import data_key
from tenants.life import agreement

ContactType = Literal["partner_hospital", "community_centre", "company", "government", "ngo"]
TYPES: tuple[ContactType, ...] = get_args(ContactType)
KIND = "cooperation"
SERIES = "ORG-"
# Why a cooperation rests: the hospital says so, or something else; the reasons of patients are not theirs.
EndReason = Literal["hospital", "special"]
END_REASONS: tuple[EndReason, ...] = get_args(EndReason)
LONGEST_NAME, LONGEST_PERSON, LONGEST_POSITION = 80, 40, 40
CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_./-]{0,31}")
# The person to speak with is tried first, then the organisation's own line.
HOLDERS = ("contact", "patient")

_NEXT = text("""
SELECT coalesce(max(CAST(substr(record_number, 5) AS bigint)), 0) + 1 FROM patient
 WHERE tenant_id = :tenant_id AND contact_type <> 'patient' AND record_number ~ '^ORG-[0-9]{4,9}$'
""")


class UnknownOrganisation(LookupError):
    """No such organisation in this hospital."""


class OrganisationRefused(ValueError):
    """What was typed cannot be stored; `reason` is `type`, `name`, `person`, `number`, `second`, `code`,
    `code_taken` or `since`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as somebody writes it down: `person` is whom to speak with and `position` their post in
    words, `number` theirs, `second` the organisation's own line; `code` may be empty.

    When an organisation is changed an empty `number` or `second` keeps what is stored.
    """

    contact_type: str
    name: str
    person: str
    position: str
    number: str
    second: str = ""
    code: str = ""
    since: date | None = None


def add(session: HospitalSession, new: Organisation, *, today: date, now: datetime) -> Patient:
    """Store an organisation, its contact person and the start of the cooperation (today unless given).

    Raises `OrganisationRefused`, and `tenants.life.agreement.NotAgreed` where the agreement covers no
    surveys or no contact persons (PIPL 21).
    """
    _agreed(session, now)
    numbers = _checked(new, today, numbers_needed=True)
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"organisations:{session.tenant_id}"},
    )
    row = Patient(
        tenant_id=session.tenant_id,
        id=new_id(),
        record_number=_code(session, new.code.strip()),
        contact_type=new.contact_type,
        name=new.name.strip(),
        initials=initials_of(new.name.strip()),
        contact_state="reachable",
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    for holder in HOLDERS:
        _set_number(session, row, holder, new, numbers.get(holder))
    session.add(
        Encounter(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=row.id,
            kind=KIND,
            record_number=row.record_number,
            admission_count=1,
            ward="",
            doctor="",
            diagnosis="",
            diagnosis_code="",
            discharged_on=new.since or today,
            content_digest=b"",
            created_at=now,
            updated_at=now,
        )
    )
    session.flush()
    _on_record(session, "patients.organisation_added", row, now)
    return row


def change(
    session: HospitalSession, patient_id: UUID, new: Organisation, *, today: date, now: datetime
) -> Patient:
    """Write down what is different; the record number stays. A new number is dialled again, a wrong one goes.

    Raises `UnknownOrganisation`, `OrganisationRefused`, `NotAgreed`.
    """
    _agreed(session, now)
    row = find(session, patient_id)
    numbers = _checked(new, today, numbers_needed=False)
    row.contact_type, row.name = new.contact_type, new.name.strip()
    row.initials, row.updated_at = initials_of(row.name), now
    session.flush()
    for holder in HOLDERS:
        _set_number(session, row, holder, new, numbers.get(holder))
    cooperation = session.scalars(
        select(Encounter).where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.patient_id == patient_id,
            Encounter.kind == KIND,
        )
    ).one()
    if new.since is not None and new.since != cooperation.discharged_on:
        cooperation.discharged_on, cooperation.updated_at = new.since, now
    session.flush()
    if merging.refresh_contact_state(session, [patient_id], now=now, day=today):
        merging.solve_number_problems(session, [patient_id], now)
    merging.reload(session, Patient)
    _on_record(session, "patients.organisation_changed", row, now)
    return row


def end(
    session: HospitalSession, patient_id: UUID, reason: str, *, note: str = "", now: datetime
) -> Suppression:
    """The cooperation rests: nobody calls, asks or writes any more (S4-15). Undone by `resume`.

    Raises `UnknownOrganisation`, `OrganisationRefused`.
    """
    find(session, patient_id)
    if reason not in END_REASONS:
        raise OrganisationRefused("reason")
    return suppression.suppress(session, patient_id, reason, note=note, source="card", now=now)


def resume(session: HospitalSession, patient_id: UUID, *, reason: str, now: datetime) -> int:
    """The cooperation goes on, with the contacts that its end had stopped; returns how many ends it undid.

    Raises `UnknownOrganisation`.
    """
    find(session, patient_id)
    rows = session.scalars(
        select(Suppression.id).where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.patient_id == patient_id,
            Suppression.reason.in_(END_REASONS),
            Suppression.lifted_at.is_(None),
        )
    ).all()
    for suppression_id in rows:
        suppression.lift(session, suppression_id, now=now, reason=reason)
    return len(rows)


def find(session: HospitalSession, patient_id: UUID) -> Patient:
    """The organisation; raises `UnknownOrganisation`, also for a patient, and for one that was erased."""
    row = session.get(Patient, (session.tenant_id, patient_id))
    if row is None or row.contact_type == "patient" or row.restricted_at is not None:
        raise UnknownOrganisation(str(patient_id))
    return row


def points_of(session: HospitalSession, patient_id: UUID) -> dict[str, ContactPoint]:
    """The stored numbers by holder: `contact` is the contact person's, `patient` the organisation's own."""
    rows = session.scalars(
        select(ContactPoint).where(
            ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == patient_id
        )
    )
    return {row.holder: row for row in rows}


def _agreed(session: HospitalSession, now: datetime) -> None:
    terms = agreement.require(session, "satisfaction", doing="patients.organisation", now=now)
    if "contact_person" not in terms.fields or "phone" not in terms.fields:
        raise agreement.NotAgreed(
            _("The processing agreement covers no contact persons and their numbers (PIPL 21).")
        )


def _checked(new: Organisation, today: date, *, numbers_needed: bool) -> dict[str, str]:
    """The numbers to store by holder; raises `OrganisationRefused`."""
    if new.contact_type not in TYPES:
        raise OrganisationRefused("type")
    if not 0 < len(new.name.strip()) <= LONGEST_NAME:
        raise OrganisationRefused("name")
    if not 0 < len(new.person.strip()) <= LONGEST_PERSON or len(new.position.strip()) > LONGEST_POSITION:
        raise OrganisationRefused("person")
    if new.since is not None and new.since > today:
        raise OrganisationRefused("since")
    numbers = {}
    for holder, typed in zip(HOLDERS, (new.number, new.second), strict=True):
        needed = numbers_needed and holder == "contact"
        number = read_phone(typed).number if typed.strip() else None
        if number is not None:
            numbers[holder] = number
        elif typed.strip() or needed:
            raise OrganisationRefused("number" if holder == "contact" else "second")
    return numbers


def _code(session: HospitalSession, typed: str) -> str:
    if not typed:
        return f"{SERIES}{session.execute(_NEXT, {'tenant_id': session.tenant_id}).scalar_one():04d}"
    if not CODE.fullmatch(typed):
        raise OrganisationRefused("code")
    taken = or_(
        exists(
            select(1).where(
                Patient.tenant_id == session.tenant_id,
                func.upper(Patient.record_number) == typed.upper(),
                Patient.contact_type != "patient",
            )
        ),
        exists(select(1).where(Patient.tenant_id == session.tenant_id, Patient.record_number == typed)),
        exists(
            select(1).where(RecordAlias.tenant_id == session.tenant_id, RecordAlias.record_number == typed)
        ),
    )
    if session.scalar(select(taken)):
        raise OrganisationRefused("code_taken")
    return typed


def _set_number(
    session: HospitalSession, row: Patient, holder: str, new: Organisation, number: str | None
) -> None:
    """The line of one holder: a number that stays the same keeps its mark of being wrong."""
    key = data_key(session)
    person = holder == "contact"
    name = new.person.strip() if person else row.name
    relation = new.position.strip() if person else ""
    stored = points_of(session, row.id).get(holder)
    if stored is None:
        if number is None:
            return
        stored = ContactPoint(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=row.id,
            holder=holder,
            position=1 + HOLDERS.index(holder),
            number_cipher=b"",
            number_index=b"",
            number_masked="",
        )
        session.add(stored)
    stored.name, stored.relation = name, relation
    if number is not None and key.blind_index(number) != stored.number_index:
        stored.number_cipher, stored.number_index = key.encrypt(number), key.blind_index(number)
        stored.number_masked, stored.invalid_since = mask_phone(number), None
    session.flush()


def _on_record(session: HospitalSession, action: str, row: Patient, now: datetime) -> None:
    audit.record(
        session,
        action,
        now=now,
        subject=f"patient:{row.id}",
        detail={"type": row.contact_type},
    )
