"""``greenflash-otel import``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from greenflash_otel import internal_errors
from greenflash_otel.gateway.otlp_files import parts_of, size_of
from greenflash_otel.gateway.otlp_values import explain_rejected
from greenflash_otel.model.telemetry import SpanRecord
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
    problems = 0
    try:
        for number, path in enumerate(map(Path, given.files)):
            problems += _import_file(pipeline, path, given.start if number == 0 else 0)
        delivered = pipeline.flush(given.timeout)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        pipeline.shutdown(0, settle=False)  # what waits when this is interrupted waits for the rest
        print(pipeline.stats())
    return 0 if delivered and not problems else 1


def _import_file(pipeline: Pipeline, path: Path, start: int) -> int:
    """Hand over a file, part by part; how many parts could not be read or stored."""
    problems, at, size = 0, start, size_of(path)
    try:
        for part in parts_of(path, start):
            internal_errors.count_repaired(part.spans.repaired)
            for lost, number in part.spans.rejected.items():
                internal_errors.count_lost(lost, number)
            if part.problem or part.spans.rejected:
                problems += 1
                reason = part.problem or explain_rejected(part.spans.rejected)
                print(f"{path}, up to byte {part.end}: {reason}", file=sys.stderr)
            if not _hand_over(pipeline, part.spans.records):
                print("The outbox has no room, and nothing can be delivered.", file=sys.stderr)
                raise KeyboardInterrupt
            at = part.end
            _show(path, at, size)
    except KeyboardInterrupt:
        print(f"Stopped. To go on: greenflash-otel import --from {at} {path}", file=sys.stderr)
        raise
    finally:
        _show(path, at, size, end="\n")
    return problems


def _hand_over(pipeline: Pipeline, records: tuple[SpanRecord, ...]) -> bool:
    """Hand over spans; where there is no room for them, once more when something was delivered."""
    if pipeline.take(records):
        return True
    pipeline.deliver_ready(PATIENCE_S)
    return pipeline.take(records)


def _show(path: Path, at: int, size: int | None, end: str = "") -> None:
    if sys.stderr.isatty():
        share = f"{100 * at // max(size, 1)} %" if size is not None else f"{at} bytes"
        print(f"\r{path.name}: {share}", end=end, file=sys.stderr, flush=True)
