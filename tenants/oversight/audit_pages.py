"""The audit trail of a hospital and the record of a firm: searched, verified and exported (PIPL 51, 54)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from foundation import audit, chain
from foundation.calendar import local_date
from foundation.chain import Verified
from foundation.database import FirmSession
from foundation.documents.spreadsheet import write_csv, write_xlsx
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page
from tenants.oversight import audit_export, audit_queries, firm_audit
from tenants.oversight.audit_chains import chain_id, model_of
from tenants.oversight.audit_labels import GROUPS, choices, group_of, label_of, reason_text, subject_text
from tenants.oversight.audit_queries import PAGE, AuditQuery, Trail
from tenants.rights import Action
from tenants.visit import Visit

FIRM = "/firm/audit"
# What a page verifies while somebody waits; `careloop audit verify` walks whole chains of any length.
NEWEST = 50_000
# More than this is for several files, or for the command line of the database.
MOST_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Place:
    """Whose records are on screen: a hospital's, or without a code the firm's."""

    visit: Visit
    code: str | None

    @property
    def path(self) -> str:
        """The address of the records."""
        return FIRM if self.code is None else f"/h/{self.code}/audit"

    @contextmanager
    def opened(self) -> Iterator[Trail]:
        """A session over them."""
        if self.code is None:
            with self.visit.firm(Action.VIEW_AUDIT) as firm:
                yield firm
            return
        with self.visit.hospital(self.code, Action.VIEW_AUDIT) as hospital:
            yield hospital

    def query(self, since: str, until: str, person: str, kind: str, subject: str) -> AuditQuery:
        """What is asked for; without days the last ones."""
        today = local_date(self.visit.now)
        return audit_queries.query_of(since, until, person, kind, subject, today=today)

    def address(self, query: AuditQuery, *, to: str = "", **more: str) -> str:
        """The same records at another address."""
        values = {
            "since": query.since or "",
            "until": query.until or "",
            "person": query.person,
            "kind": query.group or query.action,
            "subject": query.subject,
        } | more
        text = urlencode({key: str(value) for key, value in values.items() if value})
        return f"{self.path}{to}" + (f"?{text}" if text else "")


@get("/h/{code:str}/audit", needs=Action.VIEW_AUDIT, sync_to_thread=True)
def hospital_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    person: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """A hospital's audit trail, the newest first."""
    place = Place(visit, code)
    return _records(place, place.query(since, until, person, kind, subject), after)


