"""An event as it is kept: what it says in the fields that the hospital's agreement names, and no more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import msgspec

from patients.adt.events import Event
from patients.feeds.headers import KINDS


def dump(event: Event, agreed: Collection[str]) -> str:
    """The event as text; fields of a kind of data that is not agreed are left out (PIPL 6, 21)."""
    fields = {name: text for name, text in event.fields.items() if KINDS[name] in agreed}
    return msgspec.json.encode(replace(event, fields=fields)).decode()


def load(text: str, at: datetime) -> Event:
    """The event again; `at` is when it was recorded."""
    return replace(msgspec.json.decode(text, type=Event), at=at)
