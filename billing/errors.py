"""What billing refuses, as one clear sentence in the reader's language."""

from __future__ import annotations


class Refused(Exception):
    """Something the person can put right; `message` is for the screen, in the current language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoContract(Refused):
    """No contract is in force in the month."""


class NoSuchInvoice(LookupError):
    """No such invoice in this hospital."""
