"""Settings: environment variables with the prefix `CARELOOP_`, each with a working default for one
machine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundation.embedded import default_data_dir, prepare_data_dir

KEY_BYTES = 32


class Settings(BaseSettings):
    """All settings. `careloop doctor` names a wrong one and the fix."""

    model_config = SettingsConfigDict(env_prefix="CARELOOP_", extra="ignore")

    data_dir: Path = Field(
        default_factory=default_data_dir, description="embedded server, keys and local files"
    )
    database_url: SecretStr | None = Field(None, description="a given server, as the runtime role")
    owner_database_url: SecretStr | None = Field(
        None, description="a given server, as the role that migrates"
    )
    broker_url: SecretStr | None = Field(None, description="postgresql:// (default), amqp:// or redis://")
    master_key: SecretStr | None = Field(
        None, description="32 bytes in base64; made in the data folder if absent"
    )
    host: str = Field("127.0.0.1", description="address the web server listens on")
    port: int = Field(8321, ge=1, le=65535, description="port the web server listens on")
    public_url: str = Field("", description="address that people type, for links in messages and invoices")
    web_workers: int = Field(1, ge=1, le=64, description="web server processes")
    worker_threads: int = Field(4, ge=1, le=64, description="threads of the background worker")
    cookie_secure: bool = Field(False, description="cookies only over https: switch on behind TLS")
    demo: bool = Field(False, description="the demo's people may be entered with one click")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="form of the log lines")
    stripe_api_key: SecretStr | None = Field(None, description="secret key; without it bank transfer only")
    stripe_webhook_secret: SecretStr | None = Field(None, description="signing secret of the webhook")
    stripe_api_base: str | None = Field(None, description="another Stripe server, for tests")

    @field_validator(
        "database_url",
        "owner_database_url",
        "broker_url",
        "master_key",
        "stripe_api_key",
        "stripe_webhook_secret",
        mode="before",
    )
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        """A container passes an unset variable as an empty string."""
        return None if value == "" else value

    @field_validator("master_key")
    @classmethod
    def _key_has_32_bytes(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decode_key(value.get_secret_value())
        return value

    @property
    def given_server(self) -> bool:
        """Whether a database server was given; otherwise the embedded one is used."""
        return self.database_url is not None


def decode_key(text: str) -> bytes:
    """32 bytes from base64; raises ValueError with one clear sentence."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("the master key is not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"the master key has {len(key)} bytes, it needs {KEY_BYTES}")
    return key


def local_secrets(data_dir: Path) -> dict[str, str]:
    """Secrets made once for this data folder: `master_key` (base64) and `csrf` (hex); file mode 0600."""
    path = data_dir / "keys.json"
    if not path.exists():
        prepare_data_dir(data_dir)
        made = {
            "master_key": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
            "csrf": secrets.token_hex(KEY_BYTES),
        }
        temporary = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(made, handle)
        try:
            os.link(temporary, path)  # the first of two starting processes wins; both read the winner's file
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def master_key_bytes(settings: Settings) -> bytes:
    """The master key given, or the one kept in the data folder."""
    if settings.master_key is not None:
        return decode_key(settings.master_key.get_secret_value())
    return decode_key(local_secrets(settings.data_dir)["master_key"])


def csrf_secret(settings: Settings) -> str:
    """The secret that signs form tokens: derived from a given master key, so that all replicas agree."""
    if settings.master_key is not None:
        return secrets_from(settings.master_key.get_secret_value())
    return local_secrets(settings.data_dir)["csrf"]


def secrets_from(master: str) -> str:
    """A secret derived from another one; never the other one itself."""
    return hashlib.sha256(b"careloop csrf " + master.encode()).hexdigest()
