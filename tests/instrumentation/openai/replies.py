"""Answers of the two APIs, as small as they can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PIECES = ("Hello", " you")
TEXT = "Hello you"

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def completion(text: str | None = TEXT, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": USAGE,
    }


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a streamed chat completion with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-2024",
        "choices": [choice],
        **fields,
    }


def chunks(*, finished: bool = True) -> Iterator[dict[str, Any]]:
    """A streamed chat completion, or the part of it that comes before its end."""
    for piece in PIECES:
        yield chunk({"role": "assistant", "content": piece})
    if finished:
        yield chunk({}, "stop")
        yield {**chunk({}), "choices": [], "usage": USAGE}


def message_item(text: str = TEXT, **fields: Any) -> dict[str, Any]:
    """A message in the output of a response."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": content,
        **fields,
    }


def response(status: str = "completed", output: Any = None, **fields: Any) -> dict[str, Any]:
    """A response as the Responses API gives it."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o-2024",
        "status": status,
        "output": [] if output is None else output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
        **fields,
    }


def response_events(end: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """A streamed response with one message; unfinished without its terminal event, which is ``end``."""
    yield {"type": "response.created", "response": response("in_progress"), "sequence_number": 0}
    item = {**message_item(), "content": [], "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item, "sequence_number": 1}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    yield {"type": "response.content_part.added", **place, "part": part, "sequence_number": 2}
    for number, piece in enumerate(PIECES, 3):
        yield {
            "type": "response.output_text.delta",
            **place,
            "delta": piece,
            "logprobs": [],
            "sequence_number": number,
        }
    if end is not None:
        done = {"type": "response.output_item.done", "output_index": 0, "item": message_item()}
        yield {**done, "sequence_number": 8}
        yield {**end, "sequence_number": 9}


COMPLETED = {"type": "response.completed", "response": response("completed", [message_item()])}
