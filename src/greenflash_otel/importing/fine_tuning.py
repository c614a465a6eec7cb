"""OpenAI's training files: a conversation per line, which says neither whose it is nor when it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from greenflash_otel.importing.chat import read_conversation
from greenflash_otel.importing.lines import JsonLine, read_json_lines
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.importing.transcripts import UnusableLineError, make_span
from greenflash_otel.json_values import JsonObject

PREFERENCES: Final = frozenset({"preferred_output", "non_preferred_output"})
"""Fields of a line that compares two answers: neither of them need have been said."""


def is_fine_tuning(fields: JsonObject) -> bool:
    """Return whether a line is one of a training file."""
    return "messages" in fields or not fields.keys().isdisjoint(PREFERENCES)


def read_fine_tuning(paths: Sequence[Path], rules: ImportRules) -> Iterator[Piece]:
    """Yield the conversations of files. Raises OSError if one cannot be read."""
    for path in paths:
        for line in read_json_lines(path):
            yield _read_line(path, line, rules)


def _read_line(path: Path, line: JsonLine, rules: ImportRules) -> Piece:
    number, share = line.line.number, line.line.share
    try:
        transcript = read_conversation(path, _select_messages(line), rules)
        return Piece(path, number, share, (make_span(transcript, rules),))
    except UnusableLineError as error:
        return Piece(path, number, share, problem=str(error))


def _select_messages(line: JsonLine) -> JsonObject:
    if line.problem:
        raise UnusableLineError(line.problem)
    if not line.fields.keys().isdisjoint(PREFERENCES):
        raise UnusableLineError("it compares two answers, so it is no conversation")
    return {"messages": line.fields.get("messages")}
