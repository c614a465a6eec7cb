"""What the demo's conversations are, said by the recordings: each message with its type, text and parent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from greenflash_otel.demo.replay import read_recordings
from greenflash_otel.testing import StoredConversation, StoredMessage


class Line(NamedTuple):
    """A message and what it hangs below."""

    type: str
    text: str
    parent: str | None
    """The parent's text; None for the first message."""


def lines(conversation: StoredConversation) -> list[Line]:
    """The stored messages in this form."""
    by_id = {message.external_id: message for message in conversation.messages}
    return [
        Line(
            message.type,
            _text(message),
            _text(by_id[parent]) if (parent := message.parent_external_id) else None,
        )
        for message in conversation.messages
    ]


def _text(message: StoredMessage) -> str:
    """The whole text; of a call its arguments, of an observation its result, of a thought its summary."""
    if message.content is not None:
        return message.content
    payload = message.input or message.output or {}
    return str(payload.get("result") or payload.get("text") or json.dumps(payload))


def _chat() -> list[Line]:
    told: list[Line] = []
    for question in (
        "Generate a random noun in Korean. Respond with just that word.",
        "Now, generate a sentence using the word you just gave me.",
        "What is the capital of Mexico?",
    ):
        told.append(Line("user_message", question, told[-1].text if told else None))
        told.append(Line("assistant_message", _message(question)["content"], question))
    return told


def _streamed() -> list[Line]:
    question = "Tell me a funny joke, a one-liner."
    events = [line[6:] for line in _answer(question).splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    answer = "".join(delta.get("content") or "" for delta in deltas)
    return [Line("user_message", question, None), Line("assistant_message", answer, question)]


def _tools() -> list[Line]:
    question = "What's the weather in Seattle and San Francisco today?"
    results = ("50 degrees and raining", "70 degrees and sunny")
    calls = [call["function"]["arguments"] for call in _message(question)["tool_calls"]]
    return [
        Line("user_message", question, None),
        *(Line("tool_call", call, question) for call in calls),
        *(Line("observation", result, call) for call, result in zip(calls, results, strict=True)),
        Line("final_response", _message(results[-1])["content"], question),
    ]


def _reasoning() -> list[Line]:
    question = "What is 2 + 2?"
    reasoning, message = _answer(question)["output"]
    return [
        Line("user_message", question, None),
        Line("thought", reasoning["summary"][0]["text"], question),
        Line("assistant_message", message["content"][0]["text"], question),
    ]


def _agent() -> list[Line]:
    question = "Please get us a table for two tonight, outside if the weather allows."
    found, booked = "A table for two is free at 20:00, inside or outside.", "Booked for 20:00, inside."
    failed, asked, reply = (
        "The weather service knows nothing of Rome.",
        "Shall I book inside for 20:00?",
        "Yes, please.",
    )
    weather, table, book = (
        call["function"]["arguments"]
        for message in (_message(question), _message(found))
        for call in message["tool_calls"]
    )
    return [
        Line("user_message", question, None),
        Line("tool_call", weather, question),
        Line("tool_call", table, question),
        Line("tool_error", failed, weather),
        Line("observation", found, table),
        Line("tool_call", book, question),
        Line("assistant_message", asked, question),
        Line("user_message", reply, asked),
        Line("observation", booked, book),
        Line("final_response", _message(booked)["content"], reply),
    ]


def _answer(to: str) -> Any:  # Any: JSON of OpenAI, or the text of a stream
    [body] = [answer["body"] for answer in read_recordings() if answer["to"] == to]
    return body


def _message(to: str) -> Mapping[str, Any]:
    message: Mapping[str, Any] = _answer(to)["choices"][0]["message"]
    return message


TRUE: Mapping[str, list[Line]] = {
    "chat-42": _chat(),
    "streamed-answer": _streamed(),
    "weather": _tools(),
    "arithmetic": _reasoning(),
    "dinner": _agent(),
}
"""By conversation."""
