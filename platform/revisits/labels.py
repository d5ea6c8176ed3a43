"""The words for this package's codes: English messages, translated when shown."""

from __future__ import annotations

from foundation.languages import gettext

STATES = {
    "planned": "Planned",
    "tasked": "To be called",
    "done": "Done",
    "missed": "Missed",
    "cancelled": "Cancelled",
}


def state(code: str) -> str:
    """How a step stands, in the current language."""
    return gettext(STATES[code])
