"""What a command prints: one JSON object with `--json`, aligned lines otherwise; nothing is ever cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def report(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the result of a command on standard output."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False, default=str))
        return
    width = max((len(name) for name in values), default=0) + 2
    for name, value in values.items():
        print(f"{name.replace('_', ' '):<{width}}{_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
