"""The command `careloop`. Every command that reports something takes `--json`.

Exit codes: 0 success, 2 a user's mistake (one sentence on standard error).
"""

from __future__ import annotations

import sys

from cyclopts import App
from cyclopts.exceptions import CycloptsError
from rich.console import Console

from careloop.commands import admin, data, operate
from careloop.commands.errors import sentence_for

app = App(
    name="careloop",
    help="CareLoop: follow-up calls, surveys and complaint handling for many hospitals.",
    version_flags=["--version"],
    result_action="return_value",
)
for group in (operate.commands, data.commands, admin.commands):
    for command in group:
        app.command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit."""
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(str(error).strip().splitlines()[0])
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        fail(sentence)


def fail(sentence: str) -> None:
    """One sentence, exit code 2."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(sentence, style="red", markup=False)
    raise SystemExit(2)
