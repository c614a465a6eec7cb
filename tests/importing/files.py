"""Files of every format, as other programs write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.json_values import Json

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}


def in_lines(*entries: object) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def at(second: int) -> str:
    """A time in 2024."""
    return f"2024-05-01T10:00:{second:02}Z"


CHAT = {
    "conversation_id": "trip",
    "user_id": "ada",
    "organization_id": "acme",
    "properties": {"plan": "free"},
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it warm?", "created_at": at(0)},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "created_at": at(1)},
        {"role": "tool", "tool_call_id": "call_1", "content": "20 degrees", "created_at": at(2)},
        {"role": "assistant", "content": "Yes.", "created_at": at(3)},
        {"role": "user", "content": "Yes?", "created_at": at(4)},
        {"role": "assistant", "content": "Yes.", "created_at": at(5)},
    ],
}
"""A conversation in a line."""


def said(conversation_id: str, role: str, text: str, second: int | None = None) -> dict[str, Any]:
    """A message in a line."""
    time = {} if second is None else {"created_at": at(second)}
    return {"conversation_id": conversation_id, "role": role, "content": text, **time}


MESSAGES = (
    said("one", "user", "A?", 0),
    said("two", "user", "B?"),
    said("one", "assistant", "A.", 9),
    said("two", "assistant", "B."),
    said("one", "user", "A again?", 5),
)
"""Messages of two conversations. The times of one are not in their order, and the other has none."""


def request(custom_id: str, body: Mapping[str, Json], url: str = "/v1/chat/completions") -> dict[str, Any]:
    """A line of a batch's input."""
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "gpt-4o-mini", **body}}


def answer(custom_id: str, body: Mapping[str, Any], status: int = 200) -> dict[str, Any]:
    """A line of a batch's output."""
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": None}


def completion(text: str, id: str) -> dict[str, Any]:
    """The body of an answer of Chat Completions."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": id, "created": 1714557600, "model": "gpt-4o-mini-2024", "choices": choices, "usage": usage}


def response(text: str, id: str) -> dict[str, Any]:
    """The body of an answer of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    times = {"created_at": 1714557600, "completed_at": 1714557602}
    return {
        "id": id,
        "object": "response",
        **times,
        "status": "completed",
        "model": "gpt-5",
        "output": [item],
    }


def question(text: str) -> dict[str, Json]:
    """The body of a request of Chat Completions."""
    return {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]}


BATCH_INPUT = (
    request("a", question("First?")),
    request("b", {"input": "Second?"}, "/v1/responses"),
    request("c", question("Third?")),
    request("d", question("Fourth?")),
)
BATCH_OUTPUT = (
    answer("b", response("Second.", "resp_b")),
    answer("a", completion("First.", "chatcmpl-a")),
)
BATCH_ERRORS = (
    answer("c", {"error": {"message": "no", "type": "invalid_request_error"}}, 400),
    {"id": "e", "custom_id": "d", "response": None, "error": {"code": "batch_expired", "message": "late"}},
)

TRAINING = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": "So.", "weight": 0},
    ]
}

OUTCOMES = b"""event_type,value,value_type,conversation_id,user_id,event_at,properties.plan
upgrade,149.00,currency,trip,,2024-05-02T08:00:00+02:00,pro
churn,,,,bob,2024-05-03,
"""
OUTCOME_LINES: Sequence[Mapping[str, Json]] = (
    {"event_type": "upgrade", "value": "149.00", "value_type": "currency", "conversation_id": "trip"},
    {"event_type": "lead", "user_id": "bob", "insert_id": "lead-1", "properties": {"from": "ad"}},
)

FILES: Mapping[str, Mapping[str, bytes]] = {
    "chat": {"chats.jsonl": in_lines(CHAT, *MESSAGES)},
    "openai-batch": {
        "input.jsonl": in_lines(*BATCH_INPUT),
        "output.jsonl": in_lines(*BATCH_OUTPUT),
        "errors.jsonl": in_lines(*BATCH_ERRORS),
    },
    "fine-tuning": {"train.jsonl": in_lines(TRAINING)},
    "outcomes": {"outcomes.csv": OUTCOMES, "outcomes.jsonl": in_lines(*OUTCOME_LINES)},
}
"""Right files of each format."""
