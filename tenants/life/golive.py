"""The gate before a hospital's first call (上线检查, journeys.md J6 day 8): automatic checks, green, amber or
red.

Each room registers what it can see; red blocks, amber needs somebody who accepts it and says why. A check is
a look: it changes nothing, and its sentence also stands beside the step of the checklist that it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, select

from foundation import audit
from foundation.calendar import local_date
from foundation.database import FirmSession, HospitalSession
from foundation.documents.figures import Figure
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import NotFound, UserMistake
from tenants.life import onboarding, stages
from tenants.models import GateAcceptance

Tone = Literal["green", "amber", "red"]
TONES: dict[Tone, str] = {"green": "good", "amber": "warn", "red": "bad"}
WORDS: dict[Tone, str] = {"green": mark("In order"), "amber": mark("To be accepted"), "red": mark("Blocks")}
REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: a tone and one sentence in the current language. `href` is the page where it is put
    right; `{code}` in it stands for the hospital.
    """

    tone: Tone
    sentence: str
    href: str = ""


Look = Callable[[HospitalSession, datetime], Finding]
FirmLook = Callable[[FirmSession, UUID, datetime], Finding]
Started = Callable[[HospitalSession, date, datetime], Mapping[str, int]]
Preview = Callable[[HospitalSession, datetime], Figure]


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check. One of `look` (in the hospital) and `firm_look` (over the firm) is there."""

    key: str
    title: str
    look: Look | None = None
    firm_look: FirmLook | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who let an amber check pass, and why."""

    name: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GateLine:
    """One check as it stands now."""

    check: Check
    finding: Finding
    acceptance: Acceptance | None = None

    @property
    def passes(self) -> bool:
        """Whether this one is no obstacle."""
        return self.finding.tone == "green" or (self.finding.tone == "amber" and self.acceptance is not None)


class NotReady(UserMistake):
    """The gate stays shut; the sentence names what stands in the way."""


_checks: dict[str, Check] = {}
_started: list[Started] = []
_preview: list[Preview] = []


def check(key: str, title: str, look: Look) -> None:
    """Register a check of what stands in the hospital; `title` is a message id. Again replaces it."""
    _checks[key] = Check(key, title, look=look)


def firm_check(key: str, title: str, look: FirmLook) -> None:
    """Register a check that must look at the firm: its agents, its other hospitals."""
    _checks[key] = Check(key, title, firm_look=look)


def on_going_live(hook: Started) -> None:
    """Register what a room does right before a hospital becomes active: (session, today, now), returning
    what it did as numbers for the audit trail. Again is the same.
    """
    if hook not in _started:
        _started.append(hook)


def show_preview(source: Preview) -> None:
    """Register the figure of the calls that the first ninety days would bring."""
    _preview[:] = [source]


def preview(session: HospitalSession, *, now: datetime) -> Figure | None:
    """The calls that the first ninety days would bring, None where no room plans any."""
    return _preview[0](session, now) if _preview else None


def look_over_firm(session: FirmSession, tenant_id: UUID, *, now: datetime) -> dict[str, Finding]:
    """What the checks over the firm see of one hospital, by key."""
    return {
        key: one.firm_look(session, tenant_id, now)
        for key, one in _checks.items()
        if one.firm_look is not None
    }


def look(
    session: HospitalSession, over_firm: Mapping[str, Finding] | None, *, now: datetime
) -> list[GateLine]:
    """Every check as it stands, with who accepted it; those over the firm are left out where the firm was
    not looked at (a hospital's own people do not see it).
    """
    accepted = {
        row.check: Acceptance(row.accepted_by, row.reason, row.accepted_at)
        for row in session.scalars(
            select(GateAcceptance).where(GateAcceptance.tenant_id == session.tenant_id)
        )
    }
    found = []
    for key, one in _checks.items():
        finding = one.look(session, now) if one.look is not None else (over_firm or {}).get(key)
        if finding is not None:
            found.append(GateLine(one, finding, accepted.get(key) if finding.tone == "amber" else None))
    return found


def accept(session: HospitalSession, key: str, *, reason: str, now: datetime) -> None:
    """Let an amber check pass under the name of whoever asks; a later reason replaces the earlier one.

    Nothing is passed that is red when the gate opens. Raises `NotFound`, `UserMistake` without a reason.
    """
    if key not in _checks:
        raise NotFound
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    session.execute(
        delete(GateAcceptance).where(
            GateAcceptance.tenant_id == session.tenant_id, GateAcceptance.check == key
        )
    )
    session.add(
        GateAcceptance(
            tenant_id=session.tenant_id,
            id=new_id(),
            check=key,
            accepted_by=session.scope.actor.name,
            reason=reason.strip()[:REASON_LENGTH],
            accepted_at=now,
        )
    )
    session.flush()
    audit.record(session, "golive.accepted", now=now, subject=f"check:{key}", reason=reason.strip())


def in_the_way(gate: Sequence[GateLine]) -> list[GateLine]:
    """What keeps the gate shut: the red ones, and the amber ones that nobody accepted."""
    return [line for line in gate if not line.passes]


def go_live(
    session: HospitalSession, over_firm: Mapping[str, Finding], *, now: datetime
) -> dict[str, Any] | None:
    """Open the gate: the hospital is active from now on. None when it was already.

    Patients discharged before today begin with their next step to come: no flood of late calls (J6, day 4).
    Raises `NotReady` with what stands in the way, `UserMistake` from a stage that cannot become active.
    """
    stage = stages.stage_of(session)
    if stage == stages.ACTIVE:
        return None
    if stage != "onboarding":
        raise UserMistake(_("Only a hospital in onboarding goes live; a suspended one is resumed."))
    gate = look(session, over_firm, now=now)
    missing = {key for key, one in _checks.items() if one.firm_look is not None} - over_firm.keys()
    if missing:
        msg = f"the firm was not looked at: {', '.join(sorted(missing))}"
        raise ValueError(msg)
    if obstacles := in_the_way(gate):
        told = " ".join(
            _("{check}: {sentence}", check=_(line.check.title), sentence=line.finding.sentence)
            for line in obstacles
        )
        raise NotReady(_("Not ready to go live. {obstacles}", obstacles=told))
    numbers: dict[str, int] = {}
    for hook in _started:
        numbers |= hook(session, local_date(now), now)
    stages.change(session, stages.ACTIVE, reason=stages.BY_GATE, now=now)
    onboarding.settle(session, onboarding.GO_LIVE, now=now)
    detail: dict[str, Any] = {
        "checks": {line.check.key: line.finding.tone for line in gate},
        **numbers,
    }
    audit.record(session, "golive.opened", now=now, subject=f"hospital:{session.tenant_id}", detail=detail)
    return detail
