"""Likely duplicates on screen (疑似重复): two records side by side, and a person decides who they are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.languages import gettext as _
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import duplicate_view, duplicates, joining, labels
from patients.models import PossibleDuplicate
from patients.suppression import UnknownPatient
from tenants.rights import Action
from tenants.visit import Visit

MAY = Action.MERGE_PATIENTS
LONGEST = 200


class MergeForm(msgspec.Struct):
    """Which of the two is kept, `left` or `right`, and why they are one person."""

    keep: str = ""
    reason: str = ""


@get("/h/{code:str}/duplicates", needs=MAY, sync_to_thread=True)
def duplicates_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "open",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """The pairs that wait for a decision, or with `show` those that were merged or are two people."""
    wanted = next((known for known in duplicate_view.SHOWN if known == show), duplicate_view.SHOWN[0])
    with visit.hospital(code, MAY) as session:
        cursor = cursors.checked(session, PossibleDuplicate, after)
        pairs, following = duplicate_view.pairs(session, wanted, after=cursor)
        numbers = duplicate_view.counts(session)
    address = f"/h/{code}/duplicates"
    names = {"open": _("To decide"), "merged": _("One person"), "different": _("Two people")}
    return page(
        "patients/duplicates.html",
        visit=visit,
        active="patients",
        code=code,
        pairs=pairs,
        shown=wanted,
        labels=labels,
        tabs=[
            (names[known], f"{address}?show={known}", known == wanted, numbers[known])
            for known in duplicate_view.SHOWN
        ],
        following=f"{address}?show={wanted}&after={following}" if following else None,
    )


@post("/h/{code:str}/duplicates/{pair_id:uuid}/merge", needs=MAY, sync_to_thread=True)
def merge(
    code: FromPath[str],
    pair_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[MergeForm],
) -> Redirect:
    """The two are one person: one record is kept, the other one goes into it."""
    if data.keep not in {"left", "right"}:
        raise UserMistake(_("Say which of the two records is kept."))
    with visit.hospital(code, MAY) as session:
        pair = _pair(session, pair_id)
        kept, gone = pair.first_id, pair.second_id
        if data.keep == "right":
            kept, gone = gone, kept
        reason = data.reason.strip()[:LONGEST] or labels.of(labels.DUPLICATE_REASONS, pair.reason)
        try:
            joining.merge(session, kept, gone, reason=reason, now=visit.now)
        except UnknownPatient as error:
            raise NotFound from error
    return redirect(f"/h/{code}/duplicates", notice=_("One person now; this can be undone."))


@post("/h/{code:str}/duplicates/{pair_id:uuid}/different", needs=MAY, sync_to_thread=True)
def different(code: FromPath[str], pair_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The two are different people."""
    with visit.hospital(code, MAY) as session:
        try:
            duplicates.different(session, pair_id, now=visit.now)
        except duplicates.UnknownPair as error:
            raise NotFound from error
    return redirect(f"/h/{code}/duplicates", notice=_("Two people; this pair is not shown again."))


@post("/h/{code:str}/duplicates/{pair_id:uuid}/reconsider", needs=MAY, sync_to_thread=True)
def reconsider(code: FromPath[str], pair_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The pair is open again."""
    with visit.hospital(code, MAY) as session:
        try:
            duplicates.reconsider(session, pair_id, now=visit.now)
        except duplicates.UnknownPair as error:
            raise NotFound from error
    return redirect(f"/h/{code}/duplicates", notice=_("The pair is to be decided again."))


@post("/h/{code:str}/merges/{merge_id:uuid}/undo", needs=MAY, sync_to_thread=True)
def undo_merge(code: FromPath[str], merge_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Two records again, each with what it had."""
    with visit.hospital(code, MAY) as session:
        try:
            kept = joining.undo(session, merge_id, now=visit.now).kept_id
        except joining.UnknownMerge as error:
            raise NotFound from error
    return redirect(f"/h/{code}/patients/{kept}", notice=_("Two records again, each with what it had."))


def _pair(session: Any, pair_id: UUID) -> PossibleDuplicate:
    try:
        return duplicates.pair_or_raise(session, pair_id)
    except duplicates.UnknownPair as error:
        raise NotFound from error


handlers: list[ControllerRouterHandler | Any] = [
    duplicates_page,
    merge,
    different,
    reconsider,
    undo_merge,
]
