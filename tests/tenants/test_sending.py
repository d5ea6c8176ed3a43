"""Invitations by e-mail and text message, over a real mail server and a real HTTP server on this machine."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from web_client import browsing
from world import NOW, World

from foundation import runtime, sending
from foundation.clock import SetClock
from foundation.database import Database, PlatformSession
from foundation.encryption import MasterKey
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from foundation.work import run_inline
from tenants import jobs, service
from tenants.identity import invitations, mobiles
from tenants.models import Invitation, Person
from tenants.rights import Role

SCOPE = PlatformScope(Actor.system("test"), "test")
HOST = "127.0.0.1"
SITE = "https://care.example.com"


class Post:
    """What the mail server took; `refuse` answers each recipient with this line instead."""

    def __init__(self, refuse: str = "") -> None:
        self.letters: list[Message] = []
        self.sent_by: list[bytes] = []
        self.refuse = refuse

    async def handle_RCPT(  # noqa: N802 - the mail server's own name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.letters.append(message_from_bytes(content, policy=default))
        return "250 taken"

    def login(
        self, _server: Any, _session: Session, _envelope: Envelope, _kind: str, data: Any
    ) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == b"let me/in"
        if right:
            self.sent_by.append(data.login)
        return AuthResult(success=right, handled=False)


@contextmanager
def post_office(post: Post, **options: Any) -> Iterator[int]:
    """A mail server for the time of the block; gives its port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    controller = Controller(post, hostname=HOST, port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for 127.0.0.1, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post.test")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "post.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def settings(**given: Any) -> Settings:
    return Settings(mail_from="回环 <care@example.com>", public_url=SITE, **given)


LETTER = sending.Mail("zhou@example.com", "恒康客服邀请您", "周倩，您好：\n\n请打开链接。\n")


# -------------------------------------------------------------------------------------------------- mail


def test_a_letter_goes_out_encrypted_and_signed_in(certificate: Path) -> None:
    post = Post()
    believed = ssl.create_default_context(cafile=str(certificate))
    options = {
        "tls_context": server_tls(certificate), "require_starttls": True, "authenticator": post.login,
        "auth_required": True,
    }  # fmt: skip
    with post_office(post, **options) as port:
        address = f"smtp://care%40example.com:let%20me%2Fin@{HOST}:{port}"
        sending.send_mail(settings(smtp_url=address), LETTER, tls=believed)
        wrong = settings(smtp_url=f"smtp://care:wrong@{HOST}:{port}")
        with pytest.raises(sending.NotSent) as refused:
            sending.send_mail(wrong, LETTER, tls=believed)
        assert not refused.value.for_good
        with pytest.raises(sending.NotSent):  # nobody vouches for this certificate
            sending.send_mail(settings(smtp_url=address), LETTER)
    assert post.sent_by == [b"care@example.com"]
    (letter,) = post.letters
    assert letter["To"] == "zhou@example.com"
    assert letter["From"] == "回环 <care@example.com>"
    assert letter["Subject"] == LETTER.subject


def test_a_letter_goes_out_over_tls_from_the_start(certificate: Path) -> None:
    post = Post()
    believed = ssl.create_default_context(cafile=str(certificate))
    with post_office(post, ssl_context=server_tls(certificate)) as port:
        sending.send_mail(settings(smtp_url=f"smtps://{HOST}:{port}"), LETTER, tls=believed)
    assert len(post.letters) == 1


def test_a_server_that_will_not_encrypt_gets_no_letter_unless_it_is_said(certificate: Path) -> None:
    post = Post()
    with post_office(post) as port:
        with pytest.raises(sending.NotSent):
            sending.send_mail(settings(smtp_url=f"smtp://{HOST}:{port}"), LETTER)
        sending.send_mail(settings(smtp_url=f"smtp+plain://{HOST}:{port}"), LETTER)
    assert len(post.letters) == 1


@pytest.mark.parametrize(("line", "for_good"), [("550 no such user", True), ("450 busy", False)])
def test_a_refused_recipient_is_told_from_a_busy_server(line: str, for_good: bool) -> None:
    with post_office(Post(refuse=line)) as port, pytest.raises(sending.NotSent) as refused:
        sending.send_mail(settings(smtp_url=f"smtp+plain://{HOST}:{port}"), LETTER)
    assert refused.value.for_good is for_good


def test_a_server_that_is_away_may_be_back_later() -> None:
    with pytest.raises(sending.NotSent) as away:
        sending.send_mail(settings(smtp_url=f"smtp+plain://{HOST}:9"), LETTER)
    assert not away.value.for_good


@pytest.mark.parametrize(
    "wrong",
    [{"smtp_url": "ftp://host"}, {"smtp_url": "smtp://"}, {"sms_url": "host:80"}, {"trusted_proxies": "x"}],
)
def test_a_wrong_setting_is_refused_at_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Settings(**wrong)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ text messages


class Gateway:
    """An SMS gateway on loopback that answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[str, str | None, dict[str, str]]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.taken.append((self.path, self.headers["Authorization"], body))
                self.send_response(gateway.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_words: Any) -> None:
                """Nothing on the tests' output."""

        self.server = HTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/send?app=1"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_text_message_reaches_the_gateway_with_its_token(gateway: Gateway) -> None:
    sending.send_text(settings(sms_url=gateway.url, sms_token="t0ken"), "13800138000", "您好")
    assert gateway.taken == [("/send?app=1", "Bearer t0ken", {"to": "13800138000", "text": "您好"})]


@pytest.mark.parametrize(
    ("status", "for_good"), [(400, True), (401, False), (429, False), (302, False), (503, False)]
)
def test_what_the_gateway_refuses_is_told_from_what_it_may_take_later(
    gateway: Gateway,
    status: int,
    for_good: bool,
) -> None:
    gateway.status = status
    with pytest.raises(sending.NotSent) as refused:
        sending.send_text(settings(sms_url=gateway.url), "13800138000", "您好")
    assert refused.value.for_good is for_good
    assert len(gateway.taken) == 1


# -------------------------------------------------------------------------------------------- invitations


@pytest.fixture
def session(db: Database) -> Iterator[PlatformSession]:
    with db.platform(SCOPE) as opened:
        yield opened


SEND = jobs.send_invitation  # imported, the job is registered


@contextmanager
def running(db: Database, given: Settings, at: datetime = NOW) -> Iterator[None]:
    """The parts of a worker."""
    before = list(runtime._current)
    runtime.install(Runtime(given, db, SetClock(at), db.master_key or MasterKey(b"0" * 32)))
    yield
    runtime._current[:] = before


def invite(db: Database, world: World, channel: invitations.Channel) -> Invitation:
    with world.firm(world.admin) as session:
        person = service.make_person(
            session, email="zhou@example.com", name="周倩", language="zh_Hans", now=NOW
        )
        if channel == "phone":
            mobiles.put(session, person, "13800138000")
        service.add_member(session, person.id, Role.QA, firm_id=world.firm_id, now=NOW, accepted=False)
        invitation, token = invitations.create(session, person, channel=channel, now=NOW)
        invitations.send(session, invitation, now=NOW)
        session.flush()
        (queued,) = session.scalars(
            select(OutboxMessage).where(
                OutboxMessage.job == invitations.SEND_JOB, OutboxMessage.sent_at.is_(None)
            )
        )
    assert token not in json.dumps(queued.arguments)
    assert queued.arguments == {"invitation_id": str(invitation.id)}
    return invitation


def state(db: Database, invitation: Invitation) -> tuple[datetime | None, str]:
    with db.platform(SCOPE) as session:
        row = session.get_one(Invitation, invitation.id, populate_existing=True)
        return row.sent_at, row.send_failure


def test_an_invitation_by_mail_opens_the_account_once(db: Database, world: World) -> None:
    invitation = invite(db, world, "email")
    post = Post()
    with post_office(post) as port, running(db, settings(smtp_url=f"smtp+plain://{HOST}:{port}")):
        for _ in range(2):  # a message that comes twice sends one letter
            run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    (letter,) = post.letters
    assert letter["Subject"] == "恒康客服邀请您使用回环系统"
    text = letter.get_payload(decode=True)
    assert isinstance(text, bytes)
    found = re.search(rf"{SITE}(/invitation/\S+)", text.decode())
    assert found is not None
    assert state(db, invitation) == (NOW, "")
    with browsing(db) as browser:
        assert "周倩" in browser.get(found[1]).text
        new = {"password": "Riverside-42", "again": "Riverside-42"}
        assert browser.post(found[1], new).headers["location"] == "/signin/enrol?next=/"


def test_an_invitation_by_text_message_names_the_link(db: Database, world: World, gateway: Gateway) -> None:
    invitation = invite(db, world, "phone")
    with running(db, settings(sms_url=gateway.url)):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    ((_path, _token, body),) = gateway.taken
    assert body["to"] == "13800138000"
    assert f"{SITE}/invitation/" in body["text"]
    assert "恒康客服" in body["text"]


def test_a_mail_server_that_is_away_is_tried_again_with_the_same_link(db: Database, world: World) -> None:
    invitation = invite(db, world, "email")
    with running(db, settings(smtp_url=f"smtp+plain://{HOST}:9")), pytest.raises(sending.NotSent):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    assert state(db, invitation) == (None, "")
    post = Post()
    with post_office(post) as port, running(db, settings(smtp_url=f"smtp+plain://{HOST}:{port}")):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    assert len(post.letters) == 1


def test_a_recipient_who_is_refused_for_good_stands_with_the_invitation(db: Database, world: World) -> None:
    invitation = invite(db, world, "email")
    post = Post(refuse="550 no such user")
    with post_office(post) as port, running(db, settings(smtp_url=f"smtp+plain://{HOST}:{port}")):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    assert state(db, invitation) == (None, "the recipient was refused")


def test_what_was_used_or_is_too_old_is_not_sent(db: Database, world: World, gateway: Gateway) -> None:
    invitation = invite(db, world, "phone")
    with running(db, settings(sms_url=gateway.url), at=NOW + timedelta(days=7)):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    with db.platform(SCOPE) as session:
        session.get_one(Person, invitation.person_id).disabled_at = NOW
    with running(db, settings(sms_url=gateway.url)):
        run_inline(invitations.SEND_JOB, invitation_id=str(invitation.id))
    assert gateway.taken == []


def test_without_a_server_the_inviter_hands_the_link_over() -> None:
    nothing = Settings(public_url=SITE)
    both = settings(smtp_url="smtp://post.example.com", sms_url="https://sms.example.com")
    assert [invitations.sends(nothing, channel) for channel in ("email", "phone", "link")] == [False] * 3
    assert [invitations.sends(both, channel) for channel in ("email", "phone", "link")] == [True, True, False]
