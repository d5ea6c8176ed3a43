"""The firm's hospitals: the list, and making a new one (SC-50)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from foundation.web.pages import page, redirect
from tenants import queries, service
from tenants.labels import GRADES, HOSPITAL_TYPES
from tenants.regions import region_name
from tenants.rights import Action
from tenants.visit import Visit


class HospitalForm(msgspec.Struct):
    """A new hospital, as typed."""

    code: str
    name: str
    name_en: str
    hospital_type: str
    region: str
    grade: str
    brand: str = ""
    beds: str = ""
    outpatient_percent: str = "10"


@get("/firm/hospitals", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def hospitals_page(visit: NamedDependency[Visit]) -> Response[str]:
    """All hospitals of the firm, and a form for a new one."""
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        hospitals = queries.hospitals_of(session)
    return page(
        "tenants/hospitals.html",
        visit=visit,
        active="settings",
        hospitals=hospitals,
        types={key: _(text) for key, text in HOSPITAL_TYPES.items()},
        grades={key: _(text) for key, text in GRADES.items()},
        region_name=region_name,
    )


@post("/firm/hospitals", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def create_hospital(visit: NamedDependency[Visit], data: URLEncodedBody[HospitalForm]) -> Redirect:
    """Make a hospital."""
    new = service.NewHospital(
        code=data.code.strip(),
        name=data.name,
        name_en=data.name_en,
        hospital_type=data.hospital_type,
        region=data.region.strip(),
        grade=data.grade,
        brand=data.brand,
        beds=_whole(data.beds, _("Beds")),
        outpatient_rate=_percent(data.outpatient_percent),
    )
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        service.create_hospital(session, new, now=visit.now)
    return redirect("/firm/hospitals", notice=_("{name} was added.", name=new.name.strip()))


def _whole(text: str, what: str) -> int | None:
    plain = text.strip()
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit()):
        raise UserMistake(_("{what}: a whole number, please.", what=what))
    return int(plain)


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text.strip().rstrip("%")) / 100
    except InvalidOperation as error:
        raise UserMistake(_("The share of outpatients lies between 1% and 100%.")) from error


handlers = [hospitals_page, create_hospital]
