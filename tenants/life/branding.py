"""White label (自有品牌, SC-59): under which name, colour and logo a firm and a hospital meet people.

The firm's people see the firm's, a hospital's people their hospital's; without any it is the product's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from foundation import languages
from foundation.database import Database, HospitalSession, ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from foundation.web.errors import UserMistake
from tenants.labels import COLOURS
from tenants.life import logos
from tenants.models import Brand, DirectoryEntry, Firm, Hospital

MOST_LETTERS = 40
SYSTEM = Actor.system("branding")
# The colours of `labels.COLOURS` by name.
COLOUR_NAMES = {
    "teal": mark("Teal"),
    "blue": mark("Blue"),
    "orange": mark("Orange"),
    "purple": mark("Purple"),
    "green": mark("Green"),
    "pink": mark("Pink"),
    "indigo": mark("Indigo"),
    "yellow": mark("Yellow"),
    "red": mark("Red"),
    "cyan": mark("Cyan"),
    "lime": mark("Lime"),
    "azure": mark("Azure"),
}


@dataclass(frozen=True, slots=True)
class BrandFace:
    """What a page shows of a brand. `logo` is its address or empty, `colour` one of `labels.COLOURS` or
    empty.
    """

    code: str
    name: str = ""
    name_en: str = ""
    colour: str = ""
    logo: str = ""

    @property
    def label(self) -> str:
        """The shown name in the current language; the product's own where there is none."""
        if languages.current() == "zh_Hans":
            return self.name or self.name_en or _("CareLoop")
        return self.name_en or self.name or _("CareLoop")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What a document shows of a brand (抬头): the shown names, and the logo's bytes, if any."""

    name: str = ""
    name_en: str = ""
    logo: bytes = b""

    @property
    def label(self) -> str:
        """The shown name in the current language; empty without one."""
        names = (self.name, self.name_en)
        return names[0] or names[1] if languages.current() == "zh_Hans" else names[1] or names[0]

    @property
    def logo_name(self) -> str:
        """The name under which the typesetter finds the logo; empty without one."""
        return "logo.svg" if self.logo else ""

    @property
    def images(self) -> dict[str, bytes]:
        """The logo as the typesetter takes it: files are texts there, so the picture lies in a drawing."""
        return {"logo.svg": logos.as_drawing(self.logo)} if self.logo else {}


NO_LETTERHEAD = Letterhead()


@dataclass(frozen=True, slots=True)
class NewBrand:
    """What somebody wants shown: names, a colour of the list or none, and a new logo; `drop_logo` takes it
    away. Without either the logo stays.
    """

    name: str
    name_en: str
    colour: str
    logo: bytes = b""
    drop_logo: bool = False


def save(session: ScopedSession, code: str, new: NewBrand, *, now: datetime) -> None:
    """Show this from now on. Raises `UserMistake` for an unknown colour, a long name, or what is no logo."""
    if new.colour and new.colour not in COLOURS:
        raise UserMistake(_("Unknown colour: {value}", value=new.colour))
    if max(len(new.name.strip()), len(new.name_en.strip())) > MOST_LETTERS:
        raise UserMistake(_("A shown name has at most {count} letters.", count=MOST_LETTERS))
    values = {
        "shown_name": new.name.strip(),
        "shown_name_en": new.name_en.strip(),
        "colour": new.colour,
        "changed_at": now,
        "changed_by": session.scope.actor.name,
    }
    if new.logo:
        picture = logos.check(new.logo)
        digest = hashlib.sha256(new.logo).hexdigest()[:12]
        values |= {"logo": new.logo, "logo_type": picture.media_type, "version": digest}
    elif new.drop_logo:
        values |= {"logo": None, "logo_type": None, "version": ""}
    session.execute(
        insert(Brand)
        .values({"version": ""} | values | {"id": new_id(), "code": code})
        .on_conflict_do_update(index_elements=["code"], set_=values)
    )


def forget(session: HospitalSession) -> None:
    """Nothing of the hospital's brand stays: it has left."""
    codes = select(DirectoryEntry.code).where(DirectoryEntry.tenant_id == session.tenant_id)
    session.execute(delete(Brand).where(Brand.code.in_(codes)))


