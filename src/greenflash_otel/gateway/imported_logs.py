"""The log records of files, by the span that each belongs to: what an import joins its spans with.

Spans and log records are in files of their own, or mixed in one, and all log records of a span may be far away
from it. So an import reads the log records first and keeps them in a temporary database, which SQLite writes
to disk when it is large and removes when it is closed. What is in memory is bounded, whatever the files contain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from greenflash_otel.conversations.changes import DeferralKey
from greenflash_otel.conversations.persistence import read_waiting, write_waiting
from greenflash_otel.conversations.store import LOGS
from greenflash_otel.ingest.log_correlation import can_join, key_of
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.semconv.conventions.agent_events import span_of_event
from greenflash_otel.semconv.conventions.otel_logs import add_logs

BATCH_CHARS = 8 * 1024 * 1024
"""Of the log records that are read at once, roughly."""
ROWS = 500
"""Log records of no span in the files that are returned at once."""


class ImportedLogs:
    """Log records that wait for the spans of an import. Not thread-safe.

    Raises:
        sqlite3.Error: There is no room for them in the folder of temporary files.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a file without a name
        self._database.execute("CREATE TABLE logs (span, record, is_joined DEFAULT 0)")
        self._database.execute("CREATE INDEX by_span ON logs (span)")
        self._is_empty = True

    def __enter__(self) -> ImportedLogs:
        return self

    def __exit__(self, *failure: object) -> None:
        self._database.close()

    def add(self, logs: Iterable[LogRecord]) -> None:
        """Keep log records that a span can be joined with, and those that are spans by themselves."""
        rows = [
            (key.id if can_join(log) else None, write_waiting(key, log))
            for log in logs
            if can_join(log) or span_of_event(log) is not None
            for key in (key_of(log),)
        ]
        self._database.executemany("INSERT INTO logs (span, record) VALUES (?, ?)", rows)
        self._is_empty = self._is_empty and not rows

    def join(self, spans: Sequence[SpanRecord]) -> Iterator[Sequence[SpanRecord]]:
        """Yield spans with their log records, in their order; in several groups if these are large."""
        if self._is_empty:
            yield spans
            return
        joined, chars = list[SpanRecord](), 0
        for span in spans:
            texts = self._take(key_of(span))
            joined.append(add_logs(span, map(_read_log, texts)))
            chars += sum(map(len, texts))
            if chars > BATCH_CHARS:
                yield joined
                joined, chars = [], 0
        yield joined

    def list_unjoined(self) -> Iterator[Sequence[LogRecord]]:
        """Yield the log records that no span of the files was joined with, some at a time."""
        matching = self._database.execute("SELECT record FROM logs WHERE NOT is_joined ORDER BY span, rowid")
        while rows := matching.fetchmany(ROWS):
            yield [_read_log(text) for (text,) in rows]

    def _take(self, key: DeferralKey) -> Sequence[str]:
        matching = self._database.execute(
            "SELECT DISTINCT record FROM logs WHERE span = ? ORDER BY rowid LIMIT ?", (key.id, LOGS)
        )
        texts = [str(text) for (text,) in matching]
        if texts:
            self._database.execute("UPDATE logs SET is_joined = 1 WHERE span = ?", (key.id,))
        return texts


def _read_log(text: str) -> LogRecord:
    log = read_waiting(text)[1]
    assert isinstance(log, LogRecord)  # noqa: S101 - nothing else was written
    return log
