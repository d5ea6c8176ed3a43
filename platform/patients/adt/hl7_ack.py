"""The answer to an HL7 v2 message (ACK): taken (AA), in error (AE: mend and send again), or refused (AR)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from foundation.calendar import SHANGHAI
from foundation.ids import new_id
from patients.adt.hl7_text import UTF_8, Segments

Code = Literal["AA", "AE", "AR"]
US = "CARELOOP"
MSA_3 = 80  # characters of MSA-3; the whole sentence stands in ERR-8
# HL7 table 0357 by our reason's code.
_CONDITIONS = {
    "unknown_event": ("200", "Unsupported message type"),
    "not_hl7": ("100", "Segment sequence error"),
    "no_record_number": ("101", "Required field missing"),
    "no_visit_number": ("101", "Required field missing"),
    "no_gone_number": ("101", "Required field missing"),
    "in_future": ("102", "Data type error"),
    "no_time": ("101", "Required field missing"),
    "unknown_charset": ("103", "Table value not found"),
}
_CHARSET_NAMES = {UTF_8: "UNICODE UTF-8", "gb18030": "GB 18030-2000", "big5hkscs": "BIG-5"}


def ack(
    message: Segments | None,
    code: Code,
    *,
    text: str = "",
    reason: str = "",
    now: datetime,
    charset: str = UTF_8,
) -> bytes:
    """One answer, in the sender's character set.

    It goes back to who sent the message, echoes the message's control id in MSA-2, and says in MSA-3 and ERR
    why the message was not taken. `message` is None for what could not be read at all.
    """
    sent = message or _Nothing()
    header = [
        "MSH", "^~\\&", sent.text("MSH", 5) or US, sent.text("MSH", 6),
        sent.text("MSH", 3), sent.text("MSH", 4),
        f"{now.astimezone(SHANGHAI):%Y%m%d%H%M%S%z}", "", _type(sent.text("MSH", 9, 2)), new_id().hex[:20],
        sent.text("MSH", 11) or "P", sent.text("MSH", 12) or "2.5", "", "", "", "", "",
        _CHARSET_NAMES.get(charset, _CHARSET_NAMES[UTF_8]),
    ]  # fmt: skip
    escaped = [
        *header[:2],
        *(_escaped(value) for value in header[2:8]),
        header[8],
        *map(_escaped, header[9:]),
    ]
    lines = ["|".join(escaped)]
    lines.append("|".join(("MSA", code, _escaped(sent.text("MSH", 10)), _escaped(text[:MSA_3]))))
    if code != "AA":
        number, words = _CONDITIONS.get(reason, ("207", "Application internal error"))
        lines.append(f"ERR|||{number}^{words}^HL70357|E||||{_escaped(text)}")
    return ("\r".join(lines) + "\r").encode(charset, "replace")


class _Nothing:
    def text(self, _name: str, _number: int, _component: int = 1) -> str:
        return ""


def _type(event: str) -> str:
    return f"ACK^{_escaped(event)}^ACK" if event else "ACK"


def _escaped(text: str) -> str:
    """A text without the separators, and without line ends."""
    text = text.replace("\\", "\\E\\")
    for sign, code in (("|", "F"), ("^", "S"), ("~", "R"), ("&", "T")):
        text = text.replace(sign, f"\\{code}\\")
    return " ".join(text.split())
