"""``greenflash-otel import``."""

from __future__ import annotations

import argparse
import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from greenflash_otel import internal_errors
from greenflash_otel.gateway.imported_logs import ImportedLogs
from greenflash_otel.gateway.otlp_files import log_parts_of, parts_of, size_of
from greenflash_otel.gateway.otlp_values import OtlpRequest, Record, explain_rejected
from greenflash_otel.ingest.log_correlation import can_join
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import MOST_NAME_WAIT_S, Settings

PATIENCE_S = 60.0
"""How long to wait for room in the outbox before giving up."""


class OutOfRoomError(Exception):
    """The outbox has no room, and nothing can be delivered."""


@dataclass(slots=True)
class ImportedFile:
    """A file and what was found in it."""

    path: Path
    start: int = 0
    """The byte to begin at."""
    spans: int = 0
    logs: int = 0
    problems: int = 0
    """Requests, or parts of them, that cannot be read."""
    foreign: int = 0
    """Objects in JSON that are none of OTLP's."""

    @property
    def is_wrong(self) -> bool:
        """Whether there is something in it, and nothing that can be imported."""
        return not self.spans and not self.logs and bool(self.problems or self.foreign)

    def describe_emptiness(self) -> str:
        """Say that there is nothing to import in it; an empty text if there is."""
        if self.spans or self.logs:
            return ""
        if self.is_wrong:
            return f"{self.path}: no spans and no log records in it. Name a file of OTLP: JSON, JSON lines or protobuf."
        after = f" after byte {self.start}" if self.start else ""
        return f"{self.path}: no spans and no log records in it{after}, so there is nothing to import."


def run(given: argparse.Namespace) -> int:
    """Back-fill what files report; 0 if all of it is delivered, 2 if a file is none of OTLP."""
    settings = Settings.read(os.environ)
    if settings.name_wait_s:  # a name may come anywhere in the files
        settings = replace(settings, name_wait_s=MOST_NAME_WAIT_S)
    pipeline = Pipeline(settings)
    files = [ImportedFile(Path(name)) for name in given.files]
    files[0].start = given.start
    try:
        _import_all(pipeline, files)
        delivered = pipeline.flush(given.timeout)
    except OutOfRoomError:
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"No room for log records in the folder of temporary files: {error}", file=sys.stderr)
        return 2
    finally:
        pipeline.shutdown(0, settle=False)  # what waits when this is interrupted waits for the rest
        print(pipeline.stats())
    for said in filter(None, (file.describe_emptiness() for file in files)):
        print(said, file=sys.stderr)
    if any(file.is_wrong for file in files):
        return 2
    return 0 if delivered and not any(file.problems for file in files) else 1


def _import_all(pipeline: Pipeline, files: Sequence[ImportedFile]) -> None:
    """Read the log records of all files, then hand over their spans with them.

    Raises:
        OutOfRoomError, OSError, sqlite3.Error: It cannot go on.
    """
    with ImportedLogs() as logs:
        with_logs = [file.path for file in files if _read_logs(file, logs)]
        for number, file in enumerate(files):
            after = [file.path for file in files[number + 1 :]]
            before = [file.path for file in files[:number] if file.path in with_logs]
            _import_file(pipeline, logs, file, [*after, *before])
        number = _hand_over_unjoined(pipeline, logs)
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


def _import_file(pipeline: Pipeline, logs: ImportedLogs, file: ImportedFile, rest: Sequence[Path]) -> None:
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
                _hand_over(pipeline, partial(pipeline.take, spans))
            at = part.end
            _show(path, at, size)
    except (KeyboardInterrupt, OutOfRoomError):
        command = shlex.join(["greenflash-otel", "import", "--from", str(at), *map(str, (path, *rest))])
        print(f"Stopped. To go on: {command}", file=sys.stderr)
        raise
    finally:
        _show(path, at, size, end="\n")


def _hand_over_unjoined(pipeline: Pipeline, logs: ImportedLogs) -> int:
    """Hand over the log records that no span was joined with; return how many of them wait for their span."""
    number = 0
    for some in logs.list_unjoined():
        _hand_over(pipeline, partial(pipeline.take_logs, some))
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


def _hand_over(pipeline: Pipeline, take: Callable[[], bool]) -> None:
    """Hand over records; where there is no room for them, once more when something was delivered.

    Raises:
        OutOfRoomError: There is still no room.
    """
    if take():
        return
    pipeline.deliver_ready(PATIENCE_S)
    if not take():
        print("The outbox has no room, and nothing can be delivered.", file=sys.stderr)
        raise OutOfRoomError


def _show(path: Path, at: int, size: int | None, end: str = "") -> None:
    if sys.stderr.isatty():
        share = f"{100 * at // max(size, 1)} %" if size is not None else f"{at} bytes"
        print(f"\r{path.name}: {share}", end=end, file=sys.stderr, flush=True)
