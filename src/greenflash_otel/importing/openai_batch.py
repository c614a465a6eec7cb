"""OpenAI's Batch API: files of requests and files of answers, matched by ``custom_id``.

Answers come in any order. So the requests go into a temporary database first, which SQLite writes to disk if it is
large. What is in memory is one request and its answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from greenflash_otel.importing.lines import JsonLine, read_json_lines
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.importing.transcripts import UnusableLineError, make_operation_span
from greenflash_otel.instrumentation.openai.answer import complete_operation, judge
from greenflash_otel.instrumentation.openai.endpoints import surface_of
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.instrumentation.openai.unread import complete_head
from greenflash_otel.json_values import JsonObject, read_count, read_json, read_json_object, read_str
from greenflash_otel.model.operation import MAIN_CALLS, Json, Operation
from greenflash_otel.model.telemetry import SpanRecord

PROVIDER: Final = "openai"


def is_batch(fields: JsonObject) -> bool:
    """Return whether a line is a request of a batch, or an answer."""
    return "custom_id" in fields and not fields.keys().isdisjoint({"body", "response", "error"})


def read_batch(paths: Sequence[Path], rules: ImportRules) -> Iterator[Piece]:
    """Yield the calls of which files have the request and the answer.

    Raises:
        OSError: A file cannot be read.
        sqlite3.Error: There is no room for requests in the folder of temporary files.
    """
    with closing(_RequestTable()) as requests:
        for path in paths:
            for line in read_json_lines(path):
                problem = line.problem or requests.add(path, line)
                yield Piece(path, line.line.number, line.line.share / 2, problem=problem)
        for path in paths:
            for line in read_json_lines(path):
                if not line.problem and _is_answer(line.fields):
                    yield _read_answer(path, line, requests, rules)
        for path, first, more in requests.list_unanswered():
            problem = f"no answer to it, nor to {more} others" if more else "no answer to it"
            yield Piece(path, first, 1.0, problem=f"{problem}; name the output file and the error file too")


def _is_answer(fields: JsonObject) -> bool:
    return "body" not in fields


def _read_answer(path: Path, line: JsonLine, requests: _RequestTable, rules: ImportRules) -> Piece:
    number, share = line.line.number, 0.5 + line.line.share / 2
    custom_id = read_str(line.fields.get("custom_id"))
    request = requests.take(custom_id)
    try:
        if request is None:
            raise UnusableLineError(
                "its request is in none of the files, or it is a second answer; name the input file too"
            )
        return Piece(path, number, share, (_make_call(path, request, line.fields, rules),))
    except UnusableLineError as error:
        return Piece(path, number, share, problem=str(error))


def _make_call(path: Path, request: JsonObject, answered: JsonObject, rules: ImportRules) -> SpanRecord:
    """Make the span of a call. A batch says when the answer was made, not how long it took."""
    found = surface_of(read_str(request.get("method")) or "post", read_str(request.get("url")) or "")
    if found is None or found[0].operation not in MAIN_CALLS or "*" in found[0].path:
        raise UnusableLineError(f"{request.get('url')!s} is no endpoint of conversations")
    surface, body = found[0], read_json_object(request.get("body"))
    response = read_json_object(answered.get("response"))
    content = (
        {"error": answered["error"]} if answered.get("error") else read_json_object(response.get("body"))
    )
    answer = surface.read_answer(content)
    if not answer.output and not answer.failure:
        raise UnusableLineError("the answer is empty")
    operation = surface.read_request(
        CallRequest(body), complete_head(Operation(surface.operation, provider=PROVIDER), body)
    )
    if not operation.input:
        raise UnusableLineError("the request has no messages")
    begun_ms, ended_ms = _read_times_ms(content, rules.find_default_ms(path))
    facts: dict[str, Json] = {"custom_id": read_str(answered.get("custom_id"))}
    if ended_ms == begun_ms:
        facts["latency_ms"] = None  # nobody knows it
    if answer.failure and (status := read_count(response.get("status_code"))):
        facts["http_status"] = status
    verdict = judge(answer, complete=True, error=None)
    operation = complete_operation(operation, answer, verdict, first_chunk_s=None, properties=facts)
    return make_operation_span(operation, begun_ms, ended_ms, rules)


def _read_times_ms(body: JsonObject, default_ms: int) -> tuple[int, int]:
    begun = read_count(body.get("created")) or read_count(body.get("created_at"))
    begun_ms = default_ms if begun is None else begun * 1000
    ended = read_count(body.get("completed_at"))
    return begun_ms, begun_ms if ended is None else max(begun_ms, ended * 1000)


class _RequestTable:
    """Requests that wait for their answers."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a file without a name
        self._database.execute(
            "CREATE TABLE requests (custom_id TEXT PRIMARY KEY, path, line, fields, is_answered DEFAULT 0)"
        )

    def close(self) -> None:
        """Forget them."""
        self._database.close()

    def add(self, path: Path, line: JsonLine) -> str:
        """Keep the request of a line, if it is one; return what is wrong with the line, else an empty text."""
        custom_id = read_str(line.fields.get("custom_id"))
        if custom_id is None:
            return "there is no custom_id"
        if _is_answer(line.fields):
            return ""
        row = (custom_id, str(path), line.line.number, json.dumps(line.fields))
        with self._database:
            done = self._database.execute(
                "INSERT OR IGNORE INTO requests (custom_id, path, line, fields) VALUES (?, ?, ?, ?)", row
            )
        if done.rowcount:
            return ""
        other = self._database.execute(
            "SELECT path, line FROM requests WHERE custom_id = ?", (custom_id,)
        ).fetchone()
        return f"its custom_id is that of {other[0]}, line {other[1]}; import each batch in a run of its own"

    def take(self, custom_id: str | None) -> JsonObject | None:
        """Return a request that has no answer yet; None if there is none of that id."""
        row = self._database.execute(
            "SELECT fields FROM requests WHERE custom_id = ? AND NOT is_answered", (custom_id,)
        ).fetchone()
        if row is None:
            return None
        self._database.execute("UPDATE requests SET is_answered = 1 WHERE custom_id = ?", (custom_id,))
        return read_json_object(read_json(row[0]))

    def list_unanswered(self) -> Iterator[tuple[Path, int, int]]:
        """Yield the files of requests without an answer, with the line of the first, and how many more there are."""
        rows = self._database.execute(
            "SELECT path, min(line), count(*) - 1 FROM requests WHERE NOT is_answered GROUP BY path ORDER BY path"
        )
        for path, first, more in rows:
            yield Path(path), first, more
