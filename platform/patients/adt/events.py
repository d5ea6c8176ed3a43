"""One thing that a hospital's system says of one visit, in the words of the import (`feeds.headers`)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from patients.feeds.fields import clean_text
from patients.feeds.headers import FIELDS, Visit

Kind = Literal["admit", "register", "update", "discharge", "cancel_discharge", "cancel_admit", "merge"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What is said of the person holds for every visit; all other fields are of one visit.
PERSON = frozenset(
    "name sex birth_date age id_number phone contact_name contact_relation contact_phone outcome".split()
)
LONGEST_TEXT = 2000  # characters of one field; the import cuts at 500 and says so
LONGEST_NUMBER = 64  # characters of a visit number or a control id


class BadMessage(ValueError):
    """A message that cannot be understood: `code` is a key of `REASONS`, `params` fill its sentence.

    With `refused` the sender must not send it again as it is (AR); otherwise it is in error (AE).
    """

    def __init__(self, code: str, *, refused: bool = False, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.refused = refused
        self.params = params


def N_(text: str) -> str:  # noqa: N802 - the name by which gettext tools find texts that are translated later
    """Mark a text for translation and return it as it is."""
    return text


REASONS: dict[str, str] = {
    "not_hl7": N_("This is not an HL7 message: it does not begin with MSH."),
    "not_text": N_("The message cannot be read as UTF-8 or GB18030 text."),
    "unknown_charset": N_("The character set %(charset)s of MSH-18 is not known."),
    "unknown_event": N_(
        "%(event)s is not an event that is taken: send ADT A01, A03, A04, A08, A11, A13, A40."
    ),
    "no_time": N_("The message says no time that can be read (EVN-2, MSH-7)."),
    "in_future": N_("The time of the event lies in the future."),
    "no_record_number": N_("The message names no record number (PID-3)."),
    "no_visit_number": N_("The message names no visit: neither PV1-19 nor PV1-44."),
    "no_gone_number": N_("The merge does not say which record number goes (MRG-1)."),
    "same_number": N_("The merge names one record number twice."),
    "number_too_long": N_("A record or visit number is longer than %(limit)s characters."),
    "not_json": N_("This is not JSON."),
    "not_fhir": N_("This is no FHIR R4 bundle: %(place)s cannot be read."),
    "no_bundle": N_(
        "A FHIR bundle is expected, of type transaction, batch, message, collection or searchset."
    ),
    "no_patient": N_(
        "The encounter names no patient that this bundle holds or whose record number it gives."
    ),
    "unknown_status": N_("The encounter's status %(status)s is not known."),
    "not_visits": N_("The list of visits cannot be read: %(place)s."),
    "too_many": N_("More than %(limit)s visits or messages at once; please send them in parts."),
    "too_long": N_("The message is longer than %(limit)s kB."),
    "not_finished": N_("The frame was not finished in time."),
    "empty": N_("The message is empty."),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a feed: its event, the text by which the same message is known again, and the names that
    it gives of whom it is from and to (发送、接收机构).
    """

    event: Event
    text: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """One event of one visit.

    `at` is when the sender recorded it (aware): the order of events, whatever the order of arrival. `visit`
    is empty where the message does not say which kind it is. `fields` are texts by name; an empty text takes
    back what was said. With `whole` the event says everything about the visit, and what it leaves out is
    unknown again. `visit_number` is empty for what is said of the person alone. `gone_number` is the record
    number that a merge takes away. `timed` is False where the sender gave no time of its own.
    """

    kind: Kind
    at: datetime
    control_id: str
    record_number: str
    visit_number: str
    fields: dict[str, str] = field(default_factory=dict)
    visit: Visit | Literal[""] = ""
    whole: bool = False
    gone_number: str = ""
    timed: bool = True

    @property
    def order(self) -> tuple[datetime, int, str, str]:
        """Where the event stands among those of its visit; equal only for events that say the same."""
        said = json.dumps(
            [self.visit_number, self.visit, self.whole, self.gone_number, sorted(self.fields.items())]
        )
        return self.at, KINDS.index(self.kind), self.control_id, said


def checked(event: Event) -> Event:
    """The event with its texts within bounds, and nothing in its numbers that cannot be stored.

    Raises `BadMessage` for numbers that are too long, and for a record number of which nothing is left.
    """
    numbers = [clean_text(text) for text in (event.record_number, event.visit_number, event.gone_number)]
    if any(len(number) > LONGEST_NUMBER for number in numbers):
        raise BadMessage("number_too_long", limit=LONGEST_NUMBER)
    if not numbers[0]:
        raise BadMessage("no_record_number")
    return Event(
        event.kind,
        event.at,
        clean_text(event.control_id)[:LONGEST_NUMBER],
        numbers[0],
        numbers[1],
        {name: text[:LONGEST_TEXT] for name, text in event.fields.items() if name in FIELDS},
        event.visit,
        event.whole,
        numbers[2],
        event.timed,
    )
