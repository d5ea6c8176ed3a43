"""Whether a hospital receives data now: one that is suspended, leaving or left receives nothing (阶段, J6).

Pages and programs are asked at the door already; this asks for what has no door: a listener that stays open,
a watched folder, a file that waited in the queue when the stage changed.
"""

from __future__ import annotations

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from tenants.models import Hospital
from tenants.rights import REFUSED_IN, Action

PAUSED = "hospital_paused"


class HospitalPaused(UserMistake):
    """The hospital receives no patients in the stage in which it is."""


def paused(session: HospitalSession) -> bool:
    """Whether the hospital's stage refuses patients that come in. One statement."""
    state = session.scalar(select(Hospital.state).where(Hospital.tenant_id == session.tenant_id))
    return state is None or Action.IMPORT_PATIENTS in REFUSED_IN[state]


def require(session: HospitalSession) -> None:
    """Raises `HospitalPaused`, with its sentence, when nothing may come in."""
    if paused(session):
        raise HospitalPaused(_("The hospital's service is paused or ended; nothing was taken in."))
