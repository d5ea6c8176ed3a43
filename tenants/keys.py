"""The data key of a hospital, unwrapped once a session."""

from __future__ import annotations

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.encryption import DataKey, MasterKey
from tenants.models import Hospital


class KeyDestroyed(LookupError):
    """The hospital has left and its key was destroyed: its people cannot be read any more (PIPL 21, 47)."""


def data_key(session: HospitalSession) -> DataKey:
    """The keys of the session's hospital; raises `KeyDestroyed`, `foundation.encryption.Undecipherable`."""
    cached = session.info.get("data_key")
    if isinstance(cached, DataKey):
        return cached
    master = session.info.get("master_key")
    if not isinstance(master, MasterKey):
        msg = "the session was opened without a master key"
        raise TypeError(msg)
    wrapped = session.scalar(select(Hospital.wrapped_key).where(Hospital.tenant_id == session.tenant_id))
    if wrapped is None:
        raise KeyDestroyed(str(session.tenant_id))
    key = master.unwrap(wrapped)
    session.info["data_key"] = key
    return key
