"""The data types of FHIR R4 in our words: names, identifiers, numbers, codes, days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from foundation.calendar import SHANGHAI
from patients.feeds.fields import half_width, read_record_number
from patients.identity import clean_id
from patients.phones import parse_phone

Part = Mapping[str, Any]
_RECORD_TYPES = ("MR", "PI", "PT")
_ID_TYPES = frozenset({"NI", "NNCHN", "NN", "SS", "SB"})
_ID_WORDS = ("身份证", "idcard", "identity", "sfzh")
# The value set `encounter-discharge-disposition` in the national codes (离院方式).
_DISPOSITIONS = {
    "home": "1", "alt-home": "1", "other-hcf": "2", "psy": "2", "rehab": "2", "snf": "3", "long": "3",
    "aadvice": "4", "exp": "5", "hosp": "9", "oth": "9",
}  # fmt: skip


def first_text(concept: Part, name: str) -> str:
    """The first filled `name` among a concept's codings."""
    codings = concept.get("coding")
    for coding in codings if isinstance(codings, list) else []:
        if isinstance(coding, dict) and coding.get(name):
            return str(coding[name])
    return ""


def words(concept: Part) -> str:
    """What a concept is called: its text, else the display of its coding, else the code."""
    return str(concept.get("text") or "") or first_text(concept, "display") or first_text(concept, "code")


def disposition(concept: Part) -> str:
    """The way of leaving (离院方式): FHIR's own codes as the national ones, else the words as sent."""
    code = first_text(concept, "code")
    return _DISPOSITIONS.get(code.lower(), "") or (code if code.isdigit() else words(concept))


def named_person(names: Sequence[Part]) -> str:
    """The name to use: an official or usual one before others, never an old one; Chinese before Latin."""
    current = [name for name in names if name.get("use") not in {"old", "nickname", "anonymous"}]
    texts = [_one_name(name) for name in current or names]
    chinese = [text for text in texts if text and not text.isascii()]
    return next((text for text in [*chinese, *texts] if text), "")


def _one_name(name: Part) -> str:
    if name.get("text"):
        return str(name["text"])
    family, given = str(name.get("family") or ""), name.get("given")
    rest = "".join(str(part) for part in given if part) if isinstance(given, list) else ""
    return ("" if not (family + rest).isascii() else " ").join(filter(None, (family, rest)))


def record_number(identifiers: Sequence[Part]) -> str:
    """The hospital's number of the patient, by type code; never a national ID number."""
    best: tuple[int, str] | None = None
    for identifier in identifiers:
        number = read_record_number(str(identifier.get("value") or ""))
        if not number or identifier.get("use") == "old" or _is_id(identifier):
            continue
        code = first_text(identifier.get("type") or {}, "code").upper()
        rank = _RECORD_TYPES.index(code) if code in _RECORD_TYPES else len(_RECORD_TYPES)
        if best is None or rank < best[0]:
            best = rank, number
    return best[1] if best else ""


def id_number(identifiers: Sequence[Part]) -> str:
    """The resident ID number (身份证号), empty where none is said."""
    return next((str(one.get("value") or "") for one in identifiers if _is_id(one)), "")


def _is_id(identifier: Part) -> bool:
    concept = identifier.get("type") or {}
    code = first_text(concept, "code").upper()
    if code:
        return code in _ID_TYPES
    told = f"{words(concept)} {identifier.get('system') or ''}".lower().replace("-", "")
    return any(word in told for word in _ID_WORDS) or bool(
        clean_id(half_width(str(identifier.get("value") or "")))
    )


def phone(telecoms: Sequence[Part]) -> str:
    """The number to dial, a mobile one first; one that cannot be dialled is told as it was sent."""
    written = []
    for telecom in telecoms:
        if (
            telecom.get("system") in {"phone", "sms", None}
            and telecom.get("value")
            and telecom.get("use") != "old"
        ):
            number = str(telecom["value"]).removeprefix("tel:")
            rank = 2 if not parse_phone(number) else 0 if telecom.get("use") == "mobile" else 1
            written.append((rank, number))
    return min(written, key=lambda ranked: ranked[0])[1] if written else ""


def contact(contacts: Sequence[Part]) -> dict[str, str]:
    """The contact person: the first with a number that can be dialled, else the first."""
    found = []
    for one in contacts:
        relations = one.get("relationship")
        relation = words(relations[0]) if isinstance(relations, list) and relations else ""
        name, telecom = one.get("name"), one.get("telecom")
        said = {
            "contact_name": named_person([name]) if isinstance(name, dict) else "",
            "contact_relation": relation,
            "contact_phone": phone(telecom) if isinstance(telecom, list) else "",
        }
        found.append(said)
    return next((said for said in found if parse_phone(said["contact_phone"])), found[0] if found else {})


def day(value: object) -> str:
    """The day of a date or dateTime in China, empty for what names no whole day."""
    text = str(value or "")
    if len(text) > 10:
        at = moment(text)
        return f"{at.astimezone(SHANGHAI):%Y-%m-%d}" if at else ""
    try:
        return f"{date.fromisoformat(text):%Y-%m-%d}"
    except ValueError:
        return ""


def moment(value: object) -> datetime | None:
    """An instant of FHIR; None for what is none. Without a zone it is China's time."""
    try:
        at = datetime.fromisoformat(str(value or ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=SHANGHAI)
