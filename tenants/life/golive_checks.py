"""What tenants itself can see before a go-live: people, second factors, papers, the calendar, the key."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select

from foundation.calendar import CalendarMissing, is_workday, local_date
from foundation.database import HospitalSession
from foundation.encryption import Undecipherable
from foundation.languages import format_date, mark, ngettext
from foundation.languages import gettext as _
from tenants.identity import membership
from tenants.keys import KeyDestroyed, data_key
from tenants.life import agreement, golive
from tenants.life.golive import Finding
from tenants.models import Department, ImpactAssessment, Membership, Person, SigninEvent
from tenants.rights import NEEDS_SECOND_FACTOR, SIDES, Role

PEOPLE, AGREEMENT = "/firm/people", "/h/{code}/agreement"
# Without these nobody may be called, asked or heard.
NEEDED_PURPOSES = ("care_followup", "satisfaction", "complaint")
NAMED = 5
SAMPLE = "careloop"
DECEMBER = 12


def register() -> None:
    """Register these checks; harmless twice."""
    golive.check("people", mark("Sign-in of the hospital's director"), director)
    golive.check("heads", mark("Heads of the departments"), heads)
    golive.check("second_factors", mark("Second factors of the hospital's people"), second_factors)
    golive.check("agreement", mark("Processing agreement"), agreed)
    golive.check("impact", mark("Impact assessments"), assessed)
    golive.check("calendar", mark("Holiday calendar"), calendar)
    golive.check("key", mark("Encryption key"), key)


def director(session: HospitalSession, _now: datetime) -> Finding:
    """The hospital's director signs the agreement and receives the statistics: somebody must be there."""
    people = _holders(session, {Role.HOSPITAL_GM})
    signed_in = session.scalar(
        select(func.count(SigninEvent.person_id.distinct())).where(
            SigninEvent.person_id.in_(people), SigninEvent.result == "signed_in"
        )
    )
    if not people:
        return Finding("red", _("No director has been invited."), PEOPLE)
    if not signed_in:
        return Finding("red", _("The director was invited and has not signed in yet."), PEOPLE)
    return Finding("green", _("The director has signed in."))


def heads(session: HospitalSession, _now: datetime) -> Finding:
    """An important case goes to the head of its department within 12 hours (S0-22): each needs one."""
    rows = session.execute(
        select(Department.name, func.count(Membership.id))
        .outerjoin(
            Membership,
            (Membership.tenant_id == Department.tenant_id)
            & (Membership.department_id == Department.id)
            & (Membership.role == Role.DEPARTMENT_HEAD)
            & membership.counts(),
        )
        .where(Department.tenant_id == session.tenant_id)
        .group_by(Department.name)
        .order_by(Department.name)
    ).all()
    without = [name for name, count in rows if not count]
    if not rows:
        return Finding("red", _("No department is known yet; they come with the first list."), PEOPLE)
    if len(without) == len(rows):
        return Finding("red", _("No department has a head who can be reached."), PEOPLE)
    if without:
        named = "、".join(without[:NAMED]) + ("…" if len(without) > NAMED else "")
        sentence = ngettext(
            "{count} department has no head: {names}", "{count} departments have no head: {names}",
            len(without), names=named,
        )  # fmt: skip
        return Finding("amber", sentence, PEOPLE)
    told = ngettext("{count} department has a head.", "Each of {count} departments has a head.", len(rows))
    return Finding("green", told)


def second_factors(session: HospitalSession, _now: datetime) -> Finding:
    """Whoever administers a hospital signs in with a second factor (GB/T 22239-2019 8.1.4.1 d)."""
    roles = {role for role in NEEDS_SECOND_FACTOR if SIDES[role] == "hospital"}
    people = _holders(session, roles)
    without = session.scalar(
        select(func.count()).where(Person.id.in_(people), Person.totp_confirmed_at.is_(None))
    )
    if not people:
        return Finding("red", _("Nobody of the hospital has been invited."), PEOPLE)
    if without:
        return Finding(
            "red",
            ngettext(
                "{count} person has no second factor yet.",
                "{count} people have no second factor yet.",
                without,
            ),
            PEOPLE,
        )
    return Finding("green", _("All {count} have one.", count=len(people)))


def agreed(session: HospitalSession, now: datetime) -> Finding:
    """The agreement of today covers calls, surveys and complaints (PIPL 21)."""
    terms = agreement.in_force(session, local_date(now))
    if terms is None:
        return Finding("red", _("No agreement is in force today."), AGREEMENT)
    lacking = [_(agreement.PURPOSES[one]) for one in NEEDED_PURPOSES if one not in terms.purposes]
    if lacking:
        return Finding(
            "red", _("The agreement does not cover: {purposes}", purposes="、".join(lacking)), AGREEMENT
        )
    if "telephone" not in terms.channels:
        return Finding("red", _("The agreement does not allow telephone calls."), AGREEMENT)
    if terms.valid_to is None:
        return Finding("green", _("Version {number} is in force.", number=terms.version))
    ends = format_date(terms.valid_to)
    return Finding("green", _("Version {number} is in force until {day}.", number=terms.version, day=ends))


def assessed(session: HospitalSession, now: datetime) -> Finding:
    """Each agreed purpose was assessed before it begins (PIPL 55, 56)."""
    terms = agreement.in_force(session, local_date(now))
    if terms is None:
        return Finding("red", _("There is no agreement whose purposes could be assessed."), AGREEMENT)
    done = set(
        session.scalars(
            select(ImpactAssessment.purpose).where(ImpactAssessment.tenant_id == session.tenant_id)
        )
    )
    lacking = [_(text) for one, text in agreement.PURPOSES.items() if one in terms.purposes - done]
    if lacking:
        return Finding("red", _("Not assessed yet: {purposes}", purposes="、".join(lacking)), AGREEMENT)
    return Finding("green", _("All {count} purposes were assessed.", count=len(terms.purposes)))


def calendar(_session: HospitalSession, now: datetime) -> Finding:
    """Deadlines in working days need the holiday notice of the year, from December that of the next too."""
    today = local_date(now)
    # The notice of a year comes out in the November before it.
    years = [today.year, today.year + 1] if today.month == DECEMBER else [today.year]
    for year in years:
        try:
            is_workday(date(year, 12, 31))
        except CalendarMissing:
            return Finding("amber", _("The holiday calendar of {year} is missing.", year=year))
    return Finding("green", _("Known until the end of {year}.", year=years[-1]))


def key(session: HospitalSession, _now: datetime) -> Finding:
    """The hospital's own key opens, and what it locks it unlocks: erasure by its destruction will hold."""
    try:
        own = data_key(session)
        opens = own.decrypt(own.encrypt(SAMPLE)) == SAMPLE
    except (KeyDestroyed, Undecipherable):
        opens = False
    if not opens:
        return Finding("red", _("The hospital's key does not open."))
    return Finding("green", _("The hospital's own key opens."))


def _holders(session: HospitalSession, roles: set[Role]) -> list[object]:
    return list(
        session.scalars(
            select(Person.id)
            .distinct()
            .join(Membership, Membership.person_id == Person.id)
            .where(
                Membership.tenant_id == session.tenant_id,
                Membership.role.in_([role.value for role in roles]),
                membership.counts(),
                Person.disabled_at.is_(None),
            )
        )
    )
