"""Logos (标志) that somebody hands in: small raster pictures, known by what they are and not by their name.

A file is taken only when its first bytes are those of PNG, JPEG or WebP and it says a size that is a logo's.
Nothing that can hold a script (SVG) is among them. What the file says is all that is read: the picture itself
is decoded by browsers and by the typesetter alone.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

from foundation.languages import gettext as _
from foundation.web.errors import UserMistake

MOST_BYTES = 200 * 1024
MOST_PIXELS = 1024
MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
# Start-of-frame markers of JPEG; the others in this range are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Picture:
    """What a file is: media type, width and height in pixels."""

    media_type: str
    width: int
    height: int


def check(content: bytes) -> Picture:
    """What the file is; raises `UserMistake` for anything that is no small picture."""
    if len(content) > MOST_BYTES:
        raise UserMistake(_("A logo has at most 200 KB."))
    found = read(content)
    if found is None:
        raise UserMistake(_("A logo is a PNG, JPEG or WebP picture; this file is none of them."))
    if not (0 < found.width <= MOST_PIXELS and 0 < found.height <= MOST_PIXELS):
        raise UserMistake(_("A logo is at most 1024 pixels wide and high."))
    return found


def as_drawing(content: bytes) -> bytes:
    """The picture inside an SVG of its size, made by us. ValueError for what `read` does not know."""
    found = read(content)
    if found is None:
        raise ValueError("no picture that a logo can be")
    size = f'width="{found.width}" height="{found.height}"'
    inside = base64.b64encode(content).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {found.width} {found.height}">'
        f'<image {size} href="data:{found.media_type};base64,{inside}"/></svg>'
    ).encode()


def read(content: bytes) -> Picture | None:
    """Type and size by the file's own words; None for anything else or a file that breaks off."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(content)
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError):
        return None
    return None


def _png(content: bytes) -> Picture | None:
    if content[12:16] != b"IHDR" or not content.rstrip(b"\0").endswith(b"IEND\xaeB`\x82"):
        return None
    return Picture("image/png", *struct.unpack(">II", content[16:24]))


def _jpeg(content: bytes) -> Picture | None:
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return Picture("image/jpeg", width, height)
        at += 2 + int(struct.unpack(">H", content[at + 2 : at + 4])[0])
    return None


def _webp(content: bytes) -> Picture | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    elif kind == b"VP8L":
        (bits,) = struct.unpack("<I", content[21:25])
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", content[26:30]))
    else:
        return None
    return Picture("image/webp", width, height)
