"""E-mail by SMTP and text messages (短信) by an HTTP gateway: one message, sent now.

Called by jobs and never inside a transaction; who is written to and what is said is the caller's. Neither is
logged.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from foundation.settings import Settings

SECONDS = 20
SMTP_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
REFUSED_FOR_GOOD = 500
TOO_MANY = 429


class NotSent(Exception):
    """A message was not taken. `for_good`: sending it again would not help."""

    def __init__(self, reason: str, *, for_good: bool) -> None:
        super().__init__(reason)
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail of plain text."""

    to: str
    subject: str
    text: str


def can_mail(settings: Settings) -> bool:
    """Whether e-mails can be sent: there is a server and a sender's address."""
    return settings.smtp_url is not None and bool(parseaddr(settings.mail_from)[1])


def can_text(settings: Settings) -> bool:
    """Whether text messages can be sent."""
    return settings.sms_url is not None


def send_mail(settings: Settings, mail: Mail, *, tls: ssl.SSLContext | None = None) -> None:
    """Send one e-mail over an encrypted connection (unless the address says `smtp+plain`). Raises `NotSent`.

    `tls` says which certificates are believed; without it the system's.
    """
    if settings.smtp_url is None:
        raise NotSent("no mail server is set", for_good=True)
    parts = urlsplit(settings.smtp_url.get_secret_value())
    try:
        _speak(parts, _message(settings, mail), tls or ssl.create_default_context())
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise NotSent("the recipient was refused", for_good=min(codes) >= REFUSED_FOR_GOOD) from error
    except smtplib.SMTPResponseException as error:
        # A wrong password or a refused sender is put right by whoever runs this, and then it is sent.
        raise NotSent(f"the mail server answered {error.smtp_code}", for_good=False) from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"the mail server: {type(error).__name__}", for_good=False) from error


def _speak(parts: SplitResult, message: EmailMessage, believed: ssl.SSLContext) -> None:
    host, port = parts.hostname or "", parts.port or SMTP_PORTS[parts.scheme]
    server = (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=believed)
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=SECONDS)
    )
    try:
        if parts.scheme == "smtp":
            server.starttls(context=believed)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
        server.quit()
    finally:
        server.close()  # without a goodbye when something went wrong: nobody may be listening


def send_text(settings: Settings, to: str, text: str, *, tls: ssl.SSLContext | None = None) -> None:
    """Hand one text message to the gateway: a POST of `{"to", "text"}` as JSON. Raises `NotSent`.

    `to` is 11 digits of a mainland mobile. Redirects are not followed: the token goes to the gateway alone.
    """
    if settings.sms_url is None:
        raise NotSent("no SMS gateway is set", for_good=True)
    parts = urlsplit(settings.sms_url.get_secret_value())
    host = parts.hostname or ""
    headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
    if settings.sms_token is not None:
        headers["Authorization"] = f"Bearer {settings.sms_token.get_secret_value()}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = (
        HTTPSConnection(host, parts.port, timeout=SECONDS, context=tls)
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=SECONDS)
    )
    try:
        connection.request(
            "POST", path, json.dumps({"to": to, "text": text}, ensure_ascii=False).encode(), headers
        )
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise NotSent(f"the SMS gateway: {type(error).__name__}", for_good=False) from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        for_good = 400 <= status < REFUSED_FOR_GOOD and status not in {401, 403, 404, TOO_MANY}
        raise NotSent(f"the SMS gateway answered {status}", for_good=for_good)


def _message(settings: Settings, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=parseaddr(settings.mail_from)[1].partition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
