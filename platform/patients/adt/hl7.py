"""From HL7 v2 ADT messages to events: A01, A03, A04, A08, A11, A13 and A40 (HL7 v2.3 to v2.8, chapter 3)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final, Literal

from foundation.calendar import SHANGHAI
from patients.adt.events import BadMessage, Event, Kind, checked
from patients.adt.hl7_text import NULL, Parts, Segments, part
from patients.feeds.fields import half_width, read_count, read_record_number
from patients.feeds.headers import Visit
from patients.identity import clean_id
from patients.phones import parse_phone

EVENTS: Final[dict[str, Kind]] = {
    "A01": "admit",
    "A03": "discharge",
    "A04": "register",
    "A08": "update",
    "A11": "cancel_admit",
    "A13": "cancel_discharge",
    "A40": "merge",
}
_VISITS: Final[dict[str, Visit]] = {
    "I": "inpatient", "B": "inpatient", "P": "inpatient",
    "O": "outpatient", "E": "outpatient", "R": "outpatient", "C": "outpatient",
}  # fmt: skip
# CX-5 (HL7 table 0203): which repetition of PID-3 is the hospital's own number, the surest first.
_RECORD_TYPES = ("MR", "PI", "PT", "PN", "")
_ID_TYPES = frozenset(
    {"NI", "NNCHN", "NN", "SS", "IDCARD", "IDENTITYCARD", "SFZ", "SFZH", "身份证", "身份证号"}
)
# NK1-3 (HL7 table 0063) in the words that the import reads.
_RELATIONS = {
    "SPO": "配偶", "CHD": "子女", "SON": "儿子", "DAU": "女儿", "PAR": "父母", "MTH": "母亲", "FTH": "父亲",
    "SIB": "兄弟姐妹", "BRO": "兄弟", "SIS": "姐妹", "GRP": "祖父母", "GCH": "孙子女", "SEL": "本人",
    "GRD": "监护人", "FND": "朋友", "OTH": "其他", "EMC": "其他", "UNK": "",
}  # fmt: skip
# PV1-36: the codes of the national front page (离院方式), and those of HL7 table 0112 that mean death.
_DIED = frozenset({"20", "21", "40", "41", "42"})
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2})?(\d{2})?(?:\.\d{1,6})?)?([+-]\d{4})?", re.ASCII)
_COUNT_AT_END = re.compile(r"[-_^/](\d{1,3})", re.ASCII)


def event_of(message: Segments, *, latest: datetime | None = None) -> Event:
    """What one message says, recorded no later than `latest`. Raises `BadMessage` for what cannot be."""
    name = event_name(message)
    kind = EVENTS.get(name)
    if kind is None or message.text("MSH", 9) not in {"ADT", ""}:
        shown = "^".join(filter(None, (message.text("MSH", 9), name)))
        raise BadMessage("unknown_event", refused=True, event=shown[:20] or "MSH-9")
    at = recorded_at(message, latest=latest)
    record = _record_number(message.repetitions("PID", 3)) or read_record_number(message.text("PID", 2))
    if not record:
        raise BadMessage("no_record_number")
    control = message.text("MSH", 10)
    if kind == "merge":
        return checked(_merge(message, at, control, record))
    fields = _person(message) | _visit_fields(message, kind, at, record)
    visit = visit_number(message)
    if not visit and kind != "update":
        raise BadMessage("no_visit_number")
    said: Visit | Literal[""] = _VISITS.get(message.text("PV1", 2).upper(), "")
    return checked(Event(kind, at, control, record, visit, fields, said))


def event_name(message: Segments) -> str:
    """The trigger event: MSH-9.2, else EVN-1."""
    return (message.text("MSH", 9, 2) or message.text("EVN", 1)).upper()


def recorded_at(message: Segments, *, latest: datetime | None = None) -> datetime:
    """When the sender recorded the event: EVN-2, else MSH-7. Without a zone it is China's time.

    A time after `latest` is none: it would outrank all that is said later. Raises `BadMessage`: `no_time`,
    and `in_future` where no other time is given.
    """
    code = "no_time"
    for segment, number in (("EVN", 2), ("MSH", 7)):
        moment = read_time(message.text(segment, number))
        if moment is not None and (latest is None or moment <= latest):
            return moment
        code = "in_future" if moment is not None else code
    raise BadMessage(code)


def facilities(message: Segments) -> tuple[str, ...]:
    """The names of the sending and the receiving hospital as the header gives them (MSH-4, MSH-6)."""
    named = [message.text("MSH", number, component) for number in (4, 6) for component in (1, 2)]
    return tuple(dict.fromkeys(filter(None, named)))


def read_time(text: str) -> datetime | None:
    """A moment of HL7 (YYYY[MM[DD[HH[MM[SS[.S]]]]]][+ZZZZ]); None for what is none."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    numbers = [
        int(found[n]) if found[n] else low for n, low in zip(range(1, 7), (0, 1, 1, 0, 0, 0), strict=True)
    ]
    try:
        return datetime(*numbers, tzinfo=_zone(found[7]))  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def _zone(text: str | None) -> timezone:
    if not text:
        return timezone(timedelta(hours=8))
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-offset if text[0] == "-" else offset)