@get(FIRM, needs=Action.VIEW_AUDIT, sync_to_thread=True)
def firm_page(
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    person: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """What the firm's people did across hospitals, and the way to each hospital's trail."""
    place = Place(visit, None)
    return _records(place, place.query(since, until, person, kind, subject), after)


@get("/h/{code:str}/audit/export", needs=Action.VIEW_AUDIT, sync_to_thread=True)
def hospital_export(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    person: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    format: FromQuery[str] = "xlsx",  # noqa: A002 - the word in the address
) -> Response[bytes]:
    """The records of the page as a file, whole."""
    place = Place(visit, code)
    return _export(place, place.query(since, until, person, kind, subject), format)


@get(FIRM + "/export", needs=Action.VIEW_AUDIT, sync_to_thread=True)
def firm_export(
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    person: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    format: FromQuery[str] = "xlsx",  # noqa: A002 - the word in the address
) -> Response[bytes]:
    """As for a hospital."""
    place = Place(visit, None)
    return _export(place, place.query(since, until, person, kind, subject), format)


@get("/h/{code:str}/audit/months", needs=Action.VIEW_AUDIT, sync_to_thread=True)
def hospital_months(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """What happened in each of the last twelve months, counted for the audit of compliance (PIPL 54)."""
    return _months(Place(visit, code))


@get(FIRM + "/months", needs=Action.VIEW_AUDIT, sync_to_thread=True)
def firm_months(visit: NamedDependency[Visit]) -> Response[str]:
    """As for a hospital."""
    return _months(Place(visit, None))


@post("/h/{code:str}/audit/verify", needs=Action.VIEW_AUDIT, sync_to_thread=True, status_code=200)
def verify_hospital(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Walk the chain now and say what came of it; that somebody did is a record itself."""
    return _verify(Place(visit, code))


@post(FIRM + "/verify", needs=Action.VIEW_AUDIT, sync_to_thread=True, status_code=200)
def verify_firm(visit: NamedDependency[Visit]) -> Response[str]:
    """As for a hospital."""
    return _verify(Place(visit, None))


def _records(place: Place, query: AuditQuery, after: UUID | None) -> Response[str]:
    visit = place.visit
    with place.opened() as session:
        before = audit_queries.number_of(session, after) if after else None
        rows = audit_queries.lines(session, query, before=before, limit=PAGE + 1)
        checked = audit_queries.last_verified(session)
        end = chain.head(session, model_of(session), chain_id(session))
    return page(
        "tenants/audit.html",
        visit=visit,
        active="audit",
        place=place,
        query=query,
        lines=rows[:PAGE],
        following=place.address(query, after=str(rows[PAGE - 1].id)) if len(rows) > PAGE else None,
        first=place.address(query) if after else None,
        exports=[(kind, place.address(query, to="/export", format=kind)) for kind in audit_export.FORMATS],
        kinds=choices(),
        end=end,
        checked=checked,
        hospitals=_hospitals(visit),
        label_of=label_of,
        group_of=group_of,
        groups={group: _(label) for group, label in GROUPS.items()},
        subject_text=subject_text,
        reason_text=reason_text,
        detail_text=audit_export.detail_text,
    )


def _months(place: Place) -> Response[str]:
    with place.opened() as session:
        query = audit_queries.default_months(place.visit.now)
        found = audit_queries.months(session, query)
    return page(
        "tenants/audit_months.html",
        visit=place.visit,
        active="audit",
        place=place,
        heads=[column.title for column in audit_export.month_columns()],
        months=found,
        summed=audit_queries.SUMMED,
        hospitals=_hospitals(place.visit),
        export=place.address(query, to="/export", format="xlsx"),
    )


def _export(place: Place, query: AuditQuery, form: str) -> Response[bytes]:
    visit = place.visit
    wanted = form
    if wanted not in audit_export.FORMATS:
        raise NotFound
    with place.opened() as session:
        rows = audit_queries.size(session, query)
        if rows > MOST_ROWS:
            raise UserMistake(_("These are {count} records; choose fewer days.", count=f"{rows:,}"))
        records = audit_export.sheet(
            audit_queries.stream(session, query), query, by=visit.person.name, now=visit.now
        )
        if wanted == "csv":
            content, media_type = write_csv(records), audit_export.CSV
        else:
            sums = audit_export.months_sheet(audit_queries.months(session, query))
            content = write_xlsx([records, sums], title=records.name, generated=visit.now)
            media_type = audit_export.XLSX
        _record(session, visit, "audit.exported", rows=rows, format=wanted, **_asked(query))
    name = f"audit-{place.code or 'firm'}-{visit.now:%Y%m%d}.{wanted}"
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _verify(place: Place) -> Response[str]:
    visit = place.visit
    with place.opened() as session:
        found = chain.verify(session, model_of(session), chain_id(session), newest=NEWEST)
        _record(session, visit, "audit.verified", **_outcome(found))
    return fragment("tenants/_audit_verified.html", found=found, now=visit.now)


def _outcome(found: Verified) -> dict[str, Any]:
    """What a record says of a look at the chain."""
    through = found.head.seq if found.head else 0
    if found.fault is None:
        return {"holds": True, "first": found.first, "through": through}
    return {"holds": False, "first": found.first, "at": found.fault.expected, "what": found.fault.what}


def _asked(query: AuditQuery) -> dict[str, str]:
    """The filter as a record keeps it: days and kind, not what was typed."""
    values = {"since": query.since, "until": query.until, "kind": query.group or query.action}
    return {key: str(value) for key, value in values.items() if value}


def _record(session: Trail, visit: Visit, action: str, **detail: Any) -> None:
    if isinstance(session, FirmSession):
        firm_audit.note(session, action, now=visit.now, subject="", **detail)
    else:
        audit.record(session, action, now=visit.now, detail=detail)


def _hospitals(visit: Visit) -> list[tuple[str, str]]:
    """The trails that a firm's auditor may go on to; a hospital's own people have but one."""
    if not visit.may_for_the_firm(Action.VIEW_AUDIT):
        return []
    return [(face.code, face.label) for face in visit.chips if visit.may(Action.VIEW_AUDIT, face.code)]


handlers = [
    hospital_page,
    firm_page,
    hospital_export,
    firm_export,
    hospital_months,
    firm_months,
    verify_hospital,
    verify_firm,
]
