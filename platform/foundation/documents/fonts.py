"""The one font of all documents: Noto Sans CJK, from its wheel.

Only the regular weight exists there, so the house style makes its hierarchy by size, colour and rules.
Fonts of the machine are never used: a document looks the same on a laptop and in a bare container.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

FAMILY = "Noto Sans CJK SC"
"""Family name of the Simplified Chinese face inside the collection."""


@cache
def font_folder() -> Path:
    """The folder that holds the font collection; raises ModuleNotFoundError when the wheel is missing."""
    return Path(str(files("noto_cjk_sans_otc")))
