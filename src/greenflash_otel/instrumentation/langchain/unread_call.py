"""What a model was given and answered, as it was then, to be read by the thread that reads the spans.

The application, and middleware of its agent, may change a message after a model had it. So what is read of it is copied
at once, as deep as lists and mappings go. Texts are shared: nobody can change them. Reading takes far longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeAlias

from langchain_core.messages import BaseMessage

from greenflash_otel.instrumentation.langchain.operations import read_answer
from greenflash_otel.json_values import to_json
from greenflash_otel.model.operation import Message, Operation
from greenflash_otel.model.visit import size_of_nested
from greenflash_otel.semconv.formats.langchain import ASIDE, read_object
from greenflash_otel.semconv.usage import read_usage

SCALARS = (str, int, float, bool, bytes, type(None))
"""What nobody can change."""
LEVELS = 8
"""Levels of nesting that are copied; what is deeper is read at once."""
CopiedMessage: TypeAlias = "Message | SimpleNamespace"
"""A message of LangChain's, as a copy with the same fields; or what was read of it, where that cannot be copied."""


@dataclass(eq=False, slots=True)
class UnreadCall:
    """The messages of a model call that wait to be read."""

    input: Sequence[CopiedMessage]
    output: Sequence[CopiedMessage] = ()
    usage: Any = None
    """A copy of what the answer says of tokens."""

    def measure(self) -> int:
        """Return what the texts of its messages take in memory, about, while it waits."""
        values: list[object] = []
        for message in (*self.input, *self.output):
            if isinstance(message, SimpleNamespace):
                values += (message.content, message.additional_kwargs, message.tool_calls)
            else:
                values += [getattr(part, "content", None) for part in message.parts]
        return size_of_nested(values)

    def add_answers(self, answers: Sequence[Any]) -> None:
        """Copy what the model answered."""
        self.output = copy_messages(answers)
        self.usage = copy_plain(getattr(answers[0], "usage_metadata", None)) if answers else None

    def read_into(self, operation: Operation) -> Operation:
        """Return the operation with the messages."""
        return replace(
            operation,
            input=tuple(map(_read, self.input)),
            output=tuple(map(_read, self.output)),
            usage=read_usage(self.usage),
        )


def copy_messages(messages: Iterable[Any]) -> tuple[CopiedMessage, ...]:
    """Copy messages that are read later."""
    return tuple(map(_copy_message, messages))


def _copy_message(message: Any) -> CopiedMessage:
    """Copy those fields of a message that change; read one at once whose fields are not plain."""
    if not isinstance(message, BaseMessage):
        return read_answer(message)
    fields = vars(message)
    content = fields.get("content")
    if not isinstance(content, str):
        if not isinstance(content, list) or not all(isinstance(block, (str, dict)) for block in content):
            return read_answer(message)
        content = copy_plain(content)
    more, calls, invalid_calls = map(fields.get, ("additional_kwargs", "tool_calls", "invalid_tool_calls"))
    return SimpleNamespace(
        type=fields.get("type"),
        role=fields.get("role", "user"),
        name=fields.get("name"),
        content=content,
        additional_kwargs={name: copy_plain(more[name]) for name in ASIDE if name in more} if more else {},
        tool_calls=copy_plain(calls) if calls else (),
        invalid_tool_calls=copy_plain(invalid_calls) if invalid_calls else (),
        tool_call_id=fields.get("tool_call_id"),
        status=fields.get("status"),
    )


def copy_plain(value: Any, levels: int = LEVELS) -> Any:
    """Copy lists and mappings; what else can change becomes JSON."""
    if isinstance(value, SCALARS):
        return value
    if not levels or not isinstance(value, (dict, list, tuple)):
        return to_json(value)
    # Scalars are not asked for again: nearly all values are some, and each call costs.
    if isinstance(value, dict):
        copied = dict(value)
        for name, entry in value.items():
            if not isinstance(entry, SCALARS):
                copied[name] = copy_plain(entry, levels - 1)
        return copied
    entries = list(value)
    for at, entry in enumerate(entries):
        if not isinstance(entry, SCALARS):
            entries[at] = copy_plain(entry, levels - 1)
    return entries


def _read(message: CopiedMessage) -> Message:
    return message if isinstance(message, Message) else read_object(message)
