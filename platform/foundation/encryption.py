"""Encrypted identifiers: AES-GCM with one data key per hospital, wrapped by a master key.

Phone numbers, ID numbers and addresses never stand in the database in the clear (GB/T 22239 level 3, PIPL
28 and 51).
Equality search goes through a keyed blind index. Destroying a hospital's wrapped key erases its people.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
INDEX_BYTES = 16
VERSION = b"\x01"


class Undecipherable(Exception):
    """A stored value does not open with this key: it was changed, or it belongs to another hospital."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The keys of one hospital, unwrapped: one to encrypt, one for the blind index."""

    cipher_key: bytes
    index_key: bytes
    _cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the cipher once: a list of patients asks for it some hundred thousand times."""
        object.__setattr__(self, "_cipher", AESGCM(self.cipher_key))

    def encrypt(self, plain: str) -> bytes:
        """Version byte, nonce and ciphertext of one value."""
        return self.encrypt_bytes(plain.encode())

    def decrypt(self, stored: bytes) -> str:
        """The value again; raises `Undecipherable`."""
        return self.decrypt_bytes(stored).decode()

    def encrypt_bytes(self, plain: bytes) -> bytes:
        """As `encrypt`, for files."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, VERSION)

    def decrypt_bytes(self, stored: bytes) -> bytes:
        """As `decrypt`, for files; raises `Undecipherable`."""
        try:
            nonce, body = stored[1 : 1 + NONCE_BYTES], stored[1 + NONCE_BYTES :]
            return self._cipher.decrypt(nonce, body, stored[:1])
        except (InvalidTag, ValueError) as error:
            raise Undecipherable from error

    def blind_index(self, plain: str) -> bytes:
        """Equal values give equal 16 bytes within one hospital, and nothing comparable in another."""
        return self.digest(plain)[:INDEX_BYTES]

    def digest(self, plain: str) -> bytes:
        """32 bytes that nobody without this key can compute from the value, or guess."""
        return hmac.digest(self.index_key, plain.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that wraps the hospitals' data keys. A key service fits the same two methods."""

    key: bytes

    def new_wrapped_key(self) -> bytes:
        """A fresh data key, wrapped, to be stored with the hospital."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return (
            VERSION + nonce + AESGCM(self.key).encrypt(nonce, secrets.token_bytes(32), b"careloop data key")
        )

    def unwrap(self, wrapped: bytes) -> DataKey:
        """The hospital's keys; raises `Undecipherable` under another master key."""
        nonce, body = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        try:
            root = AESGCM(self.key).decrypt(nonce, body, b"careloop data key")
        except (InvalidTag, ValueError) as error:
            raise Undecipherable from error
        return DataKey(_derive(root, b"cipher"), _derive(root, b"index"))

    def platform(self) -> DataKey:
        """The keys of what belongs to no hospital: secrets of second factors, numbers of our own people."""
        return DataKey(_derive(self.key, b"platform cipher"), _derive(self.key, b"platform index"))


def _derive(root: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"careloop " + use).derive(root)
