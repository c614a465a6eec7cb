"""Cut messages into pieces, each of which Greenflash keeps as one message. Pure.

An assistant message with text and two tool calls is three pieces; Chat Completions and Responses, which
group them differently, give the same ones in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal, TypeAlias

from greenflash_otel.message_ids.ids import canonical_of, text_of
from greenflash_otel.model.operation import (
    Json,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
)
from greenflash_otel.semconv.formats.otel_messages import write_part

Kind: TypeAlias = Literal["user", "answer", "tool_call", "tool_result", "thought", "system"]

CHAIN: Sequence[Kind] = ("user", "answer", "tool_call")
"""Kinds of pieces that lead from one place in a conversation to the next."""

SYSTEM_ROLES = frozenset({"system", "developer"})
REFUSAL = "refusal"
"""Type of the part in which a model declines; the user sees it."""

NOT_SAID = frozenset({"item_reference", "compaction", "compaction_trigger"})
"""Types of parts that manage what the provider keeps; they say nothing themselves."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message, or several that belong together."""

    kind: Kind
    canonical: Json
    """What counts for its identity; see `identity`."""
    text: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    """What is not text: attachments, arguments, a result."""
    tool_name: str | None = None
    call_id: str | None = None
    caller_id: str | None = None
    """The call that made this one."""
    failed: bool = False
    by_provider: bool = False
    """True for a call of a tool that the provider ran: what is resent often leaves it out."""
    voice: Voice | None = None
    ends_message: bool = False
    """True for the text of an assistant message that asks for no tool."""
    at_ms: int | None = None
    """When it was said, if the message tells."""
    aside: str | None = None
    """See `Message.aside`: nothing follows on it."""


def split_system_prompt(operation: Operation) -> tuple[str | None, tuple[Message, ...]]:
    """The system prompt, from instructions and leading system messages, and the other messages."""
    leading = 0
    while leading < len(operation.input) and operation.input[leading].role in SYSTEM_ROLES:
        leading += 1
    texts = [text_of(operation.system_instructions)]
    texts += [text_of(message.parts) for message in operation.input[:leading]]
    return "\n\n".join(text for text in texts if text) or None, operation.input[leading:]


def cut(message: Message) -> tuple[Piece, ...]:
    """The pieces of a message, in order. A message without any content has none."""
    pieces = _cut(message)
    if message.at_ms is None and message.aside is None:
        return pieces
    return tuple(replace(piece, at_ms=message.at_ms, aside=message.aside) for piece in pieces)


def _cut(message: Message) -> tuple[Piece, ...]:
    spoken = [part for part in message.parts if not (isinstance(part, Other) and part.type in NOT_SAID)]
    if message.role in SYSTEM_ROLES:
        return tuple(_visible("system", spoken))
    if message.role in ("tool", "function"):
        return tuple(_tool_result(part, message.name) for part in message.parts)
    kind: Kind = "answer" if message.role == "assistant" else "user"
    ends = kind == "answer" and not any(isinstance(part, ToolCall) for part in spoken)
    pieces: list[Piece] = []
    for visible, group in groupby(spoken, key=_is_visible):
        parts = tuple(group)
        pieces.extend(_visible(kind, parts, message.voice, ends) if visible else map(_hidden, parts))
    return tuple(pieces)


def _is_visible(part: Part) -> bool:
    hidden = (Reasoning, ToolCall, ToolCallResponse, ServerToolCall, ServerToolCallResponse)
    return not isinstance(part, hidden)


def _visible(
    kind: Kind, parts: Sequence[Part], voice: Voice | None = None, ends_message: bool = False
) -> Iterator[Piece]:
    canonical = canonical_of(parts)
    if canonical == "" and not any(isinstance(part, Text) and part.content for part in parts):
        return
    refusals = [part for part in parts if isinstance(part, Other) and part.type == REFUSAL]
    texts = [text_of(parts), *(str(refusal.fields.get("content") or "") for refusal in refusals)]
    attachments = [write_part(part) for part in parts if not isinstance(part, Text) and part not in refusals]
    data: dict[str, Json] = {"parts": attachments} if attachments else {}
    if refusals:
        data["refusal"] = True
    text = "\n".join(text for text in texts if text)
    yield Piece(kind, canonical, text=text or None, data=data, voice=voice, ends_message=ends_message)


def _hidden(part: Part) -> Piece:
    match part:
        case Reasoning(content):
            return Piece("thought", content.rstrip(), data={"text": content})
        case ToolCall(name, arguments, id, caller_id):
            data = arguments if isinstance(arguments, Mapping) else _wrapped("arguments", arguments)
            asked = [name, arguments, id]
            return Piece("tool_call", asked, data=data, tool_name=name, call_id=id, caller_id=caller_id)
        case ServerToolCall(name, call, id):
            return Piece(
                "tool_call", [name, call, id], data=call, tool_name=name, call_id=id, by_provider=True
            )
        case _:
            return _tool_result(part, None)


def _tool_result(part: Part, tool_name: str | None) -> Piece:
    match part:
        case ToolCallResponse(response, id, failed):
            data = response if isinstance(response, Mapping) else _wrapped("result", response)
            return Piece("tool_result", response, data=data, tool_name=tool_name, call_id=id, failed=failed)
        case ServerToolCallResponse(response, id, failed):
            return Piece("tool_result", response, data=response, call_id=id, failed=failed)
        case Text(content):
            return Piece("tool_result", content, data={"result": content}, tool_name=tool_name)
        case _:
            return Piece("tool_result", write_part(part), data=write_part(part), tool_name=tool_name)


def _wrapped(name: str, value: Json) -> Mapping[str, Json]:
    """An object, because Greenflash takes nothing else as input or output."""
    return {} if value is None else {name: value}
