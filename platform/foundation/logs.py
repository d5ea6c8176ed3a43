"""Log lines: structured, with ids and never with people (PIPL 51; the audit trail says who did what).

A field that would name a person is withheld, and a text that holds a phone or an identity number, a traceback
included, is written without it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Literal

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from foundation.masking import NUMBERS

WITHHELD = "[withheld]"
PERSONAL = frozenset(
    "address diagnosis email id_number name note number password patient_name person_name phone token".split()
)
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
# The values of a refused row, which PostgreSQL puts into its message.
DETAIL = re.compile(r"(DETAIL: |\[parameters: ).*")


def configure(form: Literal["auto", "json", "console"], *, level: int = logging.INFO) -> None:
    """Set up the lines of this process: JSON, or on a terminal (`auto`) lines for eyes. To stderr."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    last: Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            withhold_people,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module; theirs go the same way, from warnings up.
    root = logging.getLogger()
    root.handlers[:] = [_Handler()]
    root.setLevel(logging.WARNING)


def withhold_people(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what names a person, in fields and in texts."""
    return {key: WITHHELD if key in PERSONAL else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return {key: WITHHELD if key in PERSONAL else _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item) for item in value]
    if isinstance(value, (Exception, bytes)):
        value = str(value)
    if not isinstance(value, str):
        return value
    steps: tuple[Callable[[str], str], ...] = (
        lambda text: DETAIL.sub(rf"\1{WITHHELD}", text),
        lambda text: NUMBERS.sub(WITHHELD, text),
        lambda text: MAIL.sub(WITHHELD, text),
    )
    for step in steps:
        value = step(value)
    return value


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.log(record.levelno, record.getMessage(), source=record.name, exc_info=record.exc_info or None)
