"""Identifiers: UUIDv7, so that keys of new rows stay close together on disk."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7; its first 48 bits are the Unix time in milliseconds."""
    return uuid7()
