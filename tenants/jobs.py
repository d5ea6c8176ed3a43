"""What is done about people and their sign-in in the background."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, update

from foundation import languages, runtime, sending
from foundation.database import PlatformSession
from foundation.languages import format_date
from foundation.languages import gettext as _
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.settings import Settings
from foundation.work import job
from tenants.identity import invitations, mobiles, unused
from tenants.models import DirectoryEntry, Firm, Invitation, Membership, Person

log = structlog.get_logger()


@job("tenants.close_unused", reach="platform", every="20 18 * * *")
def close_unused(session: PlatformSession, now: datetime) -> None:
    """Every night (02:20 in China) close accounts that nobody used for 90 days.

    Not in a demo: its people are entered with one click, and its history is longer than that.
    """
    if runtime.current().settings.demo:
        return
    log.info("unused accounts closed", count=unused.close_unused(session, now=now))


@job(invitations.SEND_JOB, reach="platform", opens_own=True, minutes=2)
def send_invitation(scope: PlatformScope, now: datetime, *, invitation_id: str) -> None:
    """Send the link of one invitation by e-mail or text message: read, send, write."""
    parts = runtime.current()
    with parts.database.platform(scope) as session:
        row = session.execute(
            select(Invitation, Person)
            .join(Person, Person.id == Invitation.person_id)
            .where(
                Invitation.id == UUID(invitation_id),
                Invitation.used_at.is_(None),
                Invitation.sent_at.is_(None),
                Invitation.expires_at > now,
                Person.disabled_at.is_(None),
            )
        ).one_or_none()
        if row is None:  # used, sent or closed meanwhile
            return
        invitation, person = row
        link = invitations.link(parts.settings.site, invitations.token_of(session, invitation.id))
        number = mobiles.number_of(session, person)
        firm_id = _firm_of(session, person.id)
    with languages.speaking(languages.choose(person.language)):
        failure = _send(parts.settings, invitation, person, number, _firm_name(firm_id), link)
    with parts.database.platform(scope) as session:
        session.execute(
            update(Invitation)
            .where(Invitation.id == invitation.id)
            .values(sent_at=None if failure else now, send_failure=failure)
        )


def _send(
    settings: Settings, invitation: Invitation, person: Person, number: str | None, firm: str, link: str
) -> str:
    """Empty when it was taken, else why it never will be; what may help later is raised, and tried again."""
    day = format_date(invitation.expires_at)
    try:
        if invitation.channel == "email" and person.email:
            sending.send_mail(settings, sending.Mail(person.email, *_letter(person.name, firm, link, day)))
        elif invitation.channel == "phone" and number:
            text = _(
                "{firm} invites you to CareLoop. Set a password by {day}: {link}",
                firm=firm,
                day=day,
                link=link,
            )
            sending.send_text(settings, number, text)
    except sending.NotSent as error:
        if not error.for_good:
            raise
        log.warning("invitation not sent", invitation_id=str(invitation.id), reason=str(error))
        return str(error)
    return ""


def _letter(name: str, firm: str, link: str, day: str) -> tuple[str, str]:
    return _("{firm} invites you to CareLoop", firm=firm), "\n\n".join(
        (
            _("Hello {name},", name=name),
            _("{firm} invites you to CareLoop. Open this link and set a password:", firm=firm),
            link,
            _("The link works once and until {day}. Do not pass it on.", day=day),
            _("If you did not expect this, do nothing: without a password there is no account."),
        )
    ) + "\n"


def _firm_of(session: PlatformSession, person_id: UUID) -> UUID | None:
    """The firm at which, or at a hospital of which, the person was given the latest role."""
    return session.scalar(
        select(DirectoryEntry.firm_id)
        .join(
            Membership,
            (Membership.tenant_id == DirectoryEntry.tenant_id)
            | ((Membership.firm_id == DirectoryEntry.firm_id) & (DirectoryEntry.kind == "firm")),
        )
        .where(Membership.person_id == person_id)
        .order_by(Membership.created_at.desc(), Membership.id.desc())
        .limit(1)
    )


def _firm_name(firm_id: UUID | None) -> str:
    if firm_id is None:
        return "CareLoop"
    database = runtime.current().database
    with database.firm(FirmScope(firm_id, (), Actor.system("invitation"), "invitation")) as session:
        firm = session.get_one(Firm, firm_id)
    zh = languages.current() == "zh_Hans"
    return firm.name if zh else firm.name_en or firm.name
