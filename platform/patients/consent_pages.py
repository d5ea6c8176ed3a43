"""The hospital's page of consent: words of asking, what each purpose rests on, figures, export."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation import audit
from foundation.calendar import local_date
from foundation.documents.spreadsheet import write_csv
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from foundation.web.pages import page, redirect
from patients import consent_figures, consent_forms, consent_labels, consent_texts, consent_words
from patients.consent_rules import BASES, CHANNELS, PURPOSES
from tenants.life import agreement
from tenants.rights import Action
from tenants.visit import Visit

# What can be a day of a consent; beyond it a year more or less is no day at all.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
YEAR = timedelta(days=365)


class TextForm(msgspec.Struct):
    """The next version of the words for a purpose on a channel."""

    purpose: str = ""
    channel: str = "all"
    text_zh: str = ""
    text_en: str = ""
    asks_again: str = ""
    valid_from: str = ""
    zh_stays: str = ""
    en_stays: str = ""
    compared: str = ""


class BasisForm(msgspec.Struct):
    """What a purpose rests on, and why."""

    purpose: str = ""
    basis: str = ""
    reason: str = ""


@get("/h/{code:str}/consent", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def consent_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    purpose: FromQuery[str] = "",
    channel: FromQuery[str] = "",
) -> Response[str]:
    """Figures, bases and words; `purpose` and `channel` choose whose words are shown."""
    wanted = purpose if purpose in PURPOSES else PURPOSES[0]
    on = channel if channel in CHANNELS else CHANNELS[0]
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        counts = consent_figures.counts(session, visit.now)
        versions = consent_texts.versions(session)
        shown = consent_texts.shown(session, wanted, on, visit.now)
        bases = consent_texts.bases(session)
        history = consent_texts.basis_history(session)
    today = local_date(visit.now)
    return page(
        "patients/consent.html",
        visit=visit,
        active="patients",
        code=code,
        counts=counts,
        versions=[row for row in versions if row.purpose == wanted],
        current=consent_texts.current(versions, wanted, on, visit.now),
        shown=shown,
        purpose=wanted,
        channel=on,
        bases=bases,
        possible={key: consent_labels.choices(consent_labels.BASES, *BASES[key]) for key in PURPOSES},
        history=history,
        labels=consent_labels,
        may_manage=visit.may(Action.MANAGE_CONSENT, code),
        purposes=consent_labels.choices(consent_labels.PURPOSES),
        channels=consent_labels.choices(consent_labels.CHANNELS),
        today=today,
        since=today - YEAR,
    )


@post("/h/{code:str}/consent/texts", needs=Action.MANAGE_CONSENT, sync_to_thread=True)
def add_text(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[TextForm]
) -> Redirect | Response[str]:
    """Show the next version of the words beside the one in force; once `compared`, keep it."""
    day = _day(data.valid_from)
    if day is None:
        raise UserMistake(_("Say from which day the new words hold."))
    words = data.text_zh.replace("\r\n", "\n"), data.text_en.replace("\r\n", "\n")
    new = consent_texts.NewText(data.purpose, data.channel, *words, data.asks_again == "yes", day)
    with visit.hospital(code, Action.MANAGE_CONSENT) as session:
        consent_texts.check(new, visit.now)
        old = consent_texts.shown(session, new.purpose, new.channel, visit.now)
        _both_meant(data, new, old)
        if data.compared != "yes":
            return page(
                "patients/consent_compare.html",
                visit=visit,
                active="patients",
                code=code,
                old=old,
                new=new,
                form=data,
                labels=consent_labels,
            )
        row = consent_texts.add_version(session, new, visit.now)
        number = row.version
    address = f"/h/{code}/consent?purpose={data.purpose}&channel={data.channel}"
    return redirect(address, notice=_("Version {number} is kept.", number=number))


def _both_meant(data: TextForm, new: consent_texts.NewText, old: consent_words.Words) -> None:
    """No language keeps its old words unnoticed beside new words in the other."""
    if new.zh.strip() == old.zh.strip() and data.zh_stays != "yes":
        raise UserMistake(_("The Chinese words are the old ones: write them anew, or tick that they stay."))
    if new.en.strip() == old.en.strip() and data.en_stays != "yes":
        raise UserMistake(_("The English words are the old ones: write them anew, or tick that they stay."))


@post("/h/{code:str}/consent/bases", needs=Action.MANAGE_CONSENT, sync_to_thread=True)
def set_basis(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[BasisForm]
) -> Redirect:
    """Say what a purpose rests on."""
    with visit.hospital(code, Action.MANAGE_CONSENT) as session:
        consent_texts.set_basis(session, data.purpose, data.basis, reason=data.reason[:500], now=visit.now)
    return redirect(f"/h/{code}/consent", notice=_("Saved; it is asked before every contact from now on."))


@get("/h/{code:str}/consent/export", needs=Action.MANAGE_CONSENT, sync_to_thread=True)
def export(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
) -> Response[bytes]:
    """Every word of a period as a file, for the audit of compliance (PIPL 54); on record."""
    last = _day(until) or local_date(visit.now)
    first = _day(since) or last - YEAR
    with visit.hospital(code, Action.MANAGE_CONSENT) as session:
        agreement.require_for_export(session, doing="patients.consents_export", now=visit.now)
        made, rows = consent_figures.sheet(session, first, last, visit.person.name)
        audit.record(
            session,
            "patients.consents_exported",
            now=visit.now,
            detail={"rows": rows, "since": first.isoformat(), "until": last.isoformat()},
        )
    name = f"consents-{code}-{first:%Y%m%d}-{last:%Y%m%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write_csv(made), media_type="text/csv; charset=utf-8", headers=headers)


def _day(typed: str) -> date | None:
    if not typed.strip():
        return None
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError as error:
        raise UserMistake(_("A date as 2026-03-12, please.")) from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UserMistake(_("A date as 2026-03-12, please."))
    return day


handlers: list[Any] = [consent_page, add_text, set_basis, export, *consent_forms.handlers]
