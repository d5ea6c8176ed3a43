"""The data keys of hospitals, unwrapped once a session, and words encrypted under them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from foundation.database import FirmSession, HospitalSession, ScopedSession
from foundation.encryption import DataKey, MasterKey
from tenants.models import Hospital


class KeyDestroyed(LookupError):
    """The hospital has left and its key was destroyed: its people cannot be read any more (PIPL 21, 47)."""


def data_key(session: HospitalSession) -> DataKey:
    """The keys of the session's hospital; raises `KeyDestroyed`, `foundation.encryption.Undecipherable`."""
    return key_of(session, session.tenant_id)


def key_of(session: HospitalSession | FirmSession, tenant_id: UUID) -> DataKey:
    """The keys of one hospital of the session, for lists over several; raises as `data_key`."""
    cached: dict[UUID, DataKey] = session.info.setdefault("data_keys", {})
    if tenant_id in cached:
        return cached[tenant_id]
    master = _master(session)
    wrapped = session.scalar(select(Hospital.wrapped_key).where(Hospital.tenant_id == tenant_id))
    if wrapped is None:
        raise KeyDestroyed(str(tenant_id))
    cached[tenant_id] = master.unwrap(wrapped)
    return cached[tenant_id]


def platform_key(session: ScopedSession) -> DataKey:
    """The keys of secrets that belong to no hospital: second factors, providers, our own people's numbers."""
    cached = session.info.get("platform_key")
    if isinstance(cached, DataKey):
        return cached
    key = _master(session).platform()
    session.info["platform_key"] = key
    return key


def seal(session: HospitalSession, words: str) -> bytes | None:
    """Somebody's words encrypted under the hospital's key; None for no words."""
    return data_key(session).encrypt(words) if words else None


def unseal(
    session: HospitalSession | FirmSession, stored: bytes | None, tenant_id: UUID | None = None
) -> str:
    """The words again, empty for None. `tenant_id` is the row's hospital in a session over several.

    Raises `KeyDestroyed`, `foundation.encryption.Undecipherable`.
    """
    if stored is None:
        return ""
    if tenant_id is None:
        if not isinstance(session, HospitalSession):
            msg = "words of a row in a session over several hospitals need the row's hospital"
            raise TypeError(msg)
        tenant_id = session.tenant_id
    return key_of(session, tenant_id).decrypt(stored)


def _master(session: ScopedSession) -> MasterKey:
    master = session.info.get("master_key")
    if not isinstance(master, MasterKey):
        msg = "the session was opened without a master key"
        raise TypeError(msg)
    return master
