"""Style sheets, scripts and icons: each package's `static` folder, addressed by content.

`/static/…` is foundation's own folder (with `vendor/`, which `make assets` builds), `/static/<package>/…` a
room's.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from litestar.router import Router
from litestar.static_files import create_static_files_router

from foundation import messages
from foundation.web.access import PUBLIC

PREFIX = "/static"
OWN = "foundation"


def static_url(name: str) -> str:
    """The address of a file, with a version made of its content: `static("outreach/outreach.js")`."""
    path = _find(name)
    if path is None:
        return f"{PREFIX}/{name}"
    return f"{PREFIX}/{name}?v={_version(path, path.stat().st_mtime_ns)}"


def routers() -> list[Router]:
    """One router for foundation's folder and one for each room that has a `static` folder."""
    made = []
    for package, folder in messages.folders().items():
        root = folder / "static"
        if root.is_dir():
            address = PREFIX if package == OWN else f"{PREFIX}/{package}"
            made.append(
                create_static_files_router(
                    path=address,
                    directories=[root],
                    include_in_schema=False,
                    name=f"static-{package}",
                    opt={"needs": PUBLIC},
                )
            )
    return made


def _find(name: str) -> Path | None:
    package, _, rest = name.partition("/")
    folder = messages.folders().get(package)
    candidates = [folder / "static" / rest] if folder is not None and package != OWN else []
    candidates.append(messages.folders()[OWN] / "static" / name)
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=256)
def _version(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
