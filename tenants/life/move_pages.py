"""Moving a hospital on screen (SC-58): the old firm asks, the new one accepts, the hospital agrees."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import select

from foundation.calendar import SHANGHAI
from foundation.database import ScopedSession
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.money import parse_yuan, round_half_up
from foundation.web.errors import UserMistake
from foundation.web.pages import page, redirect
from tenants.life import moves
from tenants.life.agreement import CHANNELS, ENDINGS, FIELDS, PURPOSES
from tenants.life.moves import Offer
from tenants.models import DirectoryEntry, Firm, HospitalMove
from tenants.rights import Action
from tenants.visit import Visit

STATES = {
    "asked": (mark("Move asked"), "info"),
    "accepted": (mark("Accepted by the new firm"), "info"),
    "agreed": (mark("Agreed by all"), "good"),
    "done": (mark("Done"), "neutral"),
    "withdrawn": (mark("Withdrawn"), "neutral"),
}


class AskForm(msgspec.Struct):
    """To whom and when, as typed: a firm's code, a day and an hour in China."""

    firm: str
    day: str
    hour: str = "00"


class OfferForm(msgspec.Struct):
    """What the new firm charges, as typed: yuan per patient and year."""

    yearly: str
    name: str
    name_en: str = ""
    bank: str = ""
    account: str = ""
    tax_number: str = ""


@get("/firm/hospitals/{code:str}/move", needs=Action.MOVE_HOSPITAL, sync_to_thread=True)
def ask_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The move that is being agreed, or the form to ask for one."""
    with visit.hospital(code, Action.MOVE_HOSPITAL) as session:
        move = moves.of_hospital(session)
        shown = _shown(session, [move]) if move else []
    return _hospital_page(visit, code, shown, side="old")


@post("/firm/hospitals/{code:str}/move", needs=Action.MOVE_HOSPITAL, sync_to_thread=True)
def ask(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[AskForm]) -> Redirect:
    """Ask another firm to take the hospital on."""
    with visit.hospital(code, Action.MOVE_HOSPITAL) as session:
        moves.ask(session, data.firm, moves_at=_hour(data.day, data.hour), now=visit.now)
    return redirect(f"/firm/hospitals/{code}/move", notice=_("The other firm and the hospital are asked."))


@get("/h/{code:str}/move", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def agree_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """What the hospital's director is asked to agree to."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        move = moves.of_hospital(session)
        shown = _shown(session, [move]) if move else []
    return _hospital_page(visit, code, shown, side="hospital")


@post("/h/{code:str}/move", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def agree(code: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """The hospital lets the new firm process its patients' data from the hour on."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        moves.agree(session, now=visit.now)
    return redirect(f"/h/{code}/move", notice=_("Agreed. The move happens by itself at its hour."))


@post("/h/{code:str}/move/{move_id:uuid}/withdraw", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def refuse(code: FromPath[str], move_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The hospital says no, also after it had said yes."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        moves.withdraw(session, move_id, now=visit.now)
    return redirect(f"/h/{code}/move", notice=_("The move is withdrawn."))


@get("/firm/moves", needs=Action.MOVE_HOSPITAL, sync_to_thread=True)
def moves_page(visit: NamedDependency[Visit]) -> Response[str]:
    """Hospitals that come to the firm or go from it."""
    with visit.firm(Action.MOVE_HOSPITAL) as session:
        shown = _shown(session, moves.of_firm(session))
        firm = session.get_one(Firm, session.firm_id)
    return page(
        "tenants/moves.html",
        visit=visit,
        active="settings",
        moves=shown,
        own=firm.firm_id,
        firm=firm,
        states=STATES,
        words=_words,
    )


@post("/firm/moves/{move_id:uuid}/accept", needs=Action.MOVE_HOSPITAL, sync_to_thread=True)
def accept(
    move_id: FromPath[UUID], visit: NamedDependency[Visit], data: URLEncodedBody[OfferForm]
) -> Redirect:
    """Take the hospital on, at this price."""
    try:
        unit_fen = round_half_up(Decimal(parse_yuan(data.yearly)) / 12)
    except (ValueError, ArithmeticError) as error:
        raise UserMistake(_("The price is a number of yuan.")) from error
    offer = Offer(
        unit_fen=unit_fen,
        name=data.name.strip(),
        name_en=data.name_en.strip(),
        bank=data.bank.strip(),
        account=data.account.strip(),
        tax_number=data.tax_number.strip(),
    )
    with visit.firm(Action.MOVE_HOSPITAL) as session:
        moves.accept(session, move_id, offer, now=visit.now)
    return redirect("/firm/moves", notice=_("Accepted; now the hospital is asked."))


@post("/firm/moves/{move_id:uuid}/withdraw", needs=Action.MOVE_HOSPITAL, sync_to_thread=True)
def withdraw(move_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Either firm takes it back."""
    with visit.firm(Action.MOVE_HOSPITAL) as session:
        moves.withdraw(session, move_id, now=visit.now)
    return redirect("/firm/moves", notice=_("The move is withdrawn."))


def _hospital_page(visit: Visit, code: str, shown: list[dict[str, Any]], *, side: str) -> Response[str]:
    return page(
        "tenants/move.html",
        visit=visit,
        active="settings" if side == "old" else "move",
        code=code,
        face=visit.reached[code].face,
        hospital=visit.reached[code].face,
        side=side,
        entry=shown[0] if shown else None,
        states=STATES,
        words=_words,
        hours=[(str(hour), f"{hour:02d}:00") for hour in range(24)],
    )


def _shown(session: ScopedSession, found: list[HospitalMove] | Any) -> list[dict[str, Any]]:
    """Each move with its state and the codes of both firms."""
    ids = {firm for move in found for firm in (move.from_firm_id, move.to_firm_id)}
    codes = {
        row.firm_id: row.code
        for row in session.execute(
            select(DirectoryEntry.firm_id, DirectoryEntry.code).where(
                DirectoryEntry.kind == "firm", DirectoryEntry.firm_id.in_(ids)
            )
        )
    }
    return [
        {
            "move": move,
            "state": state_of(move),
            "from_code": codes.get(move.from_firm_id, ""),
            "to_code": codes.get(move.to_firm_id, ""),
        }
        for move in found
    ]


def state_of(move: HospitalMove) -> str:
    """How far a move has come, as a key of `STATES`."""
    if move.withdrawn_at is not None:
        return "withdrawn"
    if move.done_at is not None:
        return "done"
    if move.agreed_at is not None:
        return "agreed"
    return "asked" if move.accepted_at is None else "accepted"


def _words(terms: dict[str, Any]) -> list[tuple[str, str]]:
    """The terms of an agreement in the current language."""

    def joined(kind: str, names: dict[str, str]) -> str:
        return _("; ").join(_(names[key]) for key in terms.get(kind, []) if key in names) or "—"

    return [
        (_("Purposes"), joined("purposes", PURPOSES)),
        (_("Kinds of data"), joined("fields", FIELDS)),
        (_("Channels"), joined("channels", CHANNELS)),
        (
            _("Comparison with other hospitals"),
            _("takes part") if terms.get("benchmark") == "full" else _("no"),
        ),
        (_("At the end"), _(ENDINGS.get(str(terms.get("on_end")), "—"))),
    ]


def _hour(day: str, hour: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{day.strip()}T{int(hour):02d}:00:00").replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise UserMistake(_("Please choose a day and an hour.")) from error


handlers = [ask_page, ask, agree_page, agree, refuse, moves_page, accept, withdraw]
