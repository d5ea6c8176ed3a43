"""Become the server: the last step between the program and `postgres`, run as a script of its own.

    python -I -S embedded_launch.py '<Launch as JSON>'

A script rather than code run between fork and exec, which is not safe in a program with threads. It gives up
root, asks the kernel to interrupt the server when the program dies, points the output at the log and becomes
PostgreSQL, under the same process id.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LOG_BYTES = 10_000_000  # a longer log is set aside at the next start; one older log is kept
FAILED = 71  # EX_OSERR of <sysexits.h>


class Launch(TypedDict):
    """What to start: `uid` and `gid` are None where the user stays the same."""

    parent: int
    uid: int | None
    gid: int | None
    die_with_parent: bool
    log: str
    command: list[str]
    environment: dict[str, str]


def main(launch: Launch) -> None:
    """Replace this process by the server."""
    os.chdir("/")
    os.umask(0o077)
    if launch["uid"] is not None and launch["gid"] is not None:
        os.setgroups([])
        os.setgid(launch["gid"])
        os.setuid(launch["uid"])
    _write_to(Path(launch["log"]))
    if launch["die_with_parent"]:
        _die_with(launch["parent"])
    command = launch["command"]
    os.execve(command[0], command, launch["environment"])  # noqa: S606 - becoming the server is the purpose


def _write_to(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.rename(log.with_suffix(".log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _die_with(parent: int) -> None:
    """SIGINT is PostgreSQL's fast shutdown. Asked for after the change of user, which would forget it."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:  # it died before we asked
        sys.exit(FAILED)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except OSError as error:
        sys.stderr.write(f"FATAL:  the server cannot be launched: {error}\n")
        sys.exit(FAILED)
