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
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundation.embedded import default_data_dir, prepare_data_dir

KEY_BYTES = 32
LEAST_LOG_DAYS = 180
# `smtp` asks for STARTTLS, `smtps` speaks TLS from the start, `smtp+plain` is for a relay on this machine.
SMTP_SCHEMES = ("smtp", "smtps", "smtp+plain")
SMS_SCHEMES = ("https", "http")
Network = IPv4Network | IPv6Network


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
    trusted_proxies: str = Field(
        "", description="networks of our own proxies, by commas: from them alone X-Forwarded-For counts"
    )
    smtp_url: SecretStr | None = Field(
        None, description="smtp://user:password@host:587 (STARTTLS), smtps://…:465, smtp+plain:// for a relay"
    )
    mail_from: str = Field("", description="sender of e-mails, such as CareLoop <care@example.com>")
    sms_url: SecretStr | None = Field(None, description="http(s) gateway that takes {to, text} as JSON")
    sms_token: SecretStr | None = Field(None, description="bearer token of the SMS gateway")
    demo: bool = Field(False, description="the demo's people may be entered with one click")
    allow_local_providers: bool = Field(
        False, description="company sign-in may lie on this machine: for trying it out"
    )
    log_days: int = Field(
        1095, le=36_500, description="days that sign-ins and refusals are kept; no fewer than 180"
    )
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
        "smtp_url",
        "sms_url",
        "sms_token",
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

    @field_validator("log_days")
    @classmethod
    def _logs_are_kept(cls, value: int) -> int:
        if value < LEAST_LOG_DAYS:
            raise ValueError(f"logs are kept for {LEAST_LOG_DAYS} days at least (网络安全法 21(3))")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @field_validator("smtp_url", "sms_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = SMTP_SCHEMES if info.field_name == "smtp_url" else SMS_SCHEMES
        given = "" if value is None else value.get_secret_value()
        parts = urlsplit(given)
        if given and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"an address begins with one of {', '.join(schemes)} and names a host")
        return value

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of our own proxies."""
        return networks_of(self.trusted_proxies)

    @property
    def local_providers(self) -> bool:
        """Whether a company sign-in may lie on this machine."""
        return self.demo or self.allow_local_providers

    @property
    def site(self) -> str:
        """The address that people type, without a slash at its end: for links in messages."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def given_server(self) -> bool:
        """Whether a database server was given; otherwise the embedded one is used."""
        return self.database_url is not None


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks such as `10.0.0.0/8, 192.0.2.7`; raises ValueError for what is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


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
