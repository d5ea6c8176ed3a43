"""Logos (标志) that somebody hands in: small raster pictures, known by what they are and not by their name.

A file is taken only when it is a PNG, JPEG or WebP from its first byte to its last and says a size that is a
logo's: no part breaks off, and nothing stands before or behind the picture. Nothing that can hold a script
(SVG) is among them. The picture itself is decoded by browsers and by the typesetter alone.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

from foundation.languages import gettext as _
from foundation.web.errors import UserMistake

MOST_BYTES = 200 * 1024
MOST_PIXELS = 1024
MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
# Start-of-frame markers of JPEG; the others in this range are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_JPEG_END = b"\xff\xd9"
_WEBP_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
# Eight bytes for each point of the largest logo, the most that a PNG spends, and one byte for each row.
MOST_ROWS_BYTES = MOST_PIXELS * (8 * MOST_PIXELS + 1) * 2
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
    """The chunks one after the other, each with its sum: IHDR first, IDAT among them, IEND last, and nothing
    behind it; the picture's rows inflate to what the head promises.
    """
    at, data = 8, b""
    kinds: list[bytes] = []
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        if zlib.crc32(kind + body) != checksum:
            return None
        kinds.append(kind)
        data += body if kind == b"IDAT" else b""
        at += 12 + length
        if kind == b"IEND":
            break
    framed = kinds[:1] == [b"IHDR"] and kinds.count(b"IHDR") == 1 and kinds[-1] == b"IEND"
    if at != len(content) or not framed or not data:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return Picture("image/png", width, height) if _inflates(data) else None


def _inflates(data: bytes) -> bool:
    """Whether the rows of a PNG are one whole zlib stream, of no more than a logo can have."""
    stream = zlib.decompressobj()
    try:
        stream.decompress(data, MOST_ROWS_BYTES)
    except zlib.error:
        return False
    return stream.eof and not stream.unused_data


def _jpeg(content: bytes) -> Picture | None:
    """Segments up to the first scan, among them one frame; the end of the picture is the end of the file."""
    if not content.endswith(_JPEG_END):
        return None
    at = 2
    found: Picture | None = None
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            found = found or Picture("image/jpeg", width, height)
        length = int(struct.unpack(">H", content[at + 2 : at + 4])[0])
        at += 2 + length
        if marker == _SCAN:
            return found if at < len(content) and content.find(_JPEG_END, at) == len(content) - 2 else None
    return None


def _webp(content: bytes) -> Picture | None:
    """The chunks fill the file as its head says, and one of them holds the picture (VP8, VP8L or frames)."""
    if struct.unpack("<I", content[4:8])[0] + 8 != len(content):
        return None
    kinds: list[bytes] = []
    at = 12
    while at < len(content):
        kind, length = struct.unpack("<4sI", content[at : at + 8])
        kinds.append(kind if length else b"")
        at += 8 + length + length % 2
    if at != len(content) or not _WEBP_PICTURES & set(kinds):
        return None
    return _webp_size(content)


def _webp_size(content: bytes) -> Picture | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    elif kind == b"VP8L" and content[20:21] == b"\x2f":
        (bits,) = struct.unpack("<I", content[21:25])
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", content[26:30]))
    else:
        return None
    return Picture("image/webp", width, height)
