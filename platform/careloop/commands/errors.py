"""A user's mistake on the command line, and the sentence for it; anything else is a defect and keeps its
trace.
"""

from __future__ import annotations

from dramatiq.errors import BrokerError
from psycopg import OperationalError
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError as SqlalchemyOperationalError

from careloop.assemble import OwnerUrlMissing
from careloop.migrate import SchemaDrift
from foundation.broker import UnknownBroker
from foundation.embedded import DataFolderHeld, EmbeddedServerError
from foundation.web.errors import UserMistake
from patients.feeds.messages import UnreadableFile
from patients.labels import sentence


class CommandMistake(Exception):
    """What the user typed cannot be done; the message is the sentence."""


def sentence_for(error: Exception) -> str | None:
    """One clear sentence for a user's mistake; None for a defect of ours."""
    if isinstance(error, ValidationError):
        return settings_sentence(error)
    if isinstance(error, UnreadableFile):
        return sentence(error)
    if isinstance(error, OperationalError | SqlalchemyOperationalError):
        first = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return f"The database cannot be reached: {first}"
    if isinstance(error, BrokerError):
        return f"The message broker cannot be reached: {error}"
    if isinstance(error, OwnerUrlMissing):
        return "Set CARELOOP_OWNER_DATABASE_URL to the role that owns the tables."
    if isinstance(error, UnknownBroker):
        return f"CARELOOP_BROKER_URL begins with {error}: use postgresql://, amqp:// or redis://."
    if isinstance(error, SchemaDrift):
        return f"Models and revisions differ: {error}"
    known = (
        CommandMistake,
        UserMistake,
        DataFolderHeld,
        EmbeddedServerError,
        FileNotFoundError,
        IsADirectoryError,
    )
    return str(error) if isinstance(error, known) else None


def settings_sentence(error: ValidationError) -> str:
    """Which setting is wrong and how, from the first fault found."""
    fault = error.errors()[0]
    name = "CARELOOP_" + "_".join(str(part) for part in fault["loc"]).upper()
    return f"{name}: {fault['msg']}"
