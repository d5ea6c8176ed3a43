"""What can go wrong between an agent and a card; pages turn each into one sentence."""

from __future__ import annotations

from datetime import datetime


class ContactRefused(Exception):
    """The contact policy says no; `reason` is its code, `until` when it ends by itself."""

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class NotHeld(Exception):
    """The card is not this agent's (any more): another one holds the patient, or the task is closed."""


class OutcomeIncomplete(ValueError):
    """An outcome lacks what it needs; `missing` names the field."""

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing
