"""Who runs the embedded server, and the folders made for that user.

PostgreSQL refuses to run as root, so a program started by root hands the server to a system user of its own.
Two rules hold everywhere here: no mode and no owner of a folder that we did not make is ever changed, and
what the server must read or enter is tried as that user instead of being guessed from mode bits.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SYSTEM_USER = "careloop"
FALLBACK_USER = "nobody"
ROOT_DATA_DIR = Path("/var/lib/careloop")

# Nothing of the program's environment reaches the server: no PG* variable, no secret, no terminal's locale.
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}

_FIRST_CLOSED = 'for folder; do [ -x "$folder" ] || { printf %s "$folder"; exit 1; }; done'
_WRITE_FILE = 'umask 077; cat > "$1.new" && mv -f "$1.new" "$1"'


class EmbeddedServerError(Exception):
    """The embedded server cannot do what was asked; the message is one sentence that names the fix."""


@dataclass(frozen=True)
class Account:
    """The operating-system user that the server runs as.

    `switch` says that the program is root and the server is somebody else; otherwise both are the same user.
    """

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self, command: Sequence[str | Path], *, text: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, with a minimal environment; `timeout` in seconds."""
        return subprocess.run(
            [str(word) for word in command],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout,
            cwd="/",  # the program's own folder may be closed to this user
            env=SERVER_ENVIRONMENT,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def first_closed(self, folders: Iterable[Path]) -> Path | None:
        """The first of the folders that this user cannot enter."""
        tried = self.run(["/bin/sh", "-c", _FIRST_CLOSED, "sh", *folders])
        return Path(tried.stdout) if tried.returncode else None

    def write(self, path: Path, text: str) -> None:
        """Write a file (0600) as this user: root never writes into a folder that another user controls."""
        done = self.run(["/bin/sh", "-c", _WRITE_FILE, "sh", path], text=text)
        if done.returncode:
            raise EmbeddedServerError(f"The file {path} cannot be written: {done.stderr.strip()}.")


def account_for(cluster: Path | None) -> Account:
    """The account for the server whose files are in `cluster`; None, or a missing folder, for a new one.

    An ordinary user runs the server as themselves. For root it is the owner of the existing files, else the
    system user `careloop`, made when it is missing, else `nobody` where no user can be made.
    """
    if os.geteuid() != 0:
        return _account(os.geteuid(), os.getegid(), switch=False)
    if cluster is None or not os.path.lexists(cluster):
        entry = _system_user()
        return _account(entry.pw_uid, entry.pw_gid, switch=True)
    found = cluster.lstat()
    if found.st_uid == 0:
        raise EmbeddedServerError(f"The folder {cluster} belongs to root: choose an empty data folder.")
    return _account(found.st_uid, found.st_gid, switch=True)


def _account(uid: int, gid: int, *, switch: bool) -> Account:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a number without a name
        name = str(uid)
    return Account(name, uid, gid, switch)


def _system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    command = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    # Several tries: another process may be making the same user, and holds the lock on the user list.
    for _ in range(5):
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            if useradd is None:
                break
        if subprocess.run([useradd, *command], capture_output=True, check=False).returncode:
            time.sleep(0.2)
    try:
        return pwd.getpwnam(FALLBACK_USER)
    except KeyError as error:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root and the system user {SYSTEM_USER} cannot be made: "
            f"make it by hand with useradd --system {SYSTEM_USER}."
        ) from error


def make_data_dir(data_dir: Path, account: Account) -> None:
    """Make the data folder (0700, the account's) and its missing parents; an existing one stays as it is.

    Raises EmbeddedServerError when the account cannot enter the folder or one of its parents.
    """
    chain = [*reversed(data_dir.parents), data_dir]
    present = [folder for folder in chain if os.path.lexists(folder)]
    for folder in present:
        if not folder.is_dir():
            raise EmbeddedServerError(f"The data folder {data_dir} cannot be made: {folder} is not a folder.")
    closed = account.first_closed(present)
    if closed is not None:
        raise EmbeddedServerError(_closed_sentence(closed, data_dir, account))
    for folder in chain[len(present) :]:
        try:
            if folder == data_dir:
                make_folder(folder, account)
            elif account.switch:
                _place(folder, mode=0o755, owner=None)
            else:
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(
                f"The data folder {data_dir} cannot be made ({error.strerror}): "
                "set CARELOOP_DATA_DIR to a folder that you may write to."
            ) from error


def _closed_sentence(closed: Path, data_dir: Path, account: Account) -> str:
    if account.switch:
        fix = f"set CARELOOP_DATA_DIR to a folder outside it, for example {ROOT_DATA_DIR}"
        return (
            f"As root the database server runs as the system user {account.name}, "
            f"who cannot enter {closed}: {fix}."
        )
    return f"You cannot enter {closed}: set CARELOOP_DATA_DIR to a folder of yours instead of {data_dir}."


def make_folder(path: Path, account: Account) -> None:
    """Make a folder for the account alone (0700); an existing one must be just that already."""
    if not os.path.lexists(path):
        _place(path, mode=0o700, owner=account)
    found = path.lstat()
    private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    if not private or found.st_uid != account.uid:
        raise EmbeddedServerError(
            f"{path} was there before and is not a private folder of the user {account.name}: "
            "set CARELOOP_DATA_DIR to an empty folder."
        )


def _place(path: Path, *, mode: int, owner: Account | None) -> None:
    """Make a folder under another name and move it into place, so that it never stands half made."""
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        if owner is not None and owner.switch:
            os.chown(fresh, owner.uid, owner.gid)
        fresh.chmod(mode)
        fresh.rename(path)
    except OSError:
        fresh.rmdir()
        if not path.is_dir():  # otherwise somebody else was faster, which is as good
            raise


def short_folder(account: Account) -> Path:
    """A fresh private folder (0700, the account's) directly below the system's folder for temporary files."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - made by mkdtemp
        if parent.is_dir() and account.first_closed([parent.absolute()]) is None:
            folder = Path(tempfile.mkdtemp(prefix="careloop-", dir=parent.absolute()))
            if account.switch:
                os.chown(folder, account.uid, account.gid)
            return folder
    raise EmbeddedServerError(
        f"The user {account.name} can enter no folder for temporary files: set TMPDIR to an open one."
    )


@contextmanager
def private_folder() -> Iterator[Path]:
    """A fresh folder fit to be a data folder, removed at the end: for tests and throwaway runs.

    The folders that pytest makes as root are closed to the user that the server runs as; this one is not.
    """
    folder = short_folder(account_for(None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
