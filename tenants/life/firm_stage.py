"""Suspending a whole firm (外包公司停用): the operator's word, and every hospital of it follows.

From the moment on all its hospitals can be read and not changed (`rights.REFUSED_BY_FIRM`). Each hospital is
then suspended by a job of its own, so that its scheduled work stops, its days are not billed and a resume
brings no flood, exactly as if it had been suspended itself.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from foundation import outbox
from foundation.database import FirmSession
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web.errors import NotFound, UserMistake
from tenants.life import stages
from tenants.models import DirectoryEntry, Firm
from tenants.oversight.firm_audit import note

# The job with which a hospital follows its firm (`tenants.life.stage_jobs`).
FOLLOW = "tenants.follow_firm"


def suspend(session: FirmSession, *, reason: str, now: datetime) -> bool:
    """Suspend the session's firm; False when it was. Raises `UserMistake` without a reason."""
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    return _change(session, stages.SUSPENDED, "tenants.firm_suspended", reason.strip(), now)


def resume(session: FirmSession, *, reason: str, now: datetime) -> bool:
    """End the firm's suspension; False when it was active."""
    return _change(session, stages.ACTIVE, "tenants.firm_resumed", reason.strip(), now)


def _change(session: FirmSession, state: str, action: str, reason: str, now: datetime) -> bool:
    firm = session.scalar(select(Firm).where(Firm.firm_id == session.firm_id).with_for_update())
    if firm is None:
        raise NotFound
    if firm.state == state:
        return False
    firm.state = state
    entries = select(DirectoryEntry).where(DirectoryEntry.firm_id == session.firm_id)
    session.execute(
        update(DirectoryEntry)
        .where(DirectoryEntry.kind == "firm", DirectoryEntry.firm_id == session.firm_id)
        .values(state=state)
        .execution_options(synchronize_session="fetch")
    )
    for entry in session.scalars(entries.where(DirectoryEntry.kind == "hospital")):
        outbox.enqueue(session, FOLLOW, now=now, tenant_id=str(entry.tenant_id))
    note(
        session,
        action,
        now=now,
        subject=f"firm:{session.firm_id}",
        reason=mask_numbers(reason)[: stages.REASON_LENGTH],
    )
    return True
