"""What a suppression would stop (停止联系的影响): every floor names its live things once.

Live is whatever still leads to a contact or a bill: a call that waits, a planned follow-up, a questionnaire
begun, a place in a sample, a message in a queue. The same statement counts them for one patient, before
somebody presses the button, and for all suppressed patients in the nightly check, where there must be none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import mark

# Nobody may contact these: an active suppression of any reason, restricted at their wish, or a merged record.
STOPPED: Final = """
    SELECT s.patient_id FROM suppression s WHERE s.tenant_id = :tenant_id AND s.lifted_at IS NULL
    UNION
    SELECT p.id FROM patient p
    WHERE p.tenant_id = :tenant_id AND (p.restricted_at IS NOT NULL OR p.merged_at IS NOT NULL)
"""
_CHOSEN = "SELECT unnest(CAST(:patient_ids AS uuid[]))"
_SAME = "as it is counted"


@dataclass(frozen=True, slots=True)
class Live:
    """A kind of live thing. `label` is its English message id, translated in the catalogue of its package.

    `counted` is a statement with `:tenant_id` that counts the things of the patients in `{patients}` (a
    sub-select of ids). `previewed` counts them for the preview where that differs; None leaves them out.
    """

    name: str
    label: str
    counted: str
    previewed: str | None = _SAME

    def count(self, session: HospitalSession) -> int:
        """How many belong to patients whom nobody may contact: there must be none."""
        statement = text(self.counted.replace("{patients}", STOPPED))
        return int(session.execute(statement, {"tenant_id": session.tenant_id}).scalar_one())

    def of(self, session: HospitalSession, patient_ids: list[UUID]) -> int:
        """How many of these patients a suppression would stop; 0 for what no preview shows."""
        wanted = self.counted if self.previewed == _SAME else self.previewed
        if wanted is None:
            return 0
        statement = text(wanted.replace("{patients}", _CHOSEN))
        values = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
        return int(session.execute(statement, values).scalar_one())

    def open_of(self, session: HospitalSession, patient_ids: list[UUID]) -> int:
        """How many of these patients are live, counted as the nightly check counts."""
        statement = text(self.counted.replace("{patients}", _CHOSEN))
        values = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
        return int(session.execute(statement, values).scalar_one())


@dataclass(frozen=True, slots=True)
class Effect:
    """What would stop: `label` is a message id, `count` is above 0."""

    name: str
    label: str
    count: int


_live: dict[str, Live] = {}


def register_live(live: Live) -> None:
    """Make a kind of live thing known to the preview and to the nightly check; harmless twice."""
    _live[live.name] = live


def registered() -> list[Live]:
    """All kinds, the lowest floor first."""
    return list(_live.values())


def of(session: HospitalSession, patient_id: UUID) -> list[Effect]:
    """What suppressing this patient now would stop; one small statement a kind."""
    session.flush()
    counts = [(live, live.of(session, [patient_id])) for live in registered()]
    return [Effect(live.name, live.label, count) for live, count in counts if count]


register_live(
    Live(
        "enrolment",
        mark("Enrolment in the programme"),
        """SELECT count(*) FROM enrolment e WHERE e.tenant_id = :tenant_id AND e.ended_on IS NULL
           AND e.cancelled_on IS NULL AND e.patient_id IN ({patients})""",
    )
)
# Nothing is sent to patients yet. Whatever job will do it names the patient in its message, and is seen here.
register_live(
    Live(
        "queued_message",
        mark("Messages not sent yet"),
        """SELECT count(*) FROM outbox_message m WHERE m.sent_at IS NULL
           AND m.arguments ->> 'tenant_id' = CAST(:tenant_id AS text)
           AND m.arguments ->> 'patient_id' IN (SELECT CAST(w.id AS text) FROM ({patients}) AS w (id))""",
    )
)
