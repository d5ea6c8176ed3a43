"""PDF files from Typst templates and plain data.

A template is a `.typ` file that starts with `#import "/house.typ": *`; that gives it `data` (what the
caller passed) and the parts of the house style (`templates/house.typ`). Data travels as JSON and arrives as
strings and numbers, so no name, comment or answer can ever act as markup. Nothing is read from the network
or from the machine's fonts, and no clock is read: the same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import typst

from foundation.documents.fonts import font_folder
from foundation.documents.text import fit

_HOUSE = Path(__file__).parent / "templates"
_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(svg|png|jpg|jpeg|webp)")
_EPOCH_1980 = 315532800  # any constant does: the house style prints the date the caller gives, never this one


class DocumentError(Exception):
    """A document could not be typeset: a broken template, a missing key in its data, an unreadable image.

    The message names the place in the template; it may quote the template, never the data.
    """


def render_pdf(
    template: Path | str, data: Mapping[str, Any], *, images: Mapping[str, bytes] | None = None
) -> bytes:
    """Typeset the template at the path `template` with `data` and return the bytes of a tagged PDF.

    - `data`: text, numbers, booleans, None, lists and mappings with text keys; `Decimal` becomes its text
      and `date` or `datetime` its ISO form. Text is best formatted by the caller, who knows the language.
    - `images`: file name (`trend.svg`, also png, jpg, webp) to bytes, shown by `chart("trend.svg", …)`.

    Other `.typ` files in the template's folder can be imported as `/<name>.typ`. Raises `DocumentError`; a
    compiler warning becomes a Python warning. Characters that no file can carry are shown as □.
    """
    # The compiler takes a mapping of files; the stubs of the wheel leave that out.
    files: Any = _files(Path(template), data, images or {})
    try:
        pdf, complaints = typst.compile_with_warnings(
            files, font_paths=_fonts(), ignore_system_fonts=True, format="pdf", timestamp=_EPOCH_1980
        )
    except typst.TypstError as error:
        raise DocumentError(error.diagnostic or error.message) from None
    for complaint in complaints:
        warnings.warn(f"{Path(template).name}: {complaint.diagnostic or complaint.message}", stacklevel=2)
    if not isinstance(pdf, bytes):
        raise DocumentError("the compiler returned no single PDF")
    return pdf


def _files(template: Path, data: Mapping[str, Any], images: Mapping[str, bytes]) -> dict[str, bytes]:
    """The whole project in memory, as the compiler sees it: name to bytes, the template as `main.typ`."""
    if not template.is_file():
        raise DocumentError(f"no such template: {template.name}")
    files = {path.name: path.read_bytes() for path in sorted(template.parent.glob("*.typ"))}
    house = {path.name: path.read_bytes() for path in sorted(_HOUSE.iterdir()) if path.is_file()}
    taken = sorted(files.keys() & house.keys())
    if taken and template.parent.resolve() != _HOUSE.resolve():
        raise DocumentError(
            f"{', '.join(taken)} beside {template.name}: this name belongs to the house style"
        )
    files |= house
    for name, content in images.items():
        if not _IMAGE_NAME.fullmatch(name):
            raise DocumentError(f"image name {name!r}: letters, digits, '.', '_' or '-' and a known ending")
        files[f"images/{name}"] = content
    files["data.json"] = json.dumps(_plain(data), ensure_ascii=False, allow_nan=False).encode()
    return {**files, "main.typ": files[template.name]}


def _plain(value: object) -> object:
    """`value` as JSON can carry it; raises `DocumentError` for anything else."""
    if isinstance(value, str):
        return fit(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {fit(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise DocumentError(f"a document cannot hold a {type(value).__name__}")


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(font_folder())]
    )
