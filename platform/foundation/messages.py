"""Messages as gettext sees them: where they are kept, what is translated, what the sources ask for.

English is the message itself; the Chinese stands in each package's own `locale/zh_Hans.po`, read as it is
(nothing is compiled). `missing()` compares the sources with the catalogues, so that no screen is left half
in English.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po

# Names only, to find folders: foundation imports none of them.
PACKAGES = (
    "foundation", "tenants", "patients", "workforce", "outreach", "surveys", "revisits", "feedback",
    "quality", "billing", "reporting", "careloop",
)  # fmt: skip

KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None, "gettext": None, "mark": None, "ngettext": (1, 2), "UserMistake": None,
}  # fmt: skip
JINJA_OPTIONS = {"trimmed": "true", "silent": "false"}

Texts = tuple[str, ...]


class MessageConflict(ValueError):
    """Two catalogues translate one message differently; the text names both."""


@dataclass(frozen=True, slots=True)
class Use:
    """A message asked for by a source file."""

    message: str
    path: Path
    line: int


def folder_of(package: str) -> Path | None:
    """Where a package stands on disk, or None when this installation lacks it. Imports nothing."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


@cache
def folders() -> dict[str, Path]:
    """Every package that is here, with its folder, lowest floor first."""
    located = ((name, folder_of(name)) for name in PACKAGES)
    return {name: folder for name, folder in located if folder is not None}


@cache
def catalogue() -> dict[str, Texts]:
    """Message to Chinese (one text; for a plural the one form that Chinese has). The lowest floor wins."""
    merged: dict[str, Texts] = {}
    for folder in folders().values():
        for key, texts in read(folder / "locale" / "zh_Hans.po").items():
            merged.setdefault(key, texts)
    return merged


def read(path: Path) -> dict[str, Texts]:
    """The translated messages of one .po file; empty when there is none. Raises babel's PoFileError."""
    if not path.is_file():
        return {}
    with path.open("rb") as handle:
        found = read_po(handle, locale="zh_Hans", abort_invalid=True)
    return {_key(m): _texts(m) for m in found if m.id and all(_texts(m)) and not m.fuzzy}


def conflicts() -> list[str]:
    """Messages that two packages translate differently, as one sentence each."""
    seen: dict[str, tuple[str, Texts]] = {}
    told = []
    for name, folder in folders().items():
        for key, texts in read(folder / "locale" / "zh_Hans.po").items():
            first, earlier = seen.setdefault(key, (name, texts))
            if earlier != texts:
                told.append(f"{key!r}: {first} says {earlier[0]!r}, {name} says {texts[0]!r}")
    return told


def missing() -> list[Use]:
    """Messages that the sources ask for and no catalogue translates, each once, at its first use."""
    known = catalogue()
    first: dict[str, Use] = {}
    for use in uses():
        if use.message not in known:
            first.setdefault(use.message, use)
    return list(first.values())


def uses() -> Iterator[Use]:
    """Every message of every Python file and template of the product."""
    for folder in folders().values():
        for path in sorted(folder.rglob("*.py")):
            yield from _of_file(path, "python")
            if path.name == "labels.py":
                yield from _labels(path)
        for path in sorted(folder.rglob("*.html")):
            yield from _of_file(path, "jinja2.ext:babel_extract")


def _of_file(path: Path, method: str) -> Iterator[Use]:
    options = JINJA_OPTIONS if method.startswith("jinja2") else {}
    with path.open("rb") as handle:
        for line, message, _comments, _context in extract(method, handle, KEYWORDS, options=options):
            yield Use(message if isinstance(message, str) else message[0], path, line)


def _labels(path: Path) -> Iterator[Use]:
    """Values of the dictionaries of a `labels.py` that begin with a capital are messages;
    bilingual content is not.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict) and not {"zh", "en"} & set(_strings(node.keys)):
            for value in node.values:
                if (
                    isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                    and value.value[:1].isupper()
                ):
                    yield Use(value.value, path, value.lineno)


def _strings(nodes: Iterable[ast.expr | None]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _texts(message: Message) -> Texts:
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)
