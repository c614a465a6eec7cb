"""Trace requests in files: JSON lines as of the Collector's file exporter, JSON, protobuf; or one gzipped.

A line that cannot be read does not keep the others back.
"""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from greenflash_otel.gateway import otlp
from greenflash_otel.gateway.limits import FILE_LIMITS

MAX_BYTES = FILE_LIMITS.max_bytes


@dataclass(frozen=True, slots=True)
class FilePart:
    """One request of a file."""

    end: int
    """Where it ends, in bytes of the unpacked file."""
    spans: otlp.Spans
    problem: str = ""
    """Why it could not be read; then it has no spans."""


def parts_of(path: Path, start: int = 0) -> Iterator[FilePart]:
    """Yield the requests of a file, from a byte on at which one begins.

    Raises:
        OSError: The file cannot be read.
    """
    with _open_file(path) as file:
        first = next((line for line in iter(lambda: file.readline(MAX_BYTES), b"") if line.strip()), b"")
        file.seek(start)
        if not first.lstrip().startswith(b"{"):
            yield _make_part(file.read(MAX_BYTES), file.tell(), otlp.read_protobuf)
        elif _is_broken(first):  # one document over many lines
            yield _make_part(file.read(MAX_BYTES), file.tell(), otlp.read_json)
        else:
            for line in iter(lambda: file.readline(MAX_BYTES), b""):
                if line.strip():
                    yield _make_part(line, file.tell(), otlp.read_json)


def size_of(path: Path) -> int | None:
    """Bytes of a file when it is unpacked; None for one that would have to be read for that."""
    return None if _is_packed(path) else path.stat().st_size


def _open_file(path: Path) -> BinaryIO:
    if _is_packed(path):
        return cast(BinaryIO, io.BufferedReader(cast("io.RawIOBase", gzip.open(path))))
    return path.open("rb")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_broken(line: bytes) -> bool:
    try:
        otlp.read_json(line, FILE_LIMITS)
    except ValueError:
        return True
    return False


def _make_part(content: bytes, end: int, read: otlp.Read) -> FilePart:
    try:
        spans = read(content, FILE_LIMITS, time.time_ns())
    except ValueError as error:
        return FilePart(end, otlp.Spans(()), str(error))
    lacks_spans = not spans.records and b'"resourceLogs"' in content
    return FilePart(end, spans, "log records are taken by a gateway, not from files" if lacks_spans else "")
