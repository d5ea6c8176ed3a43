"""White label on screen (SC-59): what a firm and a hospital show, with a preview; and the logo's file."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from foundation import audit
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.scope import PlatformScope
from foundation.web.access import PUBLIC
from foundation.web.errors import NotFound
from foundation.web.pages import page, redirect
from foundation.web.security import FOREVER
from tenants.life import branding, logos
from tenants.life.branding import BrandFace, NewBrand
from tenants.models import Firm, Hospital
from tenants.oversight import firm_audit
from tenants.rights import Action
from tenants.visit import Visit

# Nothing in the file may run, whatever it is taken for.
LOGO_HEADERS = {"Cache-Control": FOREVER, "Content-Security-Policy": "default-src 'none'; sandbox"}


class BrandForm(msgspec.Struct):
    """What somebody wants shown."""

    shown_name: str = ""
    shown_name_en: str = ""
    colour: str = ""
    drop_logo: str = ""
    logo: UploadFile | None = None


BrandBody = Annotated[BrandForm, Body(media_type=RequestEncodingType.MULTI_PART)]


@get("/brand/{owner:str}/logo", needs=PUBLIC, sync_to_thread=True)
def logo(owner: FromPath[str], runtime: NamedDependency[Runtime]) -> Response[bytes]:
    """The logo of a firm or a hospital: on the sign-in page everybody sees it."""
    with runtime.database.platform(PlatformScope(branding.SYSTEM, "branding")) as session:
        found = branding.logo_of(session, owner)
    if found is None:
        raise NotFound
    return Response(found[0], media_type=found[1], headers=LOGO_HEADERS)


@get("/firm/brand", needs=Action.MANAGE_BRAND, sync_to_thread=True)
def firm_brand(visit: NamedDependency[Visit]) -> Response[str]:
    """What the firm shows, and how it looks."""
    with visit.firm(Action.MANAGE_BRAND) as session:
        firm = session.get_one(Firm, session.firm_id)
        shown = branding.faces(session, [firm.code]).get(firm.code, BrandFace(firm.code))
    return _page(visit, shown, "/firm/brand", real=(firm.name, firm.name_en), code=None)


@post("/firm/brand", needs=Action.MANAGE_BRAND, sync_to_thread=True)
def save_firm_brand(visit: NamedDependency[Visit], data: BrandBody) -> Redirect:
    """Show this from now on."""
    with visit.firm(Action.MANAGE_BRAND) as session:
        firm = session.get_one(Firm, session.firm_id)
        branding.save(session, firm.code, _wanted(data), now=visit.now)
        firm_audit.note(session, "tenants.brand_changed", now=visit.now, subject=f"firm:{firm.firm_id}")
    return redirect("/firm/brand", notice=_("Saved."))


@get("/h/{code:str}/brand", needs=Action.MANAGE_BRAND, sync_to_thread=True)
def hospital_brand(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """What the hospital shows, and how it looks."""
    with visit.hospital(code, Action.MANAGE_BRAND) as session:
        hospital = session.get_one(Hospital, session.tenant_id)
        shown = branding.faces(session, [code]).get(code, BrandFace(code))
    return _page(visit, shown, f"/h/{code}/brand", real=(hospital.name, hospital.name_en), code=code)


@post("/h/{code:str}/brand", needs=Action.MANAGE_BRAND, sync_to_thread=True)
def save_hospital_brand(code: FromPath[str], visit: NamedDependency[Visit], data: BrandBody) -> Redirect:
    """Show this from now on."""
    with visit.hospital(code, Action.MANAGE_BRAND) as session:
        branding.save(session, code, _wanted(data), now=visit.now)
        audit.record(session, "tenants.brand_changed", now=visit.now, subject=f"hospital:{session.tenant_id}")
    return redirect(f"/h/{code}/brand", notice=_("Saved."))


def _page(
    visit: Visit, shown: BrandFace, address: str, *, real: tuple[str, str], code: str | None
) -> Response[str]:
    return page(
        "tenants/brand.html",
        visit=visit,
        active="settings",
        shown=shown,
        address=address,
        real_name=real[0],
        real_name_en=real[1],
        code=code,
        colours=branding.COLOUR_NAMES,
        most_letters=branding.MOST_LETTERS,
        most_kb=logos.MOST_BYTES // 1024,
    )


def _wanted(data: BrandForm) -> NewBrand:
    content = b"" if data.logo is None else data.logo.file.read(logos.MOST_BYTES + 1)
    return NewBrand(
        name=data.shown_name,
        name_en=data.shown_name_en,
        colour=data.colour,
        logo=content,
        drop_logo=bool(data.drop_logo),
    )


handlers = [logo, firm_brand, save_firm_brand, hospital_brand, save_hospital_brand]
