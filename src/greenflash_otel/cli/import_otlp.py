"""``greenflash-otel import`` of OTLP: spans, and the log records that belong to them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from greenflash_otel import internal_errors
from greenflash_otel.cli.imported_file import (
    ImportedFile,
    ImportTarget,
    OutOfRoomError,
    hand_over,
    show_progress,
)
from greenflash_otel.gateway.imported_logs import ImportedLogs
from greenflash_otel.gateway.otlp_files import log_parts_of, parts_of, size_of
from greenflash_otel.gateway.otlp_values import OtlpRequest, Record, explain_rejected
from greenflash_otel.ingest.log_correlation import can_join


def import_otlp(target: ImportTarget, files: Sequence[ImportedFile]) -> None:
    """Read the log records of all files, then hand over their spans with them.

    Raises:
        OutOfRoomError, OSError, sqlite3.Error: It cannot go on.
    """
    with ImportedLogs() as logs:
        with_logs = [file.path for file in files if _read_logs(file, logs)]
        for number, file in enumerate(files):
            after = [file.path for file in files[number + 1 :]]
            before = [file.path for file in files[:number] if file.path in with_logs]
            _import_file(target, logs, file, [*after, *before])
        number = _hand_over_unjoined(target, logs)
        if number and not files[0].start:  # else their spans may be in what was imported before
            print(f"The spans of {number} log records are in none of the files.", file=sys.stderr)


def _read_logs(file: ImportedFile, logs: ImportedLogs) -> bool:
    """Keep the log records of a file; return whether it has requests of log records."""
    is_found = False
    for part in log_parts_of(file.path):
        is_found = True
        file.problems += _report(file.path, part.end, part.logs, part.problem)
        file.logs += len(part.logs.records) + part.logs.unused
        logs.add(part.logs.records)
    return is_found


def _import_file(target: ImportTarget, logs: ImportedLogs, file: ImportedFile, rest: Sequence[Path]) -> None:
    """Hand over the spans of a file, part by part, and count what could not be read or stored.

    Args:
        rest: The files that are needed to go on, besides this one.
    """
    path, at, size = file.path, file.start, size_of(file.path)
    try:
        for part in parts_of(path, at):
            file.problems += _report(path, part.end, part.spans, part.problem)
            file.spans += len(part.spans.records)
            file.foreign += not part.is_otlp
            for spans in logs.join(part.spans.records):
                hand_over(target, partial(target.take, spans))
            at = part.end
            _show(path, at, size)
    except (KeyboardInterrupt, OutOfRoomError):
        command = shlex.join(["greenflash-otel", "import", "--from", str(at), *map(str, (path, *rest))])
        print(f"Stopped. To go on: {command}", file=sys.stderr)
        raise
    finally:
        _show(path, at, size, end="\n")


def _hand_over_unjoined(target: ImportTarget, logs: ImportedLogs) -> int:
    """Hand over the log records that no span was joined with; return how many of them wait for their span."""
    number = 0
    for some in logs.list_unjoined():
        hand_over(target, partial(target.take_logs, some))
        number += sum(map(can_join, some))
    return number


def _report(path: Path, end: int, request: OtlpRequest[Record], problem: str) -> bool:
    """Count what could not be read of a part of a file, and print it; return whether there was anything."""
    internal_errors.count_repaired(request.repaired)
    for lost, number in request.rejected.items():
        internal_errors.count_lost(lost, number)
    reason = problem or explain_rejected(request.rejected)
    if reason:
        print(f"{path}, up to byte {end}: {reason}", file=sys.stderr)
    return bool(reason)


def _show(path: Path, at: int, size: int | None, end: str = "") -> None:
    share = None if size is None else min(at / max(size, 1), 1.0)
    show_progress(path, share, f"{at} bytes" if size is None else "", end)
