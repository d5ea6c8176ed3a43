"""Encrypted identifiers: they open with their hospital's key and with no other, and can be searched for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world import World

from foundation.encryption import DataKey, MasterKey, Undecipherable
from patients.models import ContactPoint
from tenants.keys import data_key

MASTER = MasterKey(b"k" * 32)
KEY = MASTER.unwrap(MASTER.new_wrapped_key())
OTHER = MASTER.unwrap(MASTER.new_wrapped_key())


@given(st.text())
def test_a_value_comes_back_and_never_stands_in_its_ciphertext(value: str) -> None:
    stored = KEY.encrypt(value)
    assert KEY.decrypt(stored) == value
    assert len(value) < 4 or value.encode() not in stored


@given(st.binary(min_size=1), st.data())
def test_a_changed_byte_is_noticed(value: bytes, data: st.DataObject) -> None:
    stored = bytearray(KEY.encrypt_bytes(value))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1
    with pytest.raises(Undecipherable):
        KEY.decrypt_bytes(bytes(stored))


def test_another_hospitals_key_opens_nothing_and_compares_with_nothing() -> None:
    assert KEY.blind_index("13800138000") == KEY.blind_index("13800138000")
    assert KEY.blind_index("13800138000") != OTHER.blind_index("13800138000")
    with pytest.raises(Undecipherable):
        OTHER.decrypt(KEY.encrypt("13800138000"))


def test_another_master_key_unwraps_nothing() -> None:
    with pytest.raises(Undecipherable):
        MasterKey(b"x" * 32).unwrap(MASTER.new_wrapped_key())


def test_a_number_is_found_by_its_index_in_its_own_hospital_only(world: World) -> None:
    """The same number in two hospitals makes no link (条例 16)."""
    keys: list[DataKey] = []
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            world.patient(session, phone="14012345678")
            keys.append(data_key(session))
    with world.firm() as both:
        found = both.scalars(
            select(ContactPoint.tenant_id).where(
                ContactPoint.number_index == keys[0].blind_index("14012345678")
            )
        ).all()
        assert found == [world.heqing.tenant_id]
