"""A draw repeated from what is stored (抽样复核, S3-5): the proof, a year later, that nobody chose.

The seed and the rate stand with the sample, how long the list was at each draw stands in the audit trail.
With the record numbers of the list that is all it takes; ids, times and the order of files play no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select, text

from foundation import audit
from foundation.database import HospitalSession
from surveys.models import SurveySample
from surveys.sampling import sample_size

# Of an erased patient the record number is gone; the place in the list is what is left of its rank. The list
# of each draw is in the order of the ranks, so the rank of the known one before it stands for it.
_MEMBERS = text("""
SELECT m.position, m.excluded IS NULL AS eligible, m.drawn,
       CASE WHEN p.erased_at IS NULL THEN md5(:seed || e.record_number) END AS rank,
       CASE WHEN p.erased_at IS NULL THEN e.record_number ELSE '' END AS record_number
  FROM sample_member m
  JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id
  JOIN patient p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample
 ORDER BY m.position
""")


@dataclass(frozen=True, slots=True)
class Member:
    """One line of the list: its place (from 1), whether it could be drawn, the digest that orders the draw
    (None when the record number was erased), and whether the stored list says drawn.
    """

    position: int
    eligible: bool
    drawn: bool
    rank: str | None
    record_number: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out. `missing` are places drawn in the list and not again, `extra` the other way round;
    `erased` are lines whose record number is gone and whose place was taken instead.
    """

    members: int
    draws: int
    drawn: int
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    erased: int

    @property
    def identical(self) -> bool:
        """Whether the same people were drawn again."""
        return not self.missing and not self.extra


def draw_again(session: HospitalSession, sample: SurveySample) -> Replay:
    """Repeat the draws of this sample and compare; nothing is changed."""
    events = session.scalars(
        select(audit.AuditEvent)
        .where(
            audit.AuditEvent.tenant_id == session.tenant_id,
            audit.AuditEvent.subject == f"survey_sample:{sample.id}",
            audit.AuditEvent.action == "surveys.sample_drawn",
        )
        .order_by(audit.AuditEvent.at, audit.AuditEvent.seq)
    )
    frames = [int(event.detail["frame"]) for event in events] or [sample.frame_size]
    rows = session.execute(_MEMBERS, {"tenant": session.tenant_id, "sample": sample.id, "seed": sample.seed})
    return replay([Member(*row) for row in rows], frames, sample.rate)


def replay(members: Sequence[Member], frames: Sequence[int], rate: Decimal) -> Replay:
    """Draw again from `members`, in the order of their places. `frames` are the lengths of the list at each
    draw; at each as many are drawn as `rate` of the whole list still lacks, the lowest ranks first, from
    everybody in the list so far who can be drawn and is not yet.
    """
    waiting: list[tuple[str, str, int]] = []
    chosen: set[int] = set()
    before = 0
    for frame in frames:
        rank = ("", "")
        arrived = []
        for member in members[before:frame]:
            if member.rank is not None:
                rank = (member.rank, member.record_number)
            if member.eligible:
                arrived.append((*rank, member.position))
        waiting = sorted(waiting + arrived)
        wanted = max(0, sample_size(frame, rate) - len(chosen))
        chosen.update(place for _rank, _number, place in waiting[:wanted])
        waiting = waiting[wanted:]
        before = frame
    listed = {member.position for member in members if member.drawn}
    return Replay(
        members=len(members),
        draws=len(frames),
        drawn=len(listed),
        missing=tuple(sorted(listed - chosen)),
        extra=tuple(sorted(chosen - listed)),
        erased=sum(member.rank is None for member in members),
    )
