"""The AI SDK of Vercel, 3.3 to 6: attributes ``ai.*``. Pure. Source: its telemetry documentation, its spans.

The calls of a model (``…doGenerate``, ``…doStream``, ``…doEmbed``) and of tools are read; the spans around
them say the same once more. One that got no answer is recorded if there is no call in it, as of a stream that was
left early. Version 7 writes OpenTelemetry's own names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import (
    EMBEDDINGS,
    EXECUTE_TOOL,
    Json,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
)
from greenflash_otel.model.roles import PLAIN, read_role
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text
from greenflash_otel.semconv.convention import Convention, list_conversation_names, list_user_names
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.formats.media import media_of
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage_attributes

KIND = "ai.operationId"
MARKER_ATTRIBUTES = (KIND,)
METADATA = ("ai.telemetry.metadata", "ai.settings.context", "ai.settings.runtimeContext")
"""Prefixes under which applications put what they know."""
USAGE = (
    ("ai.usage.inputTokens", "ai.usage.promptTokens"),
    ("ai.usage.outputTokens", "ai.usage.completionTokens"),
    ("ai.usage.cachedInputTokens",),
    ("ai.usage.reasoningTokens",),
)
RUNS = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
"""Kinds of the spans around calls."""

Entry = Mapping[str, Json]


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    kind = read_text(span.attributes, KIND) or ""
    if kind == "ai.toolCall":
        return _read_tool(span)
    if kind.endswith(".doEmbed"):
        return apply_ending(_read_embedding(span.attributes), span)
    if kind.endswith((".doGenerate", ".doStream")):
        return apply_ending(_read_call(span.attributes, streamed=kind.endswith(".doStream")), span)
    run = _read_run(span.attributes) if kind in RUNS else None
    return run and apply_ending(run, span)


def _read_run(attributes: Attributes) -> Operation | None:
    """Read what was asked where no answer came: an answer has calls with spans of their own."""
    if any(_read_answer(attributes)):
        return None
    document = read_document(attributes.get("ai.prompt"))
    recorded: Mapping[str, Json] = document if isinstance(document, Mapping) else {}
    prompt, system = recorded.get("prompt"), recorded.get("system")
    messages = tuple(_read_messages(recorded.get("messages", prompt if isinstance(prompt, list) else None)))
    question = (Message("user", (Text(prompt),)),) if isinstance(prompt, str) and prompt else ()
    instructions = (Text(system),) if isinstance(system, str) and system else ()
    call = _read_call(attributes, streamed="stream" in (read_text(attributes, KIND) or ""))
    return replace(call, name=RUN, input=messages or question, system_instructions=instructions)


def _read_call(attributes: Attributes, *, streamed: bool) -> Operation:
    reason = read_text(attributes, "ai.response.finishReason")
    parts = tuple(_read_answer(attributes))
    first_chunk_ms = attributes.get("ai.response.msToFirstChunk")
    return Operation(
        "chat",
        provider=(read_text(attributes, "ai.model.provider") or "").partition(".")[0] or None,
        request_model=read_text(attributes, "ai.model.id"),
        response_model=read_text(attributes, "ai.response.model"),
        response_id=read_text(attributes, "ai.response.id"),
        input=tuple(_read_messages(read_document(attributes.get("ai.prompt.messages")))),
        output=(Message("assistant", parts, finish_reason=reason),) if parts else (),
        output_type="json" if "ai.response.object" in attributes else None,
        usage=read_usage_attributes(attributes, *USAGE),
        finish_reasons=(reason,) if reason else (),
        streamed=streamed,
        time_to_first_chunk_s=first_chunk_ms / 1000 if isinstance(first_chunk_ms, (int, float)) else None,
    )


def _read_embedding(attributes: Attributes) -> Operation:
    values = attributes.get("ai.values")
    texts = [read_json(value) for value in values] if isinstance(values, (list, tuple)) else []
    parts = tuple(Text(text) for text in texts if isinstance(text, str))
    return Operation(
        EMBEDDINGS,
        request_model=read_text(attributes, "ai.model.id"),
        input=(Message("user", parts),) if parts else (),
        usage=Usage(tokens) if isinstance(tokens := attributes.get("ai.usage.tokens"), int) else None,
        properties={"count": len(texts)} if texts else {},
    )


def _read_tool(span: SpanRecord) -> Operation | None:
    attributes = span.attributes
    call_id = read_text(attributes, "ai.toolCall.id")
    if call_id is None:
        return None
    tool = ToolExecution(
        read_text(attributes, "ai.toolCall.name") or "unknown",
        call_id,
        read_structure(read_json(attributes.get("ai.toolCall.args"))),
        read_json(attributes.get("ai.toolCall.result")),
    )
    return apply_ending(Operation(EXECUTE_TOOL, tool=tool), span)


def _read_answer(attributes: Attributes) -> Iterator[Part]:
    if thought := read_text(attributes, "ai.response.reasoning"):
        yield Reasoning(thought)
    if text := read_text(attributes, "ai.response.text") or read_text(attributes, "ai.response.object"):
        yield Text(text)
    calls = read_document(attributes.get("ai.response.toolCalls"))
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            yield _read_tool_call(call)


def _read_messages(entries: Json) -> Iterator[Message]:
    for entry in entries if isinstance(entries, list) else ():
        role = read_role(entry.get("role"), "") if isinstance(entry, Mapping) else ""
        if isinstance(entry, Mapping) and role in PLAIN:
            parts = tuple(_read_parts(entry.get("content")))
            if parts:
                yield Message(role, parts)


def _read_parts(content: Json) -> Iterator[Part]:
    if isinstance(content, str) and content:
        yield Text(content)
    for entry in content if isinstance(content, list) else ():
        if isinstance(entry, Mapping):
            yield _read_part(entry)


def _read_part(entry: Entry) -> Part:
    kind, text = entry.get("type"), entry.get("text")
    if kind == "tool-call":
        return _read_tool_call(entry)
    if kind == "tool-result":
        return _read_result(entry)
    if isinstance(text, str):
        return Reasoning(text) if kind == "reasoning" else Text(text)
    if medium := media_of(entry):
        return medium
    return Other(str(kind or "unknown"), {name: value for name, value in entry.items() if name != "type"})


def _read_tool_call(entry: Entry) -> ToolCall:
    arguments = entry["input"] if "input" in entry else entry.get("args")
    return ToolCall(
        read_text(entry, "toolName") or "unknown", read_structure(arguments), read_text(entry, "toolCallId")
    )


def _read_result(entry: Entry) -> ToolCallResponse:
    output = entry["output"] if "output" in entry else entry.get("result")
    failed = entry.get("isError") is True
    if isinstance(output, Mapping) and "type" in output and "value" in output:
        failed = failed or str(output["type"]).startswith("error")
        output = output["value"]
    return ToolCallResponse(output, read_text(entry, "toolCallId"), failed, read_text(entry, "toolName"))


CONVENTION = Convention(
    "AI SDK",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=list_conversation_names(*METADATA),
    user_attributes=list_user_names(*METADATA),
)
