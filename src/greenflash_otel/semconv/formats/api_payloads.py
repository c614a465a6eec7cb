"""Requests and answers of model APIs that producers put on their spans whole: OpenAI's, LangChain's. Pure.

A message, a list of messages, a request or an answer of Chat Completions, of Responses or of LangChain:
each is recognised by its keys, whoever recorded it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from greenflash_otel.model.operation import Json, Message, Operation, Part, Text, Usage
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.formats.langchain import read_written
from greenflash_otel.semconv.usage import read_usage

Entry = Mapping[str, Json]
DEFINITION = ("parameters", "input_schema", "description")
"""Fields of a tool's definition besides its name."""


@dataclass(frozen=True, slots=True)
class RequestPayload:
    """What a request says."""

    messages: tuple[Message, ...] = ()
    instructions: tuple[Part, ...] = ()
    model: str | None = None
    previous_response_id: str | None = None
    choice_count: int = 1
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class ResponsePayload:
    """What an answer says."""

    messages: tuple[Message, ...] = ()
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    choices: tuple[Json, ...] = ()
    """The messages next to each other, as they came."""


def operation_of(request: RequestPayload, response: ResponsePayload) -> Operation:
    """Return the model call that both are of."""
    return Operation(
        "chat",
        request_model=request.model,
        response_model=response.model,
        response_id=response.id,
        previous_response_id=request.previous_response_id,
        system_instructions=request.instructions,
        input=request.messages,
        output=response.messages,
        choice_count=max(request.choice_count, len(response.choices), 1),
        usage=response.usage,
        finish_reasons=response.finish_reasons,
        streamed=request.streamed,
    )


def read_request(value: Json) -> RequestPayload:
    """Read messages, or a request that contains them."""
    if not isinstance(value, Mapping) or "role" in value or "lc" in value:
        return RequestPayload(_read_messages(value))
    messages = next((value[name] for name in ("messages", "input", "prompt") if name in value), None)
    instructions, choices = read_text(value, "instructions"), value.get("n")
    return RequestPayload(
        _read_messages(messages),
        (Text(instructions),) if instructions else (),
        read_text(value, "model"),
        read_text(value, "previous_response_id"),
        choices if isinstance(choices, int) else 1,
        value.get("stream") is True,
    )


def _read_messages(value: Json) -> tuple[Message, ...]:
    """Read messages, without the definitions of tools that Langfuse puts among them."""
    entries = value if isinstance(value, list) else [value]
    return read_written([entry for entry in entries if not _defines_a_tool(entry)], "user")


def _defines_a_tool(entry: Json) -> bool:
    """Return whether an entry is a tool that the model may ask for: it is no result, though a tool's."""
    if not isinstance(entry, Mapping) or entry.get("role") != "tool" or "tool_call_id" in entry:
        return False
    content = entry.get("content")
    if not isinstance(content, Mapping):
        return False
    return (
        content.get("type") == "function"
        or "function" in content
        or ("name" in content and not content.keys().isdisjoint(DEFINITION))
    )


def read_response(value: Json) -> ResponsePayload:
    """Read messages, or an answer that contains them."""
    if not isinstance(value, Mapping) or "role" in value or "lc" in value:
        return ResponsePayload(read_written(value, "assistant"))
    if isinstance(generations := value.get("generations"), list):
        return _read_generations(generations, value)
    choices = value.get("choices")
    choice_entries = choices if isinstance(choices, list) else []
    choices = tuple(_message_of_choice(choice) for choice in choice_entries if isinstance(choice, Mapping))
    messages = tuple(message for choice in choices for message in read_written(choice, "assistant"))
    if not choice_entries:
        messages = read_written(
            next((value[name] for name in ("output", "message") if name in value), value), "assistant"
        )
    reasons = [read_text(choice, "finish_reason") for choice in choice_entries if isinstance(choice, Mapping)]
    return ResponsePayload(
        messages,
        read_text(value, "id"),
        read_text(value, "model"),
        read_usage(value.get("usage") or value.get("usage_metadata")),
        tuple(reason for reason in reasons if reason),
        choices,
    )


def _message_of_choice(choice: Entry) -> Json:
    return choice["message"] if "message" in choice else choice.get("text")


def _read_generations(generations: Json, value: Entry) -> ResponsePayload:
    """Read LangChain's result of a model call: of the first prompt, each generation's message."""
    first = generations[0] if isinstance(generations, list) and generations else ()
    entries = [
        choice for choice in (first if isinstance(first, list) else [first]) if isinstance(choice, Mapping)
    ]
    messages = [choice["message"] if "message" in choice else choice.get("text") for choice in entries]
    recorded = _fields_of(messages[0]) if messages else {}
    metadata = recorded.get("response_metadata")
    facts = metadata if isinstance(metadata, Mapping) else {}
    return ResponsePayload(
        tuple(message for message_json in messages for message in read_written(message_json, "assistant")),
        read_text(facts, "id"),
        read_text(facts, "model_name") or read_text(facts, "model"),
        read_usage(recorded.get("usage_metadata") or value.get("usage_metadata")),
        (reason,) if (reason := read_text(facts, "finish_reason")) else (),
        tuple(messages),
    )


def _fields_of(message: Json) -> Entry:
    kwargs = message.get("kwargs", message) if isinstance(message, Mapping) else None
    return kwargs if isinstance(kwargs, Mapping) else {}
