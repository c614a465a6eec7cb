"""Read a file line by line, whatever its size. A line that cannot be read costs only itself."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from greenflash_otel.importing.files import CUT, NO_GZIP, is_packed
from greenflash_otel.json_values import JsonObject, read_json

MAX_LINE_BYTES: Final = 64 << 20
"""A longer line is not read: its objects would take several times as much memory."""
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    number: int
    """From 1 on."""
    share: float
    """How much of the file is read behind it, from 0 to 1."""
    text: str = ""
    problem: str = ""
    """Why it has no text."""


@dataclass(frozen=True, slots=True)
class JsonLine:
    """A line that should be a JSON object."""

    line: Line
    fields: JsonObject
    problem: str = ""
    """Why it is none."""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield every line of a file, packed or not, with its break. Raises OSError if the file cannot be read."""
    size = max(path.stat().st_size, 1)
    number = 0
    with path.open("rb") as stored:
        file = cast(BinaryIO, gzip.GzipFile(fileobj=stored)) if is_packed(path) else stored
        try:
            while content := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                is_long = _skip_rest(file, content)
                yield _make_line(number, min(stored.tell() / size, 1.0), content, is_long)
        except gzip.BadGzipFile:
            yield Line(number + 1, 1.0, problem=NO_GZIP)
        except (EOFError, zlib.error):
            yield Line(number + 1, 1.0, problem=CUT)


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """Yield the lines of a file that are not blank, as JSON objects. Raises as `read_lines` does."""
    for line in read_lines(path):
        if line.problem:
            yield JsonLine(line, {}, line.problem)
        elif text := line.text.strip():
            fields = read_json(text)
            if isinstance(fields, dict) and fields:
                yield JsonLine(line, fields)
            else:
                yield JsonLine(line, {}, "no JSON object")


def _skip_rest(file: BinaryIO, content: bytes) -> bool:
    """Read to the end of a line that is too long; return whether it is."""
    is_long = len(content) > MAX_LINE_BYTES
    while len(content) > MAX_LINE_BYTES and not content.endswith(b"\n"):
        content = file.readline(MAX_LINE_BYTES + 1)
    return is_long


def _make_line(number: int, share: float, content: bytes, is_long: bool) -> Line:
    if is_long:
        return Line(number, share, problem=f"longer than {MAX_LINE_BYTES >> 20} MiB")
    try:
        return Line(number, share, content.removeprefix(BOM if number == 1 else b"").decode())
    except UnicodeDecodeError:
        return Line(number, share, problem="no UTF-8")
