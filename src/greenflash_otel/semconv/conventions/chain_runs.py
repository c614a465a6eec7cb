"""Chains, agents and workflows in which no model call is recorded: what went in, and what came out. Pure.

An application may call its model where nobody records it. Then only the span around the call has the user's words
and the answer, as a text or in an object of the application's. Whether a model call inside says the same is decided
where the trace is known: `correlation.recent_spans`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from greenflash_otel.json_values import Json
from greenflash_otel.model.operation import Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import apply_ending
from greenflash_otel.semconv.expected_json import is_message, read_messages_document
from greenflash_otel.semconv.formats.langchain import read_written
from greenflash_otel.semconv.python_literals import is_repr

CHAIN_RUN = "chain run"
"""Name of an operation that is such a run; it is none of the convention's, and ends as a model call or unread."""
WRAPPERS = ("inputs", "outputs", "kwargs", "data")
"""Fields in which producers put what a function was given, or gave."""
ASKED = (
    *("messages", "input", "question", "query", "prompt", "message"),
    *("user_input", "user_message", "input_value", "human_input", "user_prompt", "request", "chat_input"),
)
ANSWERED = (
    *("messages", "output", "answer", "result", "response", "message", "text", "content", "reply"),
    *("final_output", "output_text", "completion", "generation", "final_answer"),
)
"""Fields that have the words, the most usual first."""
DEPTH = 4
"""Objects within each other that are looked into."""


def read_run(
    span: SpanRecord,
    inputs: object,
    outputs: object,
    *,
    asked_type: str | None = None,
    answered_type: str | None = None,
) -> Operation | None:
    """Read a run; None if its span has neither side. One whose sides cannot be read is a run without messages.

    Args:
        asked_type: The MIME type of what went in, if the producer says it.
        answered_type: The same of what came out.
    """
    if inputs in (None, "") and outputs in (None, ""):
        return None
    messages = _read_side(inputs, asked_type, ASKED, "user")
    output = _read_side(outputs, answered_type, ANSWERED, "assistant")
    if len(output) > len(messages) and output[: len(messages)] == messages:
        output = output[len(messages) :]  # a state that has the whole history
    if not messages or not (output or span.status == "error"):
        messages = output = ()
    return apply_ending(Operation(CHAIN_RUN, input=messages, output=output), span)


def _read_side(value: object, mime_type: str | None, names: Sequence[str], role: str) -> tuple[Message, ...]:
    if isinstance(value, str) and (mime_type or "").startswith("text/plain"):
        return () if is_repr(value) else _make_message(value, role)
    decoded = read_messages_document(value)
    if isinstance(decoded, str):
        return _make_message(decoded, role)
    if isinstance(value, str) and isinstance(decoded, (int, float)):
        return _make_message(value, role)
    return _find_messages(decoded, names, role, DEPTH)


def _find_messages(value: Json, names: Sequence[str], role: str, depth: int) -> tuple[Message, ...]:
    """Find the words in an object: messages, or the one text that it has under a usual name."""
    if isinstance(value, str):
        return () if is_repr(value) else _make_message(value, role)
    if isinstance(value, (list, tuple)):
        entries = list(value)
        while len(entries) == 1 and isinstance(entries[0], list):
            entries = entries[0]
        if entries and all(map(is_message, entries)):
            return read_written(entries, role)
        return ()
    if not isinstance(value, Mapping) or not depth:
        return ()
    if "role" in value or "lc" in value:
        return read_written(value, role)
    named = [value[name] for name in (*names, *WRAPPERS) if value.get(name) not in (None, "", [], {}, ())]
    if isinstance(arguments := value.get("args"), list) and len(arguments) == 1:
        named.insert(0, arguments[0])
    if (
        not named
        and depth == DEPTH
        and len(value) == 1
        and isinstance(only := next(iter(value.values())), str)
    ):
        named = [only]
    candidates = (_find_messages(named_value, names, role, depth - 1) for named_value in named)
    return next((messages for messages in candidates if messages), ())


def _make_message(text: str, role: str) -> tuple[Message, ...]:
    return (Message(role, (Text(text),)),) if text.strip() else ()