def visit_number(message: Segments) -> str:
    """The sender's number of the visit: PV1-19, PV1-50, PID-18; without one when it began (PV1-44)."""
    for segment, number in (("PV1", 19), ("PV1", 50), ("PID", 18)):
        found = read_record_number(message.text(segment, number)) if message.count(segment) else None
        if found and found != NULL:
            return found
    admitted = message.text("PV1", 44)
    return f"@{admitted[:12]}" if read_time(admitted) else ""


def _merge(message: Segments, at: datetime, control: str, record: str) -> Event:
    gone = _record_number(message.repetitions("MRG", 1))
    if not gone:
        raise BadMessage("no_gone_number")
    if gone == record:
        raise BadMessage("same_number")
    return Event("merge", at, control, record, gone, {}, gone_number=gone)


def _record_number(repetitions: list[Parts]) -> str | None:
    """The hospital's number among several identifiers, by their type codes; never a national ID number."""
    best: tuple[int, str] | None = None
    for parts in repetitions:
        number, type_code = part(parts, 1), part(parts, 5).upper()
        read = read_record_number(number) if number != NULL else None
        if not read or type_code in _ID_TYPES:
            continue
        rank = _RECORD_TYPES.index(type_code) if type_code in _RECORD_TYPES else len(_RECORD_TYPES)
        if best is None or rank < best[0]:
            best = rank, read
    return best[1] if best else None


def _person(message: Segments) -> dict[str, str]:
    """Who the person is (PID), and who else can be called (NK1)."""
    said: dict[str, str] = {}
    _say(said, "name", person_name(message.repetitions("PID", 5)))
    _say(said, "birth_date", message.text("PID", 7)[:8])
    _say(said, "sex", message.text("PID", 8))
    _say(said, "id_number", _id_number(message))
    _say(said, "phone", _phone(message.repetitions("PID", 13) + message.repetitions("PID", 14)))
    dead = message.text("PID", 30).upper()
    if dead == "Y" or read_time(message.text("PID", 29)):
        said["outcome"] = "死亡"
    elif dead in {"N", NULL}:
        said["outcome"] = ""
    return said | _contact(message)


def _say(said: dict[str, str], name: str, text: str) -> None:
    """Keep what is said; an explicit nothing (`""`) takes back what was said before."""
    if text:
        said[name] = "" if text == NULL else text


def person_name(repetitions: list[Parts]) -> str:
    """A name (XPN, XCN without its id): the one in Chinese characters, family and given name as one."""
    written = [_one_name(parts) for parts in repetitions]
    ideographic = [
        name for parts, name in zip(repetitions, written, strict=True) if part(parts, 8).upper() == "I"
    ]
    chinese = [name for name in written if name and not name.isascii()]
    return next((name for name in [*ideographic, *chinese, *written] if name), "")


def _one_name(parts: Parts) -> str:
    family, given = part(parts, 1), part(parts, 2)
    if NULL in {family, given}:
        return NULL if family == NULL else family
    joint = "" if not family.isascii() or not given.isascii() else " "
    return joint.join(filter(None, (family, given)))


def _id_number(message: Segments) -> str:
    for parts in message.repetitions("PID", 3):
        if part(parts, 5).upper() in _ID_TYPES:
            return part(parts, 1)
    number = message.text("PID", 19)
    return number if clean_id(half_width(number)) or number == NULL else ""


