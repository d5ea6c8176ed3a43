"""The clock of a process. Rules and services are given the time; only the edges read it here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the present as an aware UTC datetime."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, shifted by `offset`: zero in production, set by the demo, whose world has its
    own day.
    """

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return datetime.now(UTC) + self.offset


@dataclass(slots=True)
class SetClock:
    """A clock that stands where it was set: for simulated days and for tests."""

    at: datetime

    def now(self) -> datetime:
        """The moment that was set last."""
        return self.at
