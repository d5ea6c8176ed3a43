"""What a command prints: one JSON object with `--json`, aligned lines otherwise; nothing is ever cut off."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any


def report(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the result of a command on standard output; a reader who has seen enough (`| head`) may go."""
    try:
        for line in _lines(values, as_json=as_json):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer goes nowhere, so that the end of the program finds no closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(values: Mapping[str, Any], *, as_json: bool) -> Iterator[str]:
    if as_json:
        yield json.dumps(values, ensure_ascii=False, default=str)
        return
    width = max((len(name) for name in values), default=0) + 2
    for name, value in values.items():
        yield f"{name.replace('_', ' '):<{width}}{_shown(value)}"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
