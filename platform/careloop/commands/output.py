"""What a command prints: one JSON object with `--json`, a small table otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def report(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the result of a command on standard output."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False, default=str))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        table.add_row(
            name.replace("_", " "),
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str),
        )
    Console(highlight=False).print(table)
