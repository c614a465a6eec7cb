"""``greenflash-otel show``: a conversation of an emulator as its user saw it, or as it was sent."""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenflash_otel.cli.command_failure import CommandFailure
from greenflash_otel.cli.emulator_reader import EmulatorReader, find_emulator, name_address
from greenflash_otel.cli.show_lines import write_conversation
from greenflash_otel.cli.text_columns import find_width, print_lines
from greenflash_otel.platform_support import has_screen


def show(arguments: argparse.Namespace) -> int:
    """Print one conversation, or the last ones."""
    _check(arguments)
    with find_emulator(arguments) as emulator:
        ids = [arguments.id] if arguments.id else list(_list_last(emulator, arguments.last))
        for number, id in enumerate(ids):
            if number and not arguments.json:
                print()
            if arguments.raw or arguments.curl:
                _print_requests(emulator.read("sent", id)["requests"], arguments)
            else:
                _print_conversation(emulator.read("turns", id, leaf=arguments.branch), arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if bool(arguments.id) == (arguments.last is not None):
        raise CommandFailure("Name one conversation, as 'conversations' lists it, or write --last.")
    if arguments.branch and arguments.last is not None:
        raise CommandFailure("--branch is part of one conversation: name it in place of --last.")


def _list_last(emulator: EmulatorReader, count: int) -> Iterator[str]:
    """Yield Greenflash's ids of the conversations that changed last."""
    before: str | None = None
    left = count
    while left:
        page = emulator.read("rows", before=before)
        for row in page["conversations"][:left]:
            yield row["id"]
            left -= 1
        before = page["next"]
        if before is None:
            break
    if left == count:
        raise CommandFailure(f"No conversation is in the emulator at {name_address(emulator.url)}.", code=1)


def _print_conversation(conversation: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.web:
        if has_screen():
            webbrowser.open(conversation["url"])
        else:
            print("There is no screen here. Open this address in a browser.", file=sys.stderr)
    if arguments.json:
        print_lines([json.dumps(conversation)])
    elif arguments.web:
        print_lines([conversation["url"]])
    else:
        print_lines(write_conversation(conversation, find_width(), in_full=arguments.steps))


def _print_requests(requests: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    """Print bodies or commands. In a pipe they are as they were sent, on a terminal without what it would obey."""
    if arguments.json:
        print_lines(map(json.dumps, requests))
        return
    for request in requests:
        text = request["curl" if arguments.curl else "body"]
        if sys.stdout.isatty():
            text = "".join(map(_escape_for_json, text))
        sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.flush()


def _escape_for_json(character: str) -> str:
    """Return a character as JSON may write it, too: so that a body means the same."""
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
