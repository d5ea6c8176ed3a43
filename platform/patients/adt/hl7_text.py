"""The text of an HL7 v2 message: its character set, its segments, fields and escapes."""

from __future__ import annotations

import re
from typing import Any

import hl7 as library
from hl7.exceptions import HL7Exception

from patients.adt.events import BadMessage

UTF_8, GB18030 = "utf-8", "gb18030"
# MSH-18 (HL7 table 0211) and what senders in China write there. Where it says nothing, or no more than that
# the frame is ASCII, the text is UTF-8 if it can be, else GB18030.
_CHARSETS = {
    "UNICODEUTF8": UTF_8, "UTF8": UTF_8, "UNICODE": UTF_8,
    "GB18030": GB18030, "GB180302000": GB18030, "GB180302005": GB18030, "GB180302022": GB18030,
    "GBK": GB18030, "GB2312": GB18030, "GB231280": GB18030, "CP936": GB18030, "ISOIR58": GB18030,
    "BIG5": "big5hkscs", "CNS116431992": "big5hkscs",
    "": "", "ASCII": "", "ISOIR6": "", "88591": "", "ISO88591": "", "ISOIR100": "",
}  # fmt: skip
_ENDS = re.compile(rb"\r\n|\n")
_HEADERS = ("FHS", "BHS", "BTS", "FTS")
_FRAME = b"\x0b\x1c\r\n\t "
NULL = '""'  # a field that says: what was known is not so
Parts = list[list[str]]  # components of one repetition, each a list of subcomponents


def split(content: bytes) -> list[bytes]:
    """The messages of a body, each from its MSH on; a batch's own segments are left out.

    Segments end with CR, LF or both. What stands before the first MSH is a message of its own, to be refused.
    """
    found: list[list[bytes]] = []
    for line in _ENDS.sub(b"\r", content.removeprefix(b"\xef\xbb\xbf").strip(_FRAME)).split(b"\r"):
        segment = line.strip(_FRAME)
        if not segment or segment[:3].decode("ascii", "replace") in _HEADERS:
            continue
        if segment.startswith(b"MSH") or not found:
            found.append([])
        found[-1].append(segment)
    return [b"\r".join(lines) for lines in found]


def decode(message: bytes) -> tuple[str, str]:
    """The text of one message, and the character set it was written in.

    Raises `BadMessage`: `unknown_charset`, `not_text`.
    """
    named = _named_charset(message.split(b"\r", 1)[0])
    charset = _CHARSETS.get(re.sub(r"[^A-Z0-9]", "", named.upper()))
    if charset is None:
        raise BadMessage("unknown_charset", refused=True, charset=named[:40])
    for encoding in [charset] if charset else [UTF_8, GB18030]:
        try:
            return message.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise BadMessage("not_text", refused=True)


def _named_charset(header: bytes) -> str:
    """MSH-18 of a header whose own encoding is not known yet: facilities may be named in Chinese."""
    for encoding in (UTF_8, GB18030, "latin-1"):
        try:
            text = header.decode(encoding)
        except UnicodeDecodeError:
            continue
        fields = text.split(text[3:4]) if len(text) > 3 else []
        repeated = re.split(r"[~^]", fields[17]) if len(fields) > 17 else [""]
        return repeated[0].strip()
    return ""


def parse(text: str) -> Segments:
    """The segments of one message. Raises `BadMessage` `not_hl7`."""
    if not text.startswith("MSH") or len(text) < 8 or text[3].isalnum() or text[3].isspace():
        raise BadMessage("not_hl7", refused=True)
    try:
        return Segments(library.parse(text))
    except (HL7Exception, AssertionError, IndexError, ValueError) as error:
        raise BadMessage("not_hl7", refused=True) from error


class Segments:
    """A message to be asked for its fields; neither the order of segments nor Z-segments matter."""

    def __init__(self, message: library.Message) -> None:
        self._message = message
        self._by_name: dict[str, list[Any]] = {}
        for segment in message:
            name = str(segment[0]) if isinstance(segment, list) and segment else str(segment)
            self._by_name.setdefault(name.strip(), []).append(segment)

    def count(self, name: str) -> int:
        """How many segments of this name there are."""
        return len(self._by_name.get(name, ()))

    def repetitions(self, name: str, number: int, *, of: int = 0) -> list[Parts]:
        """All repetitions of a field, unescaped; `of` is which segment of that name, from 0."""
        segments = self._by_name.get(name, [])
        if of >= len(segments) or not isinstance(segments[of], list) or number >= len(segments[of]):
            return []
        field = segments[of][number]
        return [
            [[self._unescaped(str(text)) for text in _parts(component)] for component in _parts(repetition)]
            for repetition in _parts(field)
        ]

    def text(self, name: str, number: int, component: int = 1, *, of: int = 0) -> str:
        """The first repetition's component (from 1), empty where there is none."""
        found = self.repetitions(name, number, of=of)
        return part(found[0], component) if found else ""

    def _unescaped(self, text: str) -> str:
        return unescape(text.strip(), self._message.esc, str(self._message.separators))


def part(parts: Parts, component: int) -> str:
    """One component of a repetition (from 1): the word of its subcomponents, else the first of them.

    Systems write `0301&骨科` or `骨科&0301`: what a person reads is the one with letters beyond ASCII.
    """
    if component > len(parts):
        return ""
    texts = [text for text in parts[component - 1] if text]
    return next((text for text in texts if not text.isascii()), texts[0] if texts else "")


def _parts(value: object) -> list[Any]:
    return list(value) if isinstance(value, library.Container) else [value]


def unescape(text: str, escape: str, separators: str) -> str:
    """Replace the escapes of a text (HL7 2.7): separators, hexadecimal bytes, line breaks; others go.

    `separators` are those of segment, field, repetition, component and subcomponent, as the library keeps
    them. Bytes are of the message's own encoding, UTF-8 or GB18030.
    """
    if not escape or escape not in text:
        return text
    plain = {"F": separators[1], "R": separators[2], "S": separators[3], "T": separators[4], "E": escape}
    mark = re.escape(escape)

    def replaced(found: re.Match[str]) -> str:
        code = found[1]
        if code in plain:
            return plain[code]
        if code[:1] == "X" and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", code[1:]):
            return _from_bytes(bytes.fromhex(code[1:]))
        return " " if code.startswith((".br", ".sp", ".ce", ".sk", ".ti", ".in")) else ""

    return re.sub(f"{mark}([^{mark}]*){mark}", replaced, text)


def _from_bytes(raw: bytes) -> str:
    for encoding in (UTF_8, GB18030):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""
