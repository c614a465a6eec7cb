"""The parsers of the commands that read an emulator, and of the completion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

from greenflash_otel.cli.argument_types import (
    make_names_reader,
    read_count,
    read_name,
    read_positive,
    read_since,
    read_url,
)
from greenflash_otel.cli.json_option import add_json
from greenflash_otel.cli.setting_options import add_settings

if TYPE_CHECKING:
    from greenflash_otel.cli.command_parser import CommandParser

    Commands: TypeAlias = argparse._SubParsersAction[CommandParser]

HAS = ("error", "step", "outcome", "rating", "up", "down", "branch")
"""What a conversation may have."""
LINE_HAS = ("message", "step", "outcome", "rating", "up", "down", "error")
"""What a line of `tail` may be about."""
SHELLS = ("bash", "zsh", "fish")
SINCE = "age, such as 10m, 2h or 7d, or a time, such as 2026-01-31T09:30:00Z"


def add_reading_commands(commands: Commands) -> None:
    """Add ``conversations``, ``show``, ``tail`` and ``completion``."""
    _add_conversations(commands)
    _add_show(commands)
    _add_tail(commands)
    completion = commands.add_parser("completion", help="completion for a shell", description=COMPLETION)
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(command="completion:write", parser=completion)


def _add_conversations(commands: Commands) -> None:
    listing = commands.add_parser(
        "conversations", help="list conversations of an emulator", description=CONVERSATIONS
    )
    listing.add_argument(
        "--limit", type=read_count, default=50, metavar="N", help="lines; 0 for all (default %(default)s)"
    )
    listing.add_argument("--since", type=read_since, metavar="TIME", help=f"changed since: an {SINCE}")
    listing.add_argument("--user", type=read_name, metavar="ID", help="of this user")
    listing.add_argument(
        "--has",
        type=make_names_reader(HAS),
        metavar="NAMES",
        help=f"with all of these, separated by commas: {', '.join(HAS)}",
    )
    _finish(listing, "conversations:list_all")


def _add_show(commands: Commands) -> None:
    show = commands.add_parser("show", help="show a conversation of an emulator", description=SHOW)
    show.add_argument("id", nargs="?", type=read_name, help="of your application, or Greenflash's")
    show.add_argument(
        "--last",
        nargs="?",
        type=read_positive,
        const=1,
        metavar="N",
        help="what changed last: one conversation, or N",
    )
    show.add_argument(
        "--branch", type=read_name, metavar="MESSAGE", help="the branch that this message is part of"
    )
    show.add_argument("--steps", action="store_true", help="internal steps in full")
    ways = show.add_mutually_exclusive_group()
    ways.add_argument("--raw", action="store_true", help="the bodies that made it, byte for byte")
    ways.add_argument("--curl", action="store_true", help="the commands that send it again, without the key")
    ways.add_argument("--web", action="store_true", help="open its page in a browser, and print the address")
    _finish(show, "show:show")


def _add_tail(commands: Commands) -> None:
    tail = commands.add_parser("tail", help="watch what arrives at an emulator", description=TAIL)
    tail.add_argument("--user", type=read_name, metavar="ID", help="of this user")
    tail.add_argument("--conversation", type=read_name, metavar="ID", help="of this conversation")
    tail.add_argument("--event", type=read_name, metavar="TYPE", help="outcomes of this event type")
    tail.add_argument(
        "--has",
        type=make_names_reader(LINE_HAS),
        metavar="NAMES",
        help=f"any of these, separated by commas: {', '.join(LINE_HAS)}",
    )
    tail.add_argument("--since", type=read_since, metavar="TIME", help=f"begin there: an {SINCE}")
    tail.add_argument("--no-content", action="store_true", help="leave out what was said")
    _finish(tail, "tail:follow")


def _finish(parser: CommandParser, command: str) -> None:
    """Add what all commands have that read an emulator."""
    parser.add_argument("--url", type=read_url, metavar="URL", help="address of the emulator")
    add_json(parser)
    add_settings(parser, ("api_key",))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(command=command, parser=parser)


CONVERSATIONS = """\
One line for each conversation, latest change first. HAS are names for --has.

  greenflash-otel conversations --user ada --has error,outcome

Exit code 0, also if there is none; 2: no emulator answers, or an argument is
wrong."""
SHOW = """\
A conversation as its user saw it: messages, internal steps, outcomes and
ratings where they happened.

  greenflash-otel show chat-42 --steps
  greenflash-otel show --last

Exit code 0: shown; 1: there is none of that id; 2: no emulator answers, or an
argument is wrong."""
TAIL = """\
One line for each thing that arrives, once: messages, steps, outcomes, ratings,
rejected requests.

  greenflash-otel tail --conversation chat-42 --has outcome,error --since 10m

If the emulator goes away, it waits and continues behind the last line. Exit
code 0: it ran until Ctrl+C; 2: no emulator answers, or an argument is wrong."""
COMPLETION = (
    "Prints the completion of commands, options and choices for a shell. For bash: source <(greenflash-otel "
    "completion bash). For zsh: the same, behind compinit. For fish: greenflash-otel completion fish | source. "
    "Exit code 0."
)
