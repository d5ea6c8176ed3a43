"""What happens to the contacts of a stay when its discharge is taken back, and when it is given once more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from foundation.catalogue import among
from foundation.database import HospitalSession
from outreach.models import ContactTask
from patients.withdrawal import WITHDRAWN, on_reinstated, on_withdrawn

# A complaint is answered wherever the patient lies.
KINDS = ("revisit", "survey")


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_withdrawn(cancel_contacts)
    on_reinstated(restore_contacts)


def cancel_contacts(session: HospitalSession, encounter_ids: Sequence[UUID], now: datetime) -> None:
    """Nobody is called about a discharge that was none."""
    session.execute(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.encounter_id, encounter_ids),
            ContactTask.kind.in_(KINDS),
            ContactTask.state == "open",
        )
        .values(state="cancelled", outcome=WITHDRAWN, closed_at=now)
        .execution_options(synchronize_session="fetch")
    )


def restore_contacts(session: HospitalSession, encounter_ids: Sequence[UUID], now: datetime) -> None:
    """What was cancelled and can still be done is open again."""
    session.execute(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.encounter_id, encounter_ids),
            ContactTask.state == "cancelled",
            ContactTask.outcome == WITHDRAWN,
            ContactTask.closes_at > now,
        )
        .values(state="open", outcome=None, closed_at=None)
        .execution_options(synchronize_session="fetch")
    )
