"""Whether and why a stay or visit was drawn, for the one list of what happened (S3-5, patients.timeline)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.languages import format_month, format_number
from foundation.languages import gettext as _
from patients import timeline
from patients.timeline import Entry
from surveys import labels

DAY = timedelta(days=1)
# A visit can only stand in the list of its own month; an organisation in that of any wave.
_PLACES = text("""
SELECT s.id, s.month, s.audience, s.frame_size, s.drawn_at, e.discharged_on, m.drawn, m.position, m.excluded
  FROM encounter e
  JOIN survey_sample s ON s.tenant_id = e.tenant_id
   AND (s.month = date_trunc('month', e.discharged_on)::date AND s.audience = e.kind
        OR e.kind = 'cooperation' AND s.audience = 'organisation')
  JOIN sample_member m ON m.tenant_id = e.tenant_id AND m.sample_id = s.id AND m.encounter_id = e.id
 WHERE e.tenant_id = :tenant AND e.patient_id = :patient
 ORDER BY s.drawn_at DESC LIMIT 100
""")


def register() -> None:
    """Show the draws on the patient's page."""
    timeline.register("samples", places_of)


def places_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """The place of each stay or visit in its month's list, and what came of it."""
    rows = session.execute(_PLACES, {"tenant": session.tenant_id, "patient": patient_id})
    return [
        Entry(
            # Of inpatients the list grows each night, so nobody stands in it before they have left.
            at=max(row.drawn_at, local_day_start(row.discharged_on + DAY)),
            kind="sample",
            title=_("In the sample of {month}", month=format_month(row.month)),
            detail=_place(row.drawn, row.excluded, row.position, row.frame_size),
            tone="info" if row.drawn else "neutral",
            path=f"samples/{row.id}",
        )
        for row in rows
    ]


def _place(drawn: bool, excluded: str | None, position: int, frame: int) -> str:
    if excluded is not None:
        return _("not drawn: {reason}", reason=labels.of(labels.EXCLUDED, excluded))
    words = _("drawn (place {place} of {frame})") if drawn else _("not drawn (place {place} of {frame})")
    return words.format(place=format_number(position), frame=format_number(frame))
