"""Stopped contacts on screen (停止联系): who is left alone and why, deaths to confirm, the nightly check."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from patients import (
    labels,
    suppression,
    suppression_check,
    suppression_effects,
    suppression_queries,
)
from patients.models import Patient, Suppression
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 200


class MistakeForm(msgspec.Struct):
    """Why a reported death is taken back."""

    reason: str = ""


@get("/h/{code:str}/suppressions", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def suppressions_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "",
    reason: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Active stops by reason, or with `show=confirm` the deaths that wait for a second person."""
    confirming = show == "confirm"
    wanted = reason if reason in suppression.REASONS and not confirming else None
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, Suppression, after)
        if confirming:
            lines = suppression_queries.to_confirm(session, after=cursor)
        else:
            lines = suppression_queries.active(session, reason=wanted, after=cursor)
        by_reason, waiting = suppression_queries.counts(session)
        checked = suppression_check.latest(session)
    page_size = suppression_queries.PAGE
    kept = "show=confirm&" if confirming else f"reason={wanted}&" if wanted else ""
    address = f"/h/{code}/suppressions"
    following = f"{address}?{kept}after={lines[page_size - 1].id}" if len(lines) > page_size else None
    return page(
        "patients/suppressions.html",
        visit=visit,
        active="patients",
        code=code,
        lines=lines[:page_size],
        confirming=confirming,
        following=following,
        tabs=[
            (_("All"), address, not confirming and wanted is None, sum(by_reason.values())),
            *(
                (labels.of(labels.SUPPRESSION_REASONS, key), f"{address}?reason={key}", key == wanted, count)
                for key, count in by_reason.items()
            ),
            (_("Deaths to confirm"), f"{address}?show=confirm", confirming, waiting),
        ],
        waiting=waiting,
        checked=checked,
        broken=_broken(checked.found) if checked else [],
        labels=labels,
        may_suppress=visit.may(Action.SUPPRESS_PATIENTS, code),
        may_confirm=visit.may(Action.CONFIRM_DEATHS, code),
    )


@get(
    "/h/{code:str}/patients/{patient_id:uuid}/effects",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def effects(code: FromPath[str], patient_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """What stopping this patient's contacts would end, for the form that does it."""
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        patient = session.get(Patient, (session.tenant_id, patient_id))
        if patient is None or patient.restricted_at is not None or patient.merged_at is not None:
            raise NotFound
        found = suppression_effects.of(session, patient_id)
    return fragment("patients/_effects.html", effects=found)


@post(
    "/h/{code:str}/suppressions/{suppression_id:uuid}/confirm",
    needs=Action.CONFIRM_DEATHS,
    sync_to_thread=True,
)
def confirm(code: FromPath[str], suppression_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The second confirmation of a death, by somebody else than who reported it."""
    with visit.hospital(code, Action.CONFIRM_DEATHS) as session:
        try:
            suppression.confirm_death(session, suppression_id, now=visit.now)
        except suppression.UnknownSuppression as error:
            raise NotFound from error
        except suppression.SamePerson as error:
            raise UserMistake(
                _("You reported this death: somebody else has to confirm it, so that no slip stands.")
            ) from error
    return redirect(f"/h/{code}/suppressions?show=confirm", notice=_("The death is confirmed."))


@post(
    "/h/{code:str}/suppressions/{suppression_id:uuid}/mistake",
    needs=Action.CONFIRM_DEATHS,
    sync_to_thread=True,
)
def mistake(
    code: FromPath[str],
    suppression_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[MistakeForm],
) -> Redirect:
    """The patient is alive: everything comes back as it was."""
    if not data.reason.strip():
        raise UserMistake(_("Say how you know that the patient is alive."))
    with visit.hospital(code, Action.CONFIRM_DEATHS) as session:
        row = session.get(Suppression, (session.tenant_id, suppression_id))
        if row is None or row.reason != "deceased" or row.confirmed_at is not None:
            raise NotFound
        suppression.lift(session, row.id, now=visit.now, reason=mask_numbers(data.reason.strip()[:LONGEST]))
        still = suppression.active_reasons(session, row.patient_id)
    notice = _("One reason less; another one still holds.") if still else _("Contacts are allowed again.")
    return redirect(f"/h/{code}/suppressions?show=confirm", notice=notice)


def _broken(found: dict[str, int]) -> list[tuple[str, int]]:
    words = {live.name: live.label for live in suppression_effects.registered()}
    return [(_(words.get(name, name)), count) for name, count in found.items() if count]


handlers = [suppressions_page, effects, confirm, mistake]
