"""Patients on screen: the list and its search; the other rooms of this package hang on it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.types import ControllerRouterHandler

from foundation.masking import Shown
from foundation.web import cursors
from foundation.web.pages import page
from patients import (
    intake_pages,
    labels,
    patient_pages,
    preference_pages,
    quality_pages,
    queries,
    request_pages,
    stop_pages,
)
from patients.models import Patient
from tenants.rights import Action
from tenants.visit import Visit


class SearchForm(msgspec.Struct):
    """What to look for, and the cursor of the page."""

    search: str = ""
    after: UUID | None = None


@get("/h/{code:str}/patients", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def patients_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    contact: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """The hospital's patients, masked, the newest first; `contact` keeps to one contact state."""
    wanted = contact if contact in labels.CONTACT_STATES else None
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        found = queries.patients(session, state=wanted, after=cursors.checked(session, Patient, after))
    return _list(visit, code, found, state=wanted or "")


@post(
    "/h/{code:str}/patients/search",
    needs=Action.VIEW_PATIENTS,
    reads=True,
    sync_to_thread=True,
    status_code=200,
)
def search_patients(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[SearchForm]
) -> Response[str]:
    """The same list, searched. By POST: names and numbers do not belong into addresses, which are logged."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, Patient, data.after)
        found = queries.patients(session, data.search, after=cursor)
    return _list(visit, code, found, search=data.search.strip())


def _list(
    visit: Visit, code: str, found: queries.PatientPage, *, search: str = "", state: str = ""
) -> Response[str]:
    return page(
        "patients/list.html",
        visit=visit,
        active="patients",
        code=code,
        found=found,
        search=Shown(search),  # as it was typed
        state=state,
        labels=labels,
        may_import=visit.may(Action.IMPORT_PATIENTS, code),
    )


handlers: list[ControllerRouterHandler | Any] = [
    patients_page,
    search_patients,
    *patient_pages.handlers,
    *stop_pages.handlers,
    *preference_pages.handlers,
    *quality_pages.handlers,
    *intake_pages.handlers,
    *request_pages.handlers,
]
