"""The server as a process: start it, wait until it answers, stop it, end one that outlived its program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import psycopg

from foundation import embedded_launch
from foundation.embedded_account import SERVER_ENVIRONMENT, Account, EmbeddedServerError

READY_SECONDS = 300.0  # replaying the log after a crash may take its time
STOP_SECONDS = 30.0
ABORT_SECONDS = 10.0
LEFTOVER_SECONDS = 15.0

_PAUSE_SECONDS = 0.02
_FAILURE = re.compile(r"(?:FATAL|PANIC):\s+(.*)")
_LEFTOVER = "pre-existing shared memory block"


def launch(command: Sequence[str | Path], account: Account, log: Path) -> subprocess.Popen[bytes]:
    """Start `postgres` as the account, in a session of its own (Ctrl+C in the terminal is for the program).

    On Linux the kernel stops the server when the *thread* that called this ends, which for the main thread
    is the end of the program, kill -9 included. Started from another thread the server is not tied to it: it
    then outlives a killed program until the next start ends it.
    """
    is_main = threading.current_thread() is threading.main_thread()
    order: embedded_launch.Launch = {
        "parent": os.getpid(),
        "uid": account.uid if account.switch else None,
        "gid": account.gid if account.switch else None,
        "die_with_parent": is_main and sys.platform == "linux",
        "log": str(log),
        "command": [str(word) for word in command],
        "environment": SERVER_ENVIRONMENT,
    }
    script = embedded_launch.__file__
    return subprocess.Popen(
        [sys.executable, "-I", "-S", script, json.dumps(order)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_ready(
    start: Callable[[], subprocess.Popen[bytes]], connect: Callable[[], psycopg.Connection], log: Path
) -> tuple[subprocess.Popen[bytes], psycopg.Connection]:
    """Start the server and return it with a first connection; raises EmbeddedServerError with the reason.

    When a server was killed together with its program, its sessions need a moment to notice; until then
    PostgreSQL refuses to start, so it is started again.
    """
    patience = time.monotonic() + LEFTOVER_SECONDS
    while True:
        process = start()
        try:
            connection = _first_connection(process, connect, log)
        except BaseException:
            stop(process)
            raise
        if connection is not None:
            return process, connection
        reason = last_failure(log)
        if _LEFTOVER not in reason or time.monotonic() > patience:
            raise EmbeddedServerError(f"The database server did not start: {reason} (see {log}).")
        time.sleep(0.5)


def _first_connection(
    process: subprocess.Popen[bytes], connect: Callable[[], psycopg.Connection], log: Path
) -> psycopg.Connection | None:
    """None when the server ended before it answered."""
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None:
        try:
            return connect()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The database server does not answer: {error} (see {log})."
                ) from error
        time.sleep(_PAUSE_SECONDS)
    return None


def last_failure(log: Path) -> str:
    """The last FATAL or PANIC line of the server's log, without its time stamp.

    A wrong setting is named in the line before it.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]
    except FileNotFoundError:
        return f"it could not write its log to {log.parent}"
    for before, line in zip(reversed(["", *lines[:-1]]), reversed(lines), strict=True):
        failure = _FAILURE.search(line)
        if failure is not None:
            reason = failure.group(1)
            return before.split("LOG:", 1)[-1].strip() if reason.startswith("configuration file") else reason
    return "no reason given"


def stop(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
    for order, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, ABORT_SECONDS)):
        process.send_signal(order)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def end_leftover(cluster: Path) -> None:
    """End a server of this folder that outlived its program. To be called with the folder's lock held.

    A note of a process that is something else by now (numbers come round, quickly in a container) is removed,
    for PostgreSQL would take that process for a server and refuse to start.
    """
    note = cluster / "postmaster.pid"
    try:
        pid = int(note.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    server = _server_process(pid, cluster)
    if server is None:
        if psutil.pid_exists(pid):
            note.unlink(missing_ok=True)
        return
    for order, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, ABORT_SECONDS)):
        try:
            server.send_signal(order)
            server.wait(seconds)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            if _server_process(pid, cluster) is None:  # ended, but its new parent does not collect it
                return
            continue
        return
    raise EmbeddedServerError(
        f"An earlier database server, process {pid}, does not end: end it with kill {pid}."
    )


def _server_process(pid: int, cluster: Path) -> psutil.Process | None:
    """The process, if it is a living PostgreSQL server of this folder."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or str(cluster) not in process.cmdline():
            return None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process
