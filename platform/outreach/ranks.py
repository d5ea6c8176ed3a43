"""In which order contacts are made: the eight classes of the workbench (J1), the most urgent first.

A task carries its class as `rank`. The queue lifts it when time presses: an appointment that is now, a
closing callback about to lapse, a revisit whose window closes today.
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum


class Rank(IntEnum):
    """The class of a task (优先级): a smaller number is drawn first; inside a class the earliest due."""

    APPOINTMENT = 1
    """Own appointment now, ten minutes either way (预约)."""
    CALLBACK_DUE = 2
    """Closing callback with less than four hours left (结案回访, S0-31)."""
    ACKNOWLEDGE_DUE = 3
    """First answer to a complaint with less than two hours left (受理告知)."""
    PROMISE = 4
    """A call that somebody was promised (承诺回电)."""
    CLOSES_TODAY = 5
    """Revisit step whose window closes today (今日截止)."""
    FIRST_CALL = 6
    """First call, one to three days after discharge (首次回访, S0-15)."""
    SURVEY = 7
    """Survey by sample (满意度调查, S3-5)."""
    REST = 8
    """Everything else that is due."""


APPOINTMENT_GRACE = timedelta(minutes=10)
CALLBACK_PRESSES = timedelta(hours=4)
ACKNOWLEDGE_PRESSES = timedelta(hours=2)
