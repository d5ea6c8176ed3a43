"""HL7 v2 over MLLP: a real client against the real listener on this machine, over a real database."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network

import hl7
import pytest
from adt_messages import adt
from hl7.client import MLLPClient
from sqlalchemy import create_engine, select
from structlog.testing import capture_logs
from web_client import MASTER
from world import NOW, TestHospital, World

from careloop import wiring
from careloop.commands.feed import desk
from careloop.mllp import Listener, Network
from foundation.clock import SetClock
from foundation.database import Database
from foundation.runtime import Runtime
from foundation.scope import Actor, HospitalScope
from foundation.settings import Settings
from patients.models import Encounter, FeedMessage, Patient

HOST = "127.0.0.1"


@contextmanager
def listening(
    db: Database, hospital: TestHospital, *, allowed: tuple[Network, ...] = (), **limits: float
) -> Iterator[int]:
    """The listener of one hospital in a thread; gives its port, and stops it as SIGTERM does."""
    wiring.wire()
    assert db.master_key is not None
    parts = Runtime(Settings(master_key=MASTER), db, SetClock(NOW), db.master_key)
    scope = HospitalScope(hospital.tenant_id, Actor.system("careloop feed mllp"), "feed")
    ports: list[int] = []
    running: list[tuple[asyncio.AbstractEventLoop, Listener]] = []
    ready = threading.Event()

    async def serve() -> None:
        listener = Listener(desk(parts, scope), allowed, **limits)  # type: ignore[arg-type]
        running.append((asyncio.get_running_loop(), listener))

        def told(port: int) -> None:
            ports.append(port)
            ready.set()

        await listener.serve(HOST, 0, ready=told)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop, listener = running[0]
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(listener.stop)
        thread.join(20)
        assert not thread.is_alive()


def say(port: int, *messages: str | bytes) -> list[tuple[str, str, str]]:
    """Send messages on one connection; code, control id and text of each answer."""
    answers = []
    with MLLPClient(HOST, port) as client:
        for message in messages:
            raw = client.send_message(message)
            answer = hl7.parse(raw.strip(b"\x0b\x1c\r"))
            msa = answer.segment("MSA")
            answers.append((str(msa[1]), str(msa[2]), str(msa[3]) if len(msa) > 3 else ""))
    return answers


def stays(world: World, hospital: TestHospital) -> list[tuple[str, bool]]:
    with world.hospital(hospital) as session:
        rows = session.execute(
            select(Patient.name, Encounter.withdrawn_at.is_not(None))
            .join(Patient, (Patient.tenant_id == Encounter.tenant_id) & (Patient.id == Encounter.patient_id))
            .where(Encounter.tenant_id == session.tenant_id)
            .order_by(Encounter.discharged_on)
        )
        return [(name, gone) for name, gone in rows]


DISCHARGED = adt("A03", "20260908103000", discharged="20260908100000", control="C3")


def test_a_conversation_ends_as_the_hospital_says(engine_db: Database, engine_world: World) -> None:
    heqing = engine_world.heqing
    with listening(engine_db, heqing) as port, capture_logs() as logs:
        answers = say(
            port,
            adt("A08", "20260903080000", phone="13700137000", control="C2"),
            DISCHARGED,
            adt("A01", "20260901080000", control="C1"),
            DISCHARGED,
        )
        assert [answer[:2] for answer in answers] == [("AA", "C2"), ("AA", "C3"), ("AA", "C1"), ("AA", "C3")]
        assert stays(engine_world, heqing) == [("张𠮷", False)]
        assert say(port, adt("A13", "20260909120000"))[0][0] == "AA"
        assert stays(engine_world, heqing) == [("张𠮷", True)]
        second = adt("A03", "20260914103000", number="H0002", visit="V2", discharged="20260914100000")
        again = adt("A03", "20260910120000", discharged="20260910100000")
        assert [one[0] for one in say(port, again, second, adt("A40", "20260914110000", gone="H0002"))] == [
            "AA"
        ] * 3
        with engine_world.hospital(heqing) as session:
            assert len(session.scalars(select(Patient).where(Patient.merged_at.is_(None))).all()) == 1
            assert len(session.scalars(select(FeedMessage)).all()) == 7
    assert not [line for line in logs if "张" in str(line) or "13800138000" in str(line)]


@pytest.mark.parametrize("name", ["王䶮", "张𠮷"])
def test_rare_names_in_gbk_come_through(engine_db: Database, engine_world: World, name: str) -> None:
    message = adt("A03", "20260908103000", name=name, discharged="20260908100000", charset="GB18030")
    with listening(engine_db, engine_world.heqing) as port, MLLPClient(HOST, port) as client:
        raw = client.send_message(message.encode("gb18030"))
    assert "MSA|AA" in raw.decode("gb18030")
    assert stays(engine_world, engine_world.heqing) == [(name, False)]


def test_what_cannot_be_taken_is_answered_with_the_reason_and_the_connection_goes_on(
    engine_db: Database, engine_world: World
) -> None:
    with listening(engine_db, engine_world.heqing) as port:
        answers = say(
            port,
            b"hello",
            adt("A02", "20260901080000", control="X"),
            adt("A03", "20260908090000", discharged="20260801100000", control="Y"),
            DISCHARGED,
        )
    assert [answer[:2] for answer in answers] == [("AR", ""), ("AR", "X"), ("AE", "Y"), ("AA", "C3")]
    assert all(answer[2] for answer in answers[:3])


def test_two_hospitals_with_the_same_numbers_never_touch(engine_db: Database, engine_world: World) -> None:
    with (
        listening(engine_db, engine_world.heqing) as first,
        listening(engine_db, engine_world.yunling) as second,
    ):
        say(first, DISCHARGED)
        say(second, adt("A03", "20260908103000", discharged="20260908100000", name="李四"))
        say(second, adt("A13", "20260909103000", name="李四"))
    assert stays(engine_world, engine_world.heqing) == [("张𠮷", False)]
    assert stays(engine_world, engine_world.yunling) == [("李四", True)]


def test_messages_of_one_visit_at_once_make_one_stay(engine_db: Database, engine_world: World) -> None:
    messages = [adt("A03", f"202609081030{n:02}", discharged="20260908100000") for n in range(8)]
    codes: list[str] = []
    with listening(engine_db, engine_world.heqing) as port:
        threads = [
            threading.Thread(target=lambda m=one: codes.append(say(port, m)[0][0])) for one in messages
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert codes == ["AA"] * 8
    assert len(stays(engine_world, engine_world.heqing)) == 1


def test_without_the_database_nothing_is_acknowledged(engine_world: World, engine_db: Database) -> None:
    nowhere = Database(
        create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none"), master_key=engine_db.master_key
    )
    with listening(nowhere, engine_world.heqing) as port:
        assert say(port, DISCHARGED)[0][:2] == ("AE", "C3")


def raw_answer(port: int, content: bytes) -> bytes:
    """What comes back until the listener closes."""
    with socket.create_connection((HOST, port), timeout=20) as wire:
        wire.sendall(content)
        answer = b""
        with suppress(ConnectionResetError):
            while part := wire.recv(4096):
                answer += part
    return answer


def test_frames_that_are_none_too_large_or_never_end_are_cut(
    engine_db: Database, engine_world: World
) -> None:
    with listening(engine_db, engine_world.heqing, largest=20_000, frame_seconds=0.5) as port:
        assert b"MSA|AR" in raw_answer(port, b"GET / HTTP/1.1\r\n\r\n")
        assert b"MSA|AR" in raw_answer(port, b"\x0bMSH|" + b"x" * 60_000)
        assert b"MSA|AR" in raw_answer(port, b"\x0bMSH|^~\\&|and so on")
        assert say(port, DISCHARGED)[0][0] == "AA"


def test_only_those_who_may_connect_are_heard_and_no_more_than_the_limit(
    engine_db: Database, engine_world: World
) -> None:
    with listening(engine_db, engine_world.heqing, allowed=(ip_network("10.0.0.0/8"),)) as port:
        assert raw_answer(port, b"\x0b" + DISCHARGED.encode() + b"\x1c\r") == b""
    with listening(engine_db, engine_world.heqing, connections=1) as port, MLLPClient(HOST, port) as first:
        assert b"MSA|AA" in first.send_message(DISCHARGED)
        assert raw_answer(port, b"") == b""
        assert b"MSA|AA" in first.send_message(DISCHARGED)


def test_whoever_is_silent_gives_their_place_up(engine_db: Database, engine_world: World) -> None:
    with listening(engine_db, engine_world.heqing, connections=2, crowded_seconds=0.3) as port:
        silent = [socket.create_connection((HOST, port), timeout=20) for _ in range(2)]
        silent[0].sendall(b"\r\r")
        assert raw_answer(port, b"") == b""
        time.sleep(0.5)
        assert say(port, DISCHARGED)[0][0] == "AA"
        assert silent[0].recv(1) == b""
        for wire in silent:
            wire.close()


def test_a_silent_connection_is_closed_and_one_that_only_ends_lines_too(
    engine_db: Database, engine_world: World
) -> None:
    with listening(engine_db, engine_world.heqing, idle_seconds=0.4) as port:
        assert raw_answer(port, b"") == b""
        assert raw_answer(port, b"\r" * 20) == b""


def test_a_frame_of_too_many_messages_is_refused_as_a_whole(engine_db: Database, engine_world: World) -> None:
    with listening(engine_db, engine_world.heqing) as port:
        frame = (DISCHARGED + "MSH|^~\\&|\r" * 500).encode()
        with MLLPClient(HOST, port) as client:
            answer = client.send_message(frame)
    assert answer.count(b"MSA|AR") == 1
    assert b"500" in answer
    assert stays(engine_world, engine_world.heqing) == []
