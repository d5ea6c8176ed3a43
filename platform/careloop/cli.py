"""The command `careloop`. Every command that reports something takes `--json`.

Exit codes: 0 success, 2 a user's mistake (one sentence on standard error).
"""

from __future__ import annotations

import sys
from importlib import import_module

from cyclopts import App
from cyclopts.exceptions import CycloptsError
from rich.console import Console

app = App(
    name="careloop",
    help="CareLoop: follow-up calls, surveys and complaint handling for many hospitals.",
    version_flags=["--version"],
    result_action="return_value",
)
# Imported when typed: `careloop migrate` does not wait for what draws the reports.
for name, path, summary in (
    ("serve", "operate:serve", "Serve pages until stopped."),
    ("worker", "operate:worker", "Work through background messages until stopped."),
    ("scheduler", "operate:scheduler", "Send the ticks of periodic work until stopped; run exactly one."),
    ("migrate", "operate:migrate", "Bring the database up to date, as the owner."),
    ("doctor", "operate:doctor", "Say what is wrong with this installation, and the fix."),
    ("demo", "demo:demo", "Show the product with an invented firm and twelve invented hospitals."),
    ("import", "data:import_command", "Import a hospital's export."),
    ("feed", "feed:feed_group", "Ways in that stay open: HL7 v2 over MLLP, a watched folder."),
    ("audit", "audit:audit_group", "Walk the chains of audit records, note their heads, drop old logs."),
    ("firm", "admin:firm_group", "Outsourcing firms."),
    ("hospital", "admin:hospital_group", "Hospitals."),
    ("person", "admin:person_group", "People who sign in."),
):
    app.command(f"careloop.commands.{path}", name=name, help=summary)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit."""
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(str(error).strip().splitlines()[0])
    except Exception as error:
        sentence = import_module("careloop.commands.errors").sentence_for(error)
        if sentence is None:
            raise
        fail(sentence)


def fail(sentence: str) -> None:
    """One sentence, exit code 2."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(sentence, style="red", markup=False)
    raise SystemExit(2)
