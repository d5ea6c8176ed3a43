"""The firm's hospitals: the list, and making a new one from what its type brings (SC-50, S0-8)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.scope import HospitalScope
from foundation.web.errors import UserMistake
from foundation.web.pages import fragment, page, redirect
from foundation.web.typed import decimal_of, whole_number
from tenants import queries, service
from tenants.labels import COLOUR_NAMES, COLOURS, GRADES, HOSPITAL_TYPES
from tenants.life import onboarding, stages, templates_by_type
from tenants.regions import is_region, region_name
from tenants.rights import Action
from tenants.visit import Visit

MOST_BEDS = 100_000


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
    colour: str = ""


@get("/firm/hospitals", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def hospitals_page(visit: NamedDependency[Visit]) -> Response[str]:
    """All hospitals of the firm, each with its stage."""
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
        stages=stages,
    )


@get("/firm/hospitals/new", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def new_page(visit: NamedDependency[Visit]) -> Response[str]:
    """The form for a new hospital, and what its type brings."""
    return page(
        "tenants/hospital_new.html",
        visit=visit,
        active="settings",
        types={key: _(text) for key, text in HOSPITAL_TYPES.items()},
        grades={key: _(text) for key, text in GRADES.items()},
        brings=templates_by_type.brings(next(iter(HOSPITAL_TYPES))),
        colours=COLOURS,
        colour_names={key: _(text) for key, text in COLOUR_NAMES.items()},
    )


@get("/firm/hospitals/brings", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def brings_piece(hospital_type: FromQuery[str] = "") -> Response[str]:
    """What a type brings, as it is chosen."""
    if hospital_type not in HOSPITAL_TYPES:
        raise UserMistake(_("Unknown type of hospital: {value}", value=hospital_type))
    return fragment("tenants/_brings.html", brings=templates_by_type.brings(hospital_type))


@get("/firm/hospitals/province", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def province_piece(region: FromQuery[str] = "") -> Response[str]:
    """The province of a region code, as it is typed; empty for what is no code."""
    return fragment("tenants/_province.html", province=region_name(region) if is_region(region) else "")


@post("/firm/hospitals", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def create_hospital(visit: NamedDependency[Visit], data: URLEncodedBody[HospitalForm]) -> Redirect:
    """Make a hospital in the stage of onboarding; its checklist follows, now or when it is opened."""
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
        colour=data.colour,
    )
    with visit.firm(Action.MANAGE_HOSPITALS) as session:
        made = service.create_hospital(session, new, now=visit.now, state="onboarding")
        code, tenant_id = made.code, made.tenant_id
    # What is new is within nobody's reach before the next request, so its scope is named here.
    scope = HospitalScope(tenant_id, visit.actor, Action.MANAGE_ONBOARDING.value, address=visit.address)
    with visit.database.hospital(scope) as hospital:
        onboarding.prepare(hospital, now=visit.now)
    return redirect(f"/h/{code}/onboarding", notice=_("{name} was added.", name=new.name.strip()))


def _whole(text: str, what: str) -> int | None:
    if not text.strip():
        return None
    return whole_number(text, 0, MOST_BEDS, _("{what}: a whole number, please.", what=what))


def _percent(text: str) -> Decimal:
    sentence = _("The share of outpatients lies between 1% and 100%.")
    return decimal_of(text.strip().rstrip("%"), sentence) / 100


handlers = [hospitals_page, new_page, brings_piece, province_piece, create_hospital]
