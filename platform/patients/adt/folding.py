"""The state of a visit: a function of the set of its events, so that neither order nor repetition matters.

Events are read in the order in which the sender recorded them. An update that comes late but was recorded
early changes nothing that was said after it; a discharge that was cancelled is none until the next one; an
admission that was cancelled never was, until the patient is admitted or discharged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from patients.adt.events import PERSON, Event
from patients.feeds.headers import Visit

Status = Literal["waiting", "here", "cancelled"]
LEAVING = ("discharged_on", "disposition", "outcome")


@dataclass(frozen=True)
class VisitState:
    """What all events of a visit say together.

    `status` is `here` when the visit is to stand among the hospital's encounters: a discharged stay, or an
    outpatient visit; `waiting` for a stay without discharge or a visit of which only updates came;
    `cancelled` when it never took place.
    """

    record_number: str
    visit_number: str
    visit: Visit
    status: Status
    fields: Mapping[str, str] = field(default_factory=dict)

    def row(self, admission_count: int) -> dict[str, str]:
        """The visit as a row of the import: texts by field, with the day by which its kind is known."""
        said = {name: text for name, text in self.fields.items() if text}
        admitted, discharged = said.pop("admitted_on", ""), said.pop("discharged_on", "")
        visited = said.pop("visited_on", "")
        row = said | {"record_number": self.record_number, "admission_count": str(admission_count)}
        if self.visit == "outpatient":
            return row | {"visited_on": visited or admitted or discharged}
        days = {"discharged_on": discharged}
        return row | days | ({"admitted_on": admitted} if admitted else {})


@dataclass
class _Story:
    """A visit while its events are read."""

    fields: dict[str, str] = field(default_factory=dict)
    visit: Visit | None = None
    begun: bool = False
    discharged: bool = False
    cancelled: bool = False

    def read(self, event: Event) -> None:
        """What comes to be known by one event more."""
        if event.visit:
            self.visit = event.visit
        if event.whole:
            self.fields = {}
            self.begun = self.discharged = self.cancelled = False
        match event.kind:
            case "admit" | "register":
                self.begun, self.cancelled = True, False
                self.visit = self.visit or ("outpatient" if event.kind == "register" else "inpatient")
            case "discharge":
                self.begun, self.discharged, self.cancelled = True, True, False
            case "cancel_discharge":
                self.discharged = False
                for name in LEAVING:
                    self.fields.pop(name, None)
            case "cancel_admit":
                self.cancelled, self.discharged = True, False
            case "update" | "merge":
                pass
        undone = LEAVING if event.kind == "cancel_discharge" else ()
        only = event.fields if event.visit_number else PERSON & event.fields.keys()
        self.fields |= {name: event.fields[name] for name in only if name not in undone}


def fold(events: Iterable[Event]) -> VisitState | None:
    """The state of one visit, None when nothing is said of it.

    All events are of one visit; those without a visit number are of its patient (what is said of the person
    holds for the visit as well). Duplicates count once.
    """
    ordered = [event for _, event in sorted({event.order: event for event in events}.items())]
    own = [event for event in ordered if event.visit_number]
    if not own:
        return None
    story = _Story()
    for event in ordered:
        story.read(event)
    visit: Visit = story.visit or "inpatient"
    there = story.discharged or (visit == "outpatient" and story.begun)
    status: Status = "cancelled" if story.cancelled else "here" if there else "waiting"
    return VisitState(own[-1].record_number, own[-1].visit_number, visit, status, story.fields)
