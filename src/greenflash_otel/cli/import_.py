"""``greenflash-otel import``."""

from __future__ import annotations

import argparse
import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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


def run(given: argparse.Namespace) -> int:
    """Back-fill what files report; 0 if all of it is delivered."""
    settings = Settings.read(os.environ)
    if settings.name_wait_s:  # a name may come anywhere in the files
        settings = replace(settings, name_wait_s=MOST_NAME_WAIT_S)
    pipeline = Pipeline(settings)
    paths = [Path(name) for name in given.files]
    problems = 0
    try:
        with ImportedLogs() as logs:
            with_logs = []
            for path in paths:
                found = list(_read_logs(path, logs))
                with_logs += [path] if found else []
                problems += sum(found)
            for number, path in enumerate(paths):
                rest = [*paths[number + 1 :], *(one for one in paths[:number] if one in with_logs)]
                problems += _import_file(pipeline, logs, path, given.start if number == 0 else 0, rest)
            number = _hand_over_unjoined(pipeline, logs)
            if number and not given.start:  # else their spans may be in what was imported before
                print(f"The spans of {number} log records are in none of the files.", file=sys.stderr)
        delivered = pipeline.flush(given.timeout)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"No room for log records in the folder of temporary files: {error}", file=sys.stderr)
        return 2
    finally:
        pipeline.shutdown(0, settle=False)  # what waits when this is interrupted waits for the rest
        print(pipeline.stats())
    return 0 if delivered and not problems else 1


def _read_logs(path: Path, logs: ImportedLogs) -> Iterator[bool]:
    """Keep the log records of a file; yield for each of its requests whether it had a problem."""
    for part in log_parts_of(path):
        yield _report(path, part.end, part.logs, part.problem)
        logs.add(part.logs.records)


def _import_file(pipeline: Pipeline, logs: ImportedLogs, path: Path, start: int, rest: Sequence[Path]) -> int:
    """Hand over the spans of a file, part by part; how many parts could not be read or stored.

    Args:
        rest: The files that are needed to go on, besides this one.
    """
    problems, at, size = 0, start, size_of(path)
    try:
        for part in parts_of(path, start):
            problems += _report(path, part.end, part.spans, part.problem)
            for spans in logs.join(part.spans.records):
                _hand_over(pipeline, partial(pipeline.take, spans))
            at = part.end
            _show(path, at, size)
    except KeyboardInterrupt:
        command = shlex.join(["greenflash-otel", "import", "--from", str(at), *map(str, (path, *rest))])
        print(f"Stopped. To go on: {command}", file=sys.stderr)
        raise
    finally:
        _show(path, at, size, end="\n")
    return problems


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
        KeyboardInterrupt: There is still no room.
    """
    if take():
        return
    pipeline.deliver_ready(PATIENCE_S)
    if not take():
        print("The outbox has no room, and nothing can be delivered.", file=sys.stderr)
        raise KeyboardInterrupt


def _show(path: Path, at: int, size: int | None, end: str = "") -> None:
    if sys.stderr.isatty():
        share = f"{100 * at // max(size, 1)} %" if size is not None else f"{at} bytes"
        print(f"\r{path.name}: {share}", end=end, file=sys.stderr, flush=True)
