"""A parser that knows what a mistyped command or option was meant to be."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

CHOICE = re.compile(r"invalid choice: '?(?P<text>[^' ]*)'?")


def read_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("greenflash-otel")
    except PackageNotFoundError:  # it runs from a folder of sources
        return "unknown"


def suggest(text: str, names: Iterable[str]) -> str:
    """Return a question that names what a text is most like; an empty text if it is like nothing."""
    nearest = get_close_matches(text, list(names), n=1, cutoff=0.6)
    return f"Did you mean {nearest[0]!r}?" if nearest else ""


class CommandParser(argparse.ArgumentParser):
    """The parser of a command; its commands have parsers of the same class."""

    def parse_command(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parse, and let the command itself say which of its options it does not know."""
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            parsed.parser.refuse_unknown(unknown)
        return parsed

    def refuse_unknown(self, arguments: Sequence[str]) -> NoReturn:
        """Exit with 2: say which options are unknown, and what the first may have been meant to be."""
        text = arguments[0].partition("=")[0]
        question = suggest(text, self._option_string_actions)
        self.error(f"unknown: {' '.join(arguments)}. {question}".strip())

    def error(self, message: str) -> NoReturn:
        """Exit with 2: say what is wrong, and the nearest name of a command."""
        if (found := CHOICE.search(message)) and "eant" not in message:
            names = [name for action in self._actions for name in action.choices or ()]
            message = f"{message}. {suggest(found['text'], map(str, names))}".removesuffix(". ")
        super().error(f"{message}\nSee '{self.prog} --help'.")
