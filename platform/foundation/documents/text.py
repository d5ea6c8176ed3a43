"""Text that came from people or files, made fit for formats that refuse some characters."""

from __future__ import annotations

import re

# What XML 1.0 cannot carry: control characters but tab and line ends, surrogates without a partner, and the
# two noncharacters. They reach us from broken imports; a report must not fail because of one.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

REPLACEMENT = "□"
"""Unicode has U+FFFD for this, but the document font lacks it; a hollow square is what readers know."""


def fit(text: str) -> str:
    """`text` with every character that XML, JSON or a PDF cannot carry shown as □."""
    return _UNFIT.sub(REPLACEMENT, text)
