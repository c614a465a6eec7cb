"""``greenflash-otel import`` of every format but OTLP: what is read of the files is handed over some at a time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.cli.imported_file import (
    ImportedFile,
    ImportTarget,
    OutOfRoomError,
    hand_over,
    show_progress,
)
from greenflash_otel.importing.file_formats import READERS
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome

BATCH: Final = 200
"""Conversations or outcomes that are handed over at once."""
BATCH_CHARS: Final = 4 << 20
"""Of their texts, roughly."""


def import_lines(
    target: ImportTarget, format: str, files: Sequence[ImportedFile], rules: ImportRules
) -> None:
    """Hand over what files of a format have; count and report what of them cannot be imported.

    Raises:
        OutOfRoomError, OSError, sqlite3.Error: It cannot go on.
    """
    by_path = {file.path: file for file in files}
    batch, path, share = _Batch(target), files[0].path, 0.0
    try:
        for piece in READERS[format](list(by_path), rules):
            _count(piece, by_path[piece.path])
            batch.add(piece)
            if piece.path != path or int(100 * piece.share) != int(100 * share):
                show_progress(piece.path, piece.share)
            path, share = piece.path, piece.share
        batch.hand_over()
    except (KeyboardInterrupt, OutOfRoomError):
        print(
            "\nStopped. Run the same command again: what was imported is not imported twice.", file=sys.stderr
        )
        raise
    finally:
        show_progress(path, share, end="\n")
        for file in files:
            file.report_rest()


def _count(piece: Piece, file: ImportedFile) -> None:
    file.spans += len(piece.spans)
    file.outcomes += len(piece.outcomes)
    if piece.problem:
        file.problems += 1
        file.has_wrong_form = file.has_wrong_form or not piece.line
        file.report(piece.line, piece.problem)
    elif piece.remark:
        file.remarks += 1
        internal_errors.count_repaired(len(piece.outcomes))
        file.report(piece.line, piece.remark)


class _Batch:
    """What is handed over at once."""

    def __init__(self, target: ImportTarget) -> None:
        self._target = target
        self._spans: list[SpanRecord] = []
        self._outcomes: list[Outcome] = []
        self._chars = 0

    def add(self, piece: Piece) -> None:
        """Add what was read, and hand over what there is if it is much."""
        self._spans += piece.spans
        self._outcomes += piece.outcomes
        self._chars += sum(
            len(text) for span in piece.spans for text in span.attributes.values() if isinstance(text, str)
        )
        if len(self._spans) + len(self._outcomes) >= BATCH or self._chars >= BATCH_CHARS:
            self.hand_over()

    def hand_over(self) -> None:
        """Hand over what there is."""
        spans, outcomes = self._spans, self._outcomes
        self._spans, self._outcomes, self._chars = [], [], 0
        if spans:
            hand_over(self._target, partial(self._target.take, spans))
        if outcomes:
            hand_over(self._target, partial(self._target.take_outcomes, outcomes))
