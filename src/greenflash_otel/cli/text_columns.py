"""Text in columns of a terminal: how wide it is, cut, padded, wrapped, and without what a terminal would obey."""

from __future__ import annotations

import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from greenflash_otel.visible_text import escape_controls

JOINERS: Final = "\u200c\u200d"
"""Join letters and emojis, and do nothing else."""
WIDE_SELECTOR: Final = "\ufe0f"
"""Makes the character before it an emoji, which has two columns."""
TAB: Final = "    "
NARROWEST: Final = 40
"""Columns that we count on, however narrow a terminal is."""


def find_width() -> int | None:
    """Return the columns of the terminal; None in a pipe, whose lines stay whole. ``COLUMNS`` wins."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, NARROWEST)
    return None


def print_lines(lines: Iterable[str]) -> None:
    """Print lines at once. Whatever a stranger wrote into one, it stays one line of visible characters."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # of a terminal that knows no ◆
    for line in lines:
        print(_escape(line))
    sys.stdout.flush()


def discard_output() -> None:
    """Let nothing more be printed where nobody reads it; Python prints what waits when it ends."""
    for stream in (sys.stdout, sys.stderr):
        _discard_if_unread(stream)


def _discard_if_unread(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def make_visible(text: str) -> str:
    """Return a text on one line, with single blanks, and control characters as escapes."""
    return _escape(" ".join(text.replace("\r\n", "\n").split()))


def measure(text: str) -> int:
    """Return how many columns a text takes."""
    return len(text) if text.isascii() else sum(_measure_characters(text))


def cut(text: str, width: int | None) -> str:
    """Return a text that fits into a number of columns, with an ellipsis if it was cut."""
    if width is None or measure(text) <= width:
        return text
    fitting = _count_fitting(text, max(width - 1, 0))
    return text[:fitting].rstrip() + "…"


def pad(text: str, width: int) -> str:
    """Return a text with blanks up to a number of columns."""
    return text + " " * max(width - measure(text), 0)


def wrap(text: str, width: int | None) -> Iterator[str]:
    """Yield the lines of a text, in a number of columns; its own line ends stay."""
    for line in text.replace("\r\n", "\n").split("\n"):
        visible = _escape(line.replace("\t", TAB)).rstrip()
        yield from [visible] if width is None or measure(visible) <= width else _wrap_line(visible, width)


def _wrap_line(line: str, width: int) -> Iterator[str]:
    rest = line
    while measure(rest) > width:
        fitting = max(_count_fitting(rest, width), 1)
        blank = fitting if rest[fitting] == " " else rest.rfind(" ", 0, fitting)
        end = blank if blank > 0 and rest[:blank].strip() else fitting
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip(" ")
    if rest:
        yield rest


def _count_fitting(text: str, width: int) -> int:
    """Return how many characters of a text fit into a number of columns."""
    if text.isascii():
        return min(len(text), width)
    used = 0
    for count, columns in enumerate(_measure_characters(text)):
        used += columns
        if used > width:
            return count
    return len(text)


def _measure_characters(text: str) -> Iterator[int]:
    before = 0
    for character in text:
        if character == WIDE_SELECTOR:
            before = 2 - before if before == 1 else 0
        elif character in JOINERS or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            before = 0
        else:
            before = 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
        yield before


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each in JOINERS else escape_controls(each) for each in text)
