"""The record of what a firm's people did across its hospitals (跨院操作记录): chained per firm, as the audit
trail of a hospital is (`foundation.chain`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from foundation import chain
from foundation.database import FirmSession
from foundation.scope import Actor
from tenants.models import FirmEvent


def note(
    session: FirmSession,
    action: str,
    *,
    now: datetime,
    subject: str,
    reason: str = "",
    actor: Actor | None = None,
    **detail: Any,
) -> None:
    """One line of what the firm's people did across hospitals; ids and codes, never people.

    Appending takes the firm's chain for the rest of the transaction, so call it late.
    """
    chain.append(
        session, FirmEvent, session.firm_id, action,
        now=now, subject=subject, reason=reason, detail=detail, actor=actor,
    )  # fmt: skip
