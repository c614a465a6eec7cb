"""Translate the Realtime API into the words of the Responses API. Pure.

The two speak of the same things: responses with output items, and deltas of them. Where the names
differ (and they did once more in Realtime's beta), those of Responses are put in, so that one reader
serves both. Spoken content becomes the text of its transcript.
"""

from __future__ import annotations

from collections.abc import Mapping

from greenflash_otel.json_values import JsonObject, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Media, Message, Part, ServerToolCallResponse, Text
from greenflash_otel.semconv.formats.openai import read_content, read_messages
from greenflash_otel.semconv.formats.openai import read_item as read_item_parts

EVENTS: Mapping[str, str] = {
    "response.output_audio_transcript.delta": "response.output_text.delta",
    "response.audio_transcript.delta": "response.output_text.delta",
    "response.text.delta": "response.output_text.delta",
}
"""Names of events."""

AUDIO_DELTAS = frozenset({"response.output_audio.delta", "response.audio.delta"})

AUDIO_ENDS = frozenset({"response.output_audio.done", "response.audio.done", "response.done"})
"""Events after which no more sound of a response comes."""

KEYS = "keys"
"""Type of our item for what a person pressed on a phone."""

SPOKEN_INPUT = ("input_audio", "audio")


def translate_event(event: JsonObject) -> JsonObject:
    """Write an event of a response as the Responses API would have sent it."""
    kind = read_str(event.get("type")) or ""
    if response := read_json_object(event.get("response")):
        if kind == "response.done":
            kind = f"response.{response.get('status') or 'completed'}"
        return {**event, "type": kind, "response": _translate_response(response)}
    if item := _translate_item(read_json_object(event.get("item"))):
        if kind == "response.output_item.done" and not _says_something(item):
            return {}  # broken off before it was written down: the deltas say more
        return {**event, "item": item}
    return {**event, "type": EVENTS.get(kind, kind)}


def read_item(item: JsonObject, transcripts: Mapping[int, str]) -> Message | None:
    """Write an item of the conversation as a message, spoken parts as their transcripts where there are any."""
    if item.get("type") == KEYS:
        return Message("user", (Text(item["content"]),))
    if item.get("type") != "message":
        messages = read_messages([item])
        return messages[0] if messages else None
    parts: list[Part] = []
    for index, content in enumerate(read_list(item.get("content"))):
        parts.extend(_read_content(read_json_object(content), transcripts.get(index)))
    return Message(read_str(item.get("role")) or "user", tuple(parts))


def is_spoken(item: JsonObject) -> bool:
    """Return whether a person spoke an item, so that a transcript of it may come."""
    return item.get("role") == "user" and any(
        read_json_object(content).get("type") == "input_audio" for content in read_list(item.get("content"))
    )


def find_unfinished_calls(event: JsonObject) -> set[str]:
    """Return the ids of the calls of MCP servers in a response that have no result yet."""
    items = map(read_json_object, read_list(read_json_object(event.get("response")).get("output")))
    calls = [item for item in items if item.get("type") == "mcp_call" and read_call_result(item) is None]
    return {id for item in calls if (id := read_str(item.get("id")))}


def read_call_result(item: JsonObject) -> Message | None:
    """Return what an MCP server answered to a call; None for any other item, and while there is no answer."""
    if item.get("type") != "mcp_call":
        return None
    results = [part for part in read_item_parts(item) if isinstance(part, ServerToolCallResponse)]
    return Message("tool", tuple(results)) if results else None


def _read_content(content: JsonObject, transcript: str | None) -> tuple[Part, ...]:
    if content.get("type") not in SPOKEN_INPUT:
        return read_content([_translate_content(content)])
    text = read_str(content.get("transcript")) if transcript is None else transcript
    if text is None:
        return (Media("audio"),)
    return (Text(text),) if text.strip() else ()  # silence, or noise, is no message


def _translate_response(response: JsonObject) -> JsonObject:
    details = read_json_object(response.get("status_details"))
    output = [_translate_item(read_json_object(item)) for item in read_list(response.get("output"))]
    if response.get("status") in ("cancelled", "incomplete") and not any(
        _says_something(item) for item in output
    ):
        output = []  # likewise
    return {
        **response,
        "output": output,
        "incomplete_details": {"reason": details.get("reason")},
        "error": details.get("error"),
        "usage": _translate_usage(read_json_object(response.get("usage"))),
    }


def _translate_usage(usage: JsonObject) -> JsonObject:
    if not usage:
        return usage
    return {
        **usage,
        "input_tokens_details": usage.get("input_token_details"),
        "output_tokens_details": usage.get("output_token_details"),
    }


def _translate_item(item: JsonObject) -> JsonObject:
    if item.get("type") != "message":
        return item
    return {
        **item,
        "content": [
            _translate_content(read_json_object(content)) for content in read_list(item.get("content"))
        ],
    }


def _translate_content(content: JsonObject) -> JsonObject:
    if content.get("type") in ("output_audio", "audio", "text"):
        return {"type": "output_text", "text": content.get("transcript") or content.get("text") or ""}
    return content


def _says_something(item: JsonObject) -> bool:
    if item.get("type") != "message":
        return True
    return any(read_json_object(content).get("text") for content in read_list(item.get("content")))
