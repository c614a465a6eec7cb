"""OTLP requests in files: JSON lines as of the Collector's file exporter, JSON, protobuf; or one gzipped.

A file may contain spans, log records, or both. A line that cannot be read does not keep the others back.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from greenflash_otel.gateway import otlp, otlp_logs
from greenflash_otel.gateway.limits import FILE_LIMITS
from greenflash_otel.importing.files import CUT as CUT
from greenflash_otel.importing.files import NO_GZIP, is_packed, open_file

MAX_BYTES = FILE_LIMITS.max_bytes
SIGNALS = (b'"resourceSpans"', b'"resourceLogs"', b'"resourceMetrics"')
"""What a request in JSON begins with; a text within it has other quotation marks."""
FIRST_LINES = 3
"""Lines from which the layout of a file is seen: the first may be cut."""

Layout: TypeAlias = Literal["lines", "document", "protobuf"]


@dataclass(frozen=True, slots=True)
class FilePart:
    """One request of a file."""

    end: int
    """Where it ends, in bytes of the unpacked file."""
    spans: otlp.Spans
    problem: str = ""
    """Why it could not be read; then it has no spans."""
    is_otlp: bool = True
    """False for JSON that names no signal of OTLP, such as a file of another program."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """One request of a file, read for its log records."""

    end: int
    logs: otlp_logs.Logs
    problem: str = ""
    """Why it could not be read, though it is one of log records."""


@dataclass(frozen=True, slots=True)
class _Content:
    """A request as it is in a file."""

    layout: Layout
    text: bytes
    end: int
    problem: str = ""


def parts_of(path: Path, start: int = 0) -> Iterator[FilePart]:
    """Yield the requests of a file, from a byte on at which one begins. A request of log records has no spans.

    Raises:
        OSError: The file cannot be read.
    """
    for content in _contents_of(path, start):
        if content.problem or _has_only_logs(content):
            yield FilePart(content.end, otlp.Spans(()), content.problem)
        else:
            yield replace(_make_part(content), is_otlp=_names_signal(content))


def log_parts_of(path: Path) -> Iterator[LogPart]:
    """Yield the requests of a file that contain log records. Raises as `parts_of` does."""
    for content in _contents_of(path, 0):
        is_of_logs = _has_only_logs(content)
        if not is_of_logs and (content.layout == "protobuf" or b'"resourceLogs"' not in content.text):
            continue
        try:
            logs = _read_logs(content)
        except ValueError as error:
            if is_of_logs:  # else it is reported with its spans
                yield LogPart(content.end, otlp_logs.Logs(()), str(error))
        else:
            yield LogPart(content.end, logs)


def size_of(path: Path) -> int | None:
    """Return the bytes of a file when it is unpacked; None if the file would have to be read for that."""
    return None if is_packed(path) else path.stat().st_size


def _contents_of(path: Path, start: int) -> Iterator[_Content]:
    with open_file(path) as file:
        try:
            layout = _find_layout(file)
            file.seek(start)
            if layout == "lines":
                for line in iter(lambda: file.readline(MAX_BYTES), b""):
                    if line.strip():
                        yield _Content(layout, line, file.tell())
            else:
                yield _Content(layout, file.read(MAX_BYTES), file.tell())
        except gzip.BadGzipFile:
            yield _Content("lines", b"", file.tell(), NO_GZIP)
        except (EOFError, zlib.error):
            yield _Content("lines", b"", file.tell(), CUT)


def _find_layout(file: BinaryIO) -> Layout:
    lines = filter(bytes.strip, iter(lambda: file.readline(MAX_BYTES), b""))
    first = next(lines, b"")
    with suppress(EOFError, zlib.error):  # whoever reads what follows reports it
        if any(_is_request(line) for line in islice(lines, FIRST_LINES - 1)):
            return "lines"
    if _is_json(first):
        return "lines"
    return "document" if first.lstrip().startswith(b"{") else "protobuf"


def _is_request(line: bytes) -> bool:
    return any(signal in line for signal in SIGNALS) and _is_json(line)


def _names_signal(content: _Content) -> bool:
    return content.layout == "protobuf" or any(signal in content.text for signal in SIGNALS)


def _is_json(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        otlp.read_json(line, FILE_LIMITS)
    except ValueError:
        return False
    return True


def _has_only_logs(content: _Content) -> bool:
    if content.layout != "protobuf":
        return b'"resourceLogs"' in content.text and b'"resourceSpans"' not in content.text
    try:
        return not _read_spans(content).records and bool(_read_logs(content).records)
    except ValueError:
        return False


def _make_part(content: _Content) -> FilePart:
    try:
        return FilePart(content.end, _read_spans(content))
    except ValueError as error:
        return FilePart(content.end, otlp.Spans(()), str(error))


def _read_spans(content: _Content) -> otlp.Spans:
    read = otlp.read_protobuf if content.layout == "protobuf" else otlp.read_json
    return read(content.text, FILE_LIMITS, time.time_ns())


def _read_logs(content: _Content) -> otlp_logs.Logs:
    read = otlp_logs.read_protobuf if content.layout == "protobuf" else otlp_logs.read_json
    return read(content.text, FILE_LIMITS, time.time_ns())
