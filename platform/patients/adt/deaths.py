"""Whether a person has died, by all that messages say of them: a death is the person's, not the visit's.

HL7 says it by PID-30 and PID-29, FHIR by `Patient.deceased[x]`: of the person, whatever becomes of the visit
in whose message it stands. A way of leaving that is death is of a visit, and goes when that is corrected.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from patients.adt.events import Event
from patients.feeds.fields import read_disposition

OF_THE_VISIT = frozenset({"json"})  # kinds of feed whose `outcome` is the result of one treatment


def died(told: Iterable[tuple[str, Event]], *, forgotten: datetime | None = None) -> bool | None:
    """Whether the person is dead by what these messages say; None when none of them says anything of it.

    `told` are events with their kind of feed, in any order. False is a word that takes a death back: that
    the person lives (PID-30 `N`, `deceasedBoolean` false), a cancelled discharge, another way of leaving.
    What was said up to `forgotten`, when messages that are emptied by now were recorded, takes nothing back.
    """
    flagged: set[str] = set()
    left: set[str] = set()
    last: bool | None = None
    for kind, event in sorted(told, key=lambda one: one[1].order):
        before = bool(flagged or left)
        word = _read(kind, event, flagged, left)
        if flagged or left:
            last = True
        elif before or (word is False and (forgotten is None or event.at > forgotten)):
            last = False
    return last


def _read(kind: str, event: Event, flagged: set[str], left: set[str]) -> bool | None:
    """What one event more says of the person's flag; the two sets are brought to it."""
    outcome, disposition = event.fields.get("outcome"), event.fields.get("disposition")
    of_visit = kind in OF_THE_VISIT
    dead = outcome is not None and read_disposition(outcome, codes=False) == "died"
    if event.kind in {"cancel_discharge", "cancel_admit"}:
        left.discard(event.visit_number)
        if event.kind == "cancel_discharge":
            flagged.discard(event.visit_number)
    elif event.visit_number and (read_disposition(disposition or "") == "died" or (of_visit and dead)):
        left.add(event.visit_number)
    elif disposition is not None or event.whole:
        left.discard(event.visit_number)
    if of_visit:
        return None
    if dead:
        flagged.add(event.visit_number)
        return True
    if outcome is not None:
        flagged.clear()
        return False
    return None
