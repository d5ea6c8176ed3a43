"""What can stand in the way of a step; pages turn each into one sentence (`labels.REFUSALS`)."""

from __future__ import annotations

from typing import Literal

Refusal = Literal[
    "closed",  # the case is closed
    "medical_affairs",  # a medical dispute is the hospital's own (医务处, S4-9)
    "not_handled",  # there is nothing yet to ask the patient about
    "already_handled",
    "handler",  # whoever handled it may not make the callback (S0-31)
    "two_people",  # both owners act, and they are two people (S0-24)
    "not_an_owner",
    "no_such_clock",  # this tier has no such limit, or another step meets it
    "note_missing",  # a refusal is documented (S0-32), a progress note has words
    "callback_level",  # six levels
]


class UnknownCase(LookupError):
    """No such case in this hospital."""


class CaseRefused(Exception):
    """The step is not possible; `reason` says which rule forbids it."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason
