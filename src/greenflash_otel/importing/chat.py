"""JSON lines of chat messages: a conversation per line, or a message per line.

Messages of one conversation may be anywhere in the files. So lines with one message go into a temporary database
first, which SQLite writes to disk if it is large. What is in memory is one conversation.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from greenflash_otel.importing.lines import MAX_LINE_BYTES, JsonLine, read_json_lines
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.importing.transcripts import (
    Transcript,
    UnusableLineError,
    make_span,
    read_moment_ms,
    read_said,
    read_transcript_messages,
    read_whose,
)
from greenflash_otel.json_values import JsonObject, read_json, read_json_object, read_str
from greenflash_otel.model.operation import ConversationContext, merge_context, merge_properties

CONVERSATION_NAMES: Final = frozenset(
    {"conversation_id", "user_id", "organization_id", "properties", "messages", "model", "created_at"}
)
"""Fields of a line that is a conversation."""
MESSAGE_NAMES: Final = frozenset(
    {"conversation_id", "user_id", "organization_id", "properties", "role", "content", "created_at", "model"}
    | {"name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "annotations"}
    | {"reasoning", "reasoning_content", "parts"}
)
"""Fields of a line that is a message."""


def is_chat(fields: JsonObject) -> bool:
    """Return whether a line is one of chat messages, and says whose."""
    is_message = "role" in fields and "conversation_id" in fields
    return is_message or (
        "messages" in fields and not fields.keys().isdisjoint(CONVERSATION_NAMES - {"messages"})
    )


def read_chat(paths: Sequence[Path], rules: ImportRules) -> Iterator[Piece]:
    """Yield the conversations of files: those of single lines, then those of many lines.

    Raises:
        OSError: A file cannot be read.
        sqlite3.Error: There is no room for messages in the folder of temporary files.
    """
    with closing(_MessageTable()) as messages:
        for path in paths:
            ignored: dict[str, int] = {}
            for line in read_json_lines(path):
                yield _read_line(path, line, messages, rules, ignored)
            for name, number in ignored.items():
                yield Piece(
                    path, number, 1.0, remark=f"{name!r} is not imported, here and below; use properties"
                )
        for path, number, transcript in messages.list_conversations(rules):
            yield _make_piece(path, number, transcript, rules)


def read_conversation(path: Path, fields: JsonObject, rules: ImportRules) -> Transcript:
    """Read a conversation that is one line. Without an id it gets one of what is said in it.

    Raises:
        UnusableLineError: It cannot be imported.
    """
    context = read_whose(fields)
    begun_ms = read_moment_ms("created_at", fields.get("created_at"))
    messages = read_transcript_messages(fields.get("messages"))
    if context.conversation_id is None:
        made = rules.make_id("conversation", [context.user_id, fields["messages"]])
        context = replace(context, conversation_id=made)
    default_ms = rules.find_default_ms(path) if begun_ms is None else begun_ms
    return Transcript(context, messages, default_ms, read_str(fields.get("model")))


def _make_piece(path: Path, number: int, transcript: _Unread, rules: ImportRules) -> Piece:
    try:
        return Piece(path, number, 1.0, (make_span(transcript.read(), rules),))
    except UnusableLineError as error:
        return Piece(path, number, 1.0, problem=str(error))


def _read_line(
    path: Path, line: JsonLine, messages: _MessageTable, rules: ImportRules, ignored: dict[str, int]
) -> Piece:
    number, share, fields = line.line.number, line.line.share, line.fields
    try:
        if line.problem:
            raise UnusableLineError(line.problem)
        is_conversation = "messages" in fields
        for name in sorted(fields.keys() - (CONVERSATION_NAMES if is_conversation else MESSAGE_NAMES)):
            ignored.setdefault(name, number)
        if is_conversation:
            return Piece(path, number, share, (make_span(read_conversation(path, fields, rules), rules),))
        messages.add(path, number, fields)
    except UnusableLineError as error:
        return Piece(path, number, share, problem=str(error))
    return Piece(path, number, share)


class _MessageTable:
    """Messages that wait until all of their conversation are read."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a file without a name
        self._database.execute("CREATE TABLE conversations (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        self._database.execute("CREATE TABLE messages (conversation, path, line, at_ms, size, fields)")
        self._database.execute("CREATE INDEX by_conversation ON messages (conversation)")

    def close(self) -> None:
        """Forget them."""
        self._database.close()

    def add(self, path: Path, number: int, fields: JsonObject) -> None:
        """Keep a message. Raises `UnusableLineError` if it is none."""
        message, context = read_said(fields), read_whose(fields)
        if context.conversation_id is None:
            raise UnusableLineError("there is neither conversation_id nor messages")
        name, written = context.conversation_id, json.dumps(fields)
        self._database.execute("INSERT OR IGNORE INTO conversations (name) VALUES (?)", (name,))
        self._database.execute(
            "INSERT INTO messages SELECT id, ?, ?, ?, ?, ? FROM conversations WHERE name = ?",
            (str(path), number, message.at_ms, len(written), written, name),
        )

    def list_conversations(self, rules: ImportRules) -> Iterator[tuple[Path, int, _Unread]]:
        """Yield conversations in the order in which they began, each with the place of its first message."""
        begun = self._database.execute(
            "SELECT conversation, path, line, sum(size), min(rowid) FROM messages GROUP BY conversation"
        )
        for id, path, number, size, _ in begun:
            yield Path(path), number, _Unread(self._database, id, size, rules.find_default_ms(Path(path)))


class _Unread:
    """A conversation in the table."""

    def __init__(self, database: sqlite3.Connection, id: int, size: int, default_ms: int) -> None:
        self._database, self._id, self._size, self._default_ms = database, id, size, default_ms

    def read(self) -> Transcript:
        """Read it. If each message has a time, the times are the order, else the lines are."""
        if self._size > MAX_LINE_BYTES:
            raise UnusableLineError(f"the conversation is longer than {MAX_LINE_BYTES >> 20} MiB")
        rows = self._database.execute(
            "SELECT at_ms, fields FROM messages WHERE conversation = ? ORDER BY rowid", (self._id,)
        ).fetchall()
        if all(at_ms is not None for at_ms, _ in rows):
            rows.sort(key=lambda row: int(row[0]))
        context, model, messages = ConversationContext(), None, []
        for _, text in rows:
            fields = read_json_object(read_json(text))
            whose = read_whose(fields)
            properties = merge_properties(context.properties, whose.properties)
            context = replace(merge_context(context, whose), properties=properties)
            messages.append(read_said(fields))
            model = read_str(fields.get("model")) or model
        return Transcript(context, messages, self._default_ms, model)
