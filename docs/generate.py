"""Write the pages that follow from the code: ``settings.md`` and ``command-line.md``.

``python docs/generate.py`` writes them; the tests fail where they are out of date.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from greenflash_otel.cli import make_parser
from greenflash_otel.settings import SETTINGS, default_of

DOCS = Path(__file__).parent


def settings_page() -> str:
    """Every setting with its variables and default."""
    lines = [
        "# Settings",
        "",
        "Made by `make docs`. Each is an argument of `instrument()` and of `GreenflashSpanExporter`,",
        "which wins, and an environment variable. `tracer_provider` and `http_client` are only arguments.",
        "",
        "| Argument | Variable | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for name, setting in SETTINGS.items():
        variables = ", then ".join(f"`{variable}`" for variable in setting.variables)
        default = "" if name == "outbox" else f"`{default_of(name)!r}`"
        lines.append(f"| `{name}` | {variables} | {default} | {setting.meaning} |")
    return "\n".join([*lines, ""])


def command_line_page() -> str:
    """The help of every command."""
    lines = ["# Command line", "", "Made by `make docs`. `python -m greenflash_otel` is the same."]
    for title, page in _helps(make_parser()):
        lines += ["", f"## `{title}`", "", "```text", page.rstrip(), "```"]
    return "\n".join([*lines, ""])


def _helps(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
    yield command.prog, command.format_help()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _helps(inner)


PAGES = {"settings.md": settings_page, "command-line.md": command_line_page}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