def _phone(repetitions: list[Parts]) -> str:
    """The number to dial among several (XTN), a mobile one first; none that can be: as it was sent."""
    written: list[tuple[int, str]] = []
    for parts in repetitions:
        if part(parts, 3).upper() in {"INTERNET", "FX", "X.400"} or part(parts, 2).upper() == "NET":
            continue
        number = part(parts, 1) or part(parts, 12) or part(parts, 6) + part(parts, 7)
        if number:
            cell = part(parts, 3).upper() == "CP" or part(parts, 2).upper() == "PRS"
            written.append((0 if parse_phone(number) and cell else 1 if parse_phone(number) else 2, number))
    return min(written, key=lambda ranked: ranked[0])[1] if written else ""


def _contact(message: Segments) -> dict[str, str]:
    """The contact person: the first NK1 with a number that can be dialled, else the first."""
    chosen: dict[str, str] = {}
    for of in range(message.count("NK1")):
        said: dict[str, str] = {}
        _say(said, "contact_name", person_name(message.repetitions("NK1", 2, of=of)))
        _say(said, "contact_relation", _relation(message, of))
        phones = message.repetitions("NK1", 5, of=of) + message.repetitions("NK1", 6, of=of)
        _say(said, "contact_phone", _phone(phones))
        if parse_phone(said.get("contact_phone", "")):
            return said
        chosen = chosen or said
    return chosen


def _relation(message: Segments, of: int) -> str:
    for number in (3, 7):
        code, word = message.text("NK1", number, of=of), message.text("NK1", number, 2, of=of)
        if word and not word.isascii():
            return word
        if code:
            return _RELATIONS.get(code.upper(), code)
    return ""


def _visit_fields(message: Segments, kind: Kind, at: datetime, record: str) -> dict[str, str]:
    """What is said of the stay (PV1) and why (DG1)."""
    said: dict[str, str] = {}
    happened = read_time(message.text("EVN", 6)) or at
    _say(
        said,
        "admitted_on",
        _day(message.text("PV1", 44), happened if kind in {"admit", "register"} else None),
    )
    _say(said, "discharged_on", _day(message.text("PV1", 45), happened if kind == "discharge" else None))
    ward = message.text("PV1", 3)
    _say(said, "ward", ward)
    facility = message.text("PV1", 3, 4)
    if facility == message.text("MSH", 4):
        facility = ""
    _say(said, "department", _word(message, "PV1", 10) or facility or ward)
    _say(said, "doctor", _doctor(message))
    _say(said, "disposition", _disposition(message))
    _say(said, "admission_count", _count(message, record))
    return said | _diagnosis(message)


def _day(text: str, otherwise: datetime | None) -> str:
    if text == NULL:
        return NULL
    moment = read_time(text) or otherwise
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d}" if moment else text


def _word(message: Segments, segment: str, number: int, *, of: int = 0) -> str:
    """A coded field as a person reads it: the text in Chinese where there is one, else the first filled."""
    parts = message.repetitions(segment, number, of=of)
    texts = [part(parts[0], n) for n in (1, 2)] if parts else []
    return next((text for text in texts if not text.isascii()), next(filter(None, texts), ""))


def _doctor(message: Segments) -> str:
    named = [parts[1:] for parts in message.repetitions("PV1", 7)]
    return person_name(named) or message.text("PV1", 7)


def _disposition(message: Segments) -> str:
    word = _word(message, "PV1", 36)
    if word in _DIED:
        return "死亡"
    return {"07": "4", "7": "4", "30": ""}.get(word, word)


def _count(message: Segments, record: str) -> str:
    """The admission count (住院次数): PV1-13 as a number, or what follows the record number in PV1-19."""
    said = message.text("PV1", 13)
    if said and read_count(said):
        return said
    visit = message.text("PV1", 19)
    found = _COUNT_AT_END.fullmatch(visit.removeprefix(record)) if visit.startswith(record) else None
    return str(int(found[1])) if found and int(found[1]) else ""


def _diagnosis(message: Segments) -> dict[str, str]:
    """The main diagnosis: the final one before a working or admitting one, by priority (DG1-6, -15)."""
    ranked: list[tuple[tuple[int, int, int], int]] = []
    for of in range(message.count("DG1")):
        kind = {"F": 0, "W": 1, "A": 2}.get(message.text("DG1", 6, of=of).upper(), 1)
        priority = read_count(message.text("DG1", 15, of=of)) or 99
        ranked.append(((kind, priority, of), of))
    said: dict[str, str] = {}
    if ranked:
        of = min(ranked)[1]
        _say(said, "diagnosis", message.text("DG1", 3, 2, of=of) or message.text("DG1", 4, of=of))
        _say(said, "diagnosis_code", message.text("DG1", 3, of=of))
    return said
