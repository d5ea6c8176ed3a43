"""One HL7 message and its answer: whoever brings it, by HTTP or by MLLP, is answered by the same rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from foundation.languages import gettext
from foundation.web.errors import UserMistake
from patients import feed_labels
from patients.adt import hl7_text
from patients.adt.events import BadMessage
from patients.adt.hl7_ack import Code, ack
from patients.adt.hl7_text import Segments
from patients.feed_inbox import Answer

Take = Callable[[bytes], Answer]


def acknowledged(message: bytes, take: Take, *, now: datetime) -> bytes:
    """Hand one message to `take`, which commits it, and answer it.

    AA: it is kept, and need not come again. AE: the hospital has something to mend. AR: it will never be
    taken as it is. What `take` raises beyond a user's mistake is the caller's: then nothing was kept.
    """
    header, charset = _header(message)
    try:
        (fate,) = take(message).fates
    except UserMistake as mistake:
        return ack(header, "AE", text=gettext(mistake.message), now=now, charset=charset)
    if fate.state != "rejected":
        return ack(header, "AA", now=now, charset=charset)
    code: Code = "AR" if fate.refused else "AE"
    reason = feed_labels.code_of(fate.reason)
    return ack(header, code, text=feed_labels.reason(fate.reason), reason=reason, now=now, charset=charset)


def trouble(message: bytes, text: str, *, now: datetime) -> bytes:
    """The answer when nothing could be kept for a reason of ours: send it again later (AE)."""
    header, charset = _header(message)
    return ack(header, "AE", text=text, now=now, charset=charset)


def _header(message: bytes) -> tuple[Segments | None, str]:
    try:
        text, charset = hl7_text.decode(message)
        return hl7_text.parse(text), charset
    except BadMessage:
        return None, hl7_text.UTF_8
