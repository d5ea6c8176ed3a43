"""The ways in of a hospital's data, on screen: how old each is, what came, what was rejected and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import (
    feed_alarms,
    feed_examples,
    feed_inbox,
    feed_labels,
    feed_queries,
    feed_store,
    intake_labels,
    labels,
)
from patients.models import Feed, FeedMessage
from tenants.rights import Action
from tenants.visit import Visit

LONGEST_SILENCE = 24 * 90  # hours


class ExpectForm(msgspec.Struct):
    """After how many hours silence is a problem; empty for never."""

    hours: str = ""


@get("/h/{code:str}/feeds", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def feeds_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Every way in with its age, and the last messages; `show` keeps to one state."""
    wanted = show if show in feed_labels.STATES else ""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursor = cursors.checked(session, FeedMessage, after)
        feeds = feed_queries.ages(session, visit.now)
        counts = feed_queries.counts(session, visit.now)
        rows = feed_queries.messages(session, state=wanted or None, after=cursor)
        alarms = [intake_labels.alarm(one) for one in feed_alarms.recent(session, visit.now)]
    address = f"/h/{code}/feeds"
    tabs = [(_("All"), address, not wanted, None)] + [
        (labels.of(feed_labels.STATES, name), f"{address}?show={name}", wanted == name, None)
        for name in feed_labels.STATES
    ]
    last = rows[feed_queries.PAGE - 1].id if len(rows) > feed_queries.PAGE else None
    following = f"{address}?{f'show={wanted}&' if wanted else ''}after={last}" if last else None
    return page(
        "patients/feeds.html",
        visit=visit,
        active="imports",
        code=code,
        alarms=alarms,
        kinds=feed_queries.by_kind(feeds),
        counts=counts,
        in_full=visit.may(Action.VIEW_PATIENTS, code),
        examples=feed_examples,
        rows=rows[: feed_queries.PAGE],
        following=following,
        tabs=tabs,
        show=wanted,
        labels=labels,
        words=feed_labels,
    )


@post("/h/{code:str}/feeds/{feed_id:uuid}/expect", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def expect(
    code: FromPath[str],
    feed_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ExpectForm],
) -> Redirect:
    """Say after how many hours the silence of a feed is a problem."""
    hours = _hours(data.hours)
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        row = feed_store.feed_row(session, feed_id)
        if row is None:
            raise NotFound
        _keep(session, row, hours, now=visit.now)
    return redirect(f"/h/{code}/feeds", notice=_("Saved."))


@post("/h/{code:str}/feeds/lists/expect", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def expect_lists(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ExpectForm]
) -> Redirect:
    """Say after how many hours without a list sent by hand that is a problem."""
    hours = _hours(data.hours)
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        _keep(session, feed_queries.of_lists(session, now=visit.now), hours, now=visit.now)
    return redirect(f"/h/{code}/feeds", notice=_("Saved."))


def _hours(text: str) -> int | None:
    typed = text.strip()
    if typed and not (typed.isascii() and typed.isdigit() and 1 <= int(typed[:6]) <= LONGEST_SILENCE):
        raise UserMistake(_("Type hours from 1 to {most}, or nothing.", most=LONGEST_SILENCE))
    return int(typed) if typed else None


def _keep(session: HospitalSession, row: Feed, hours: int | None, *, now: datetime) -> None:
    row.expected_hours = hours
    subject = f"feed:{row.id}"
    audit.record(session, "patients.feed_changed", now=now, subject=subject, detail={"hours": hours})


@post(
    "/h/{code:str}/feeds/messages/{message_id:uuid}/again", needs=Action.IMPORT_PATIENTS, sync_to_thread=True
)
def try_again(code: FromPath[str], message_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Look at a rejected message once more."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            answer = feed_inbox.try_again(session, message_id, now=visit.now)
        except feed_inbox.UnknownMessage as error:
            raise NotFound from error
    (fate,) = answer.fates
    notice = feed_labels.reason(fate.reason) if fate.reason else labels.of(feed_labels.STATES, fate.state)
    return redirect(f"/h/{code}/feeds", notice=notice)


handlers: list[ControllerRouterHandler | Any] = [feeds_page, expect, expect_lists, try_again]
