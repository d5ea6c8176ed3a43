"""What a visit knows of hospitals and roles: faces, memberships, what is within reach, what was lent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from foundation import languages
from foundation.languages import Language
from tenants.rights import ASSIGNED_ONLY, REFUSED_BY_FIRM, REFUSED_IN, SIDES, Action, Role

# What a grant of statistics opens (S4-16).
GRANT_OPENS = {"report": Action.VIEW_REPORTS, "benchmark": Action.VIEW_BENCHMARK}


@dataclass(frozen=True, slots=True)
class Grant:
    """Statistics opened to somebody (统计授权): `report` or `benchmark`, of one month or (None) the
    series.
    """

    id: UUID
    subject: str
    month: date | None

    def covers(self, subject: str, month: date) -> bool:
        """Whether this opens that report of that month (its first day)."""
        return self.subject == subject and self.month in (None, month)


@dataclass(frozen=True, slots=True)
class SupportNote:
    """Support access (支持访问) that is going on: who granted it, and when it ends by itself."""

    id: UUID
    granted_by: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SupportLine:
    """What the frame of a page says of the support access: who granted it, and the seconds that are left."""

    granted_by: str
    ends_at: datetime
    seconds: int


@dataclass(frozen=True, slots=True)
class HospitalFace:
    """What a screen shows of a hospital (医院): its name and the colour that stands for it."""

    tenant_id: UUID
    firm_id: UUID
    code: str
    name: str
    name_en: str
    colour: str
    state: str = "active"
    firm_state: str = "active"

    def refuses(self, action: Action) -> bool:
        """Whether the hospital's stage (阶段), or its firm's, stops this for everybody."""
        return action in REFUSED_IN[self.state] or action in REFUSED_BY_FIRM[self.firm_state]

    @property
    def label(self) -> str:
        """The name in the current language."""
        return self.name if languages.current() == "zh_Hans" else self.name_en or self.name


@dataclass(frozen=True, slots=True)
class Member:
    """One role held somewhere (成员身份); `support` is set where it is only lent, and until when."""

    role: Role
    firm_id: UUID | None
    tenant_id: UUID | None
    department_id: UUID | None
    support: SupportNote | None = None
    since: datetime | None = None  # when it was accepted, or changed since; None where nobody asks


@dataclass(frozen=True, slots=True)
class Reached:
    """A hospital within reach, and the memberships that reach it."""

    face: HospitalFace
    members: tuple[Member, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """The roles held towards this hospital."""
        return frozenset(member.role for member in self.members)

    @property
    def support(self) -> SupportNote | None:
        """The support access by which the hospital is reached; None for its own and the firm's people."""
        return next((member.support for member in self.members if member.support is not None), None)


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Who is signed in (用户)."""

    id: UUID
    name: str
    email: str  # what they sign in with: the address, or else the masked mobile number
    language: Language


@dataclass(frozen=True, slots=True)
class Switch:
    """The same page for another hospital."""

    chip: HospitalFace
    href: str


def reach_of(
    members: tuple[Member, ...], faces: list[HospitalFace], assigned: frozenset[UUID]
) -> dict[str, Reached]:
    """Which hospitals these memberships reach: a hospital's own people theirs, agents those assigned to them,
    the firm's other roles all of the firm.

    Where a role is lent for support, it alone counts while it runs (SC-57): whoever looks as an operator
    looks in the frame, on record and without changing anything, whatever else they are there.
    """
    reached = {}
    for face in faces:
        mine = tuple(m for m in members if _reaches(m, face, assigned))
        mine = tuple(m for m in mine if m.support is not None) or mine
        if mine:
            reached[face.code] = Reached(face, mine)
    return reached


def _reaches(member: Member, face: HospitalFace, assigned: frozenset[UUID]) -> bool:
    if face.state == "left":
        return False
    if member.support is not None:
        return member.tenant_id == face.tenant_id
    if SIDES[member.role] == "hospital":
        return member.tenant_id == face.tenant_id
    if SIDES[member.role] == "firm":
        return member.firm_id == face.firm_id and (
            member.role not in ASSIGNED_ONLY or face.tenant_id in assigned
        )
    return False