def faces(session: ScopedSession, codes: Iterable[str]) -> dict[str, BrandFace]:
    """The brands of these firms and hospitals, by code; only of those that have one."""
    rows = session.scalars(select(Brand).where(Brand.code.in_(list(codes))))
    return {row.code: _face(row) for row in rows}


def logo_of(session: ScopedSession, code: str) -> tuple[bytes, str] | None:
    """Bytes and media type of a logo, or None."""
    row = session.execute(select(Brand.logo, Brand.logo_type).where(Brand.code == code)).one_or_none()
    if row is None or row.logo is None:
        return None
    return row.logo, row.logo_type or ""


def letterhead(session: ScopedSession, code: str) -> Letterhead:
    """What documents show of this firm or hospital; an empty one without a brand."""
    row = session.execute(
        select(Brand.shown_name, Brand.shown_name_en, Brand.logo).where(Brand.code == code)
    ).one_or_none()
    if row is None:
        return NO_LETTERHEAD
    return Letterhead(row.shown_name, row.shown_name_en, row.logo or b"")


def firm_letterhead(session: HospitalSession) -> Letterhead:
    """The letterhead of the firm that serves the session's hospital."""
    firm_id = (
        select(DirectoryEntry.firm_id).where(DirectoryEntry.tenant_id == session.tenant_id).scalar_subquery()
    )
    code = session.scalar(
        select(DirectoryEntry.code).where(DirectoryEntry.kind == "firm", DirectoryEntry.firm_id == firm_id)
    )
    return letterhead(session, code or "")


def report_letterhead(session: HospitalSession) -> Letterhead:
    """What a report about the session's hospital carries: the firm's shown name, and the hospital's own logo
    or else the firm's.
    """
    firm = firm_letterhead(session)
    code = session.scalar(select(DirectoryEntry.code).where(DirectoryEntry.tenant_id == session.tenant_id))
    own = letterhead(session, code or "")
    return replace(firm, logo=own.logo) if own.logo else firm


def shown_to(session: ScopedSession, *, firm_id: UUID | None, tenant_id: UUID | None) -> BrandFace | None:
    """The brand that people of this firm, or of this hospital, see; None: the product's own."""
    own = DirectoryEntry.tenant_id == tenant_id if tenant_id else DirectoryEntry.firm_id == firm_id
    row = session.scalar(
        select(Brand)
        .join(DirectoryEntry, DirectoryEntry.code == Brand.code)
        .where(own, DirectoryEntry.kind == ("hospital" if tenant_id else "firm"))
    )
    return None if row is None else _face(row)


def face(database: Database, code: str) -> BrandFace | None:
    """The face of a firm or hospital before anybody has signed in; None for a code that nobody has.

    Without a shown name of its own it is the name of the firm or hospital itself.
    """
    with database.platform(PlatformScope(SYSTEM, "branding")) as session:
        entry = session.execute(
            select(DirectoryEntry.firm_id, DirectoryEntry.tenant_id).where(
                DirectoryEntry.code == code, DirectoryEntry.state != "left"
            )
        ).one_or_none()
        found = faces(session, [code]).get(code, BrandFace(code))
    if entry is None:
        return None
    if found.name or found.name_en:
        return found
    name, name_en = (
        _firm_name(database, FirmScope(entry.firm_id, (), SYSTEM, "branding"))
        if entry.tenant_id is None
        else _hospital_name(database, HospitalScope(entry.tenant_id, SYSTEM, "branding"))
    )
    return BrandFace(code, name, name_en, found.colour, found.logo)


def _firm_name(database: Database, scope: FirmScope) -> tuple[str, str]:
    with database.firm(scope) as session:
        row = session.get_one(Firm, scope.firm_id)
        return row.name, row.name_en


def _hospital_name(database: Database, scope: HospitalScope) -> tuple[str, str]:
    with database.hospital(scope) as session:
        row = session.get_one(Hospital, scope.tenant_id)
        return row.name, row.name_en


def _face(row: Brand) -> BrandFace:
    logo = f"/brand/{row.code}/logo?v={row.version}" if row.version else ""
    return BrandFace(row.code, row.shown_name, row.shown_name_en, row.colour, logo)
