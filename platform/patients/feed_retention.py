"""How long the content of messages is kept: as long as the visit may still change, and 30 days (PIPL 19).

A visit that never comes about (a patient admitted and never reported as discharged) is waited for 90 days
after its last message.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.work import job

KEPT = timedelta(days=30)
WAITED = timedelta(days=90)  # what never became a visit in so long is not waited for any more
BATCH = 5_000
# A visit of which something came lately, or that still waits, needs all it was told to be told more.
_EMPTY = text("""
    UPDATE feed_message m SET content_cipher = NULL
    WHERE m.tenant_id = :tenant_id AND m.id IN (
        SELECT o.id FROM feed_message o
        WHERE o.tenant_id = :tenant_id AND o.content_cipher IS NOT NULL AND o.received_at < :before
          AND (o.state <> 'waiting' OR o.received_at < :long_before)
          AND NOT EXISTS (
                SELECT 1 FROM feed_message n
                WHERE n.tenant_id = :tenant_id AND n.record_number = o.record_number
                  AND n.visit_number = o.visit_number
                  AND (n.received_at >= :before
                       OR n.state = 'waiting' AND n.received_at >= :long_before))
        ORDER BY o.id LIMIT :batch)
""")


@job("patients.empty_messages", every="40 17 * * *")  # 01:40 in China
def empty_messages(session: HospitalSession, now: datetime) -> None:
    """Empty the messages of visits that are over; that they came, and what became of them, stays."""
    values = {
        "tenant_id": session.tenant_id,
        "before": now - KEPT,
        "long_before": now - WAITED,
        "batch": BATCH,
    }
    while session.connection().execute(_EMPTY, values).rowcount:
        continue
