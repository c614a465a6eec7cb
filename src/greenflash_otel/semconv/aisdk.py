"""The AI SDK of Vercel, 3.3 to 6: attributes ``ai.*``. Pure. Source: its telemetry documentation, its spans.

The calls of a model (``…doGenerate``, ``…doStream``, ``…doEmbed``) and of tools are read; the spans around
them say the same once more. One that got no answer is told if there is no call in it, as of a stream that was
left early. Version 7 writes OpenTelemetry's own names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from greenflash_otel.operations import (
    EMBEDDINGS,
    EXECUTE_TOOL,
    Affiliation,
    Failure,
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
from greenflash_otel.semconv.media import media_of
from greenflash_otel.semconv.parts import read_json, read_structure
from greenflash_otel.semconv.truncated import read_document
from greenflash_otel.semconv.wrappers import RUN
from greenflash_otel.spans import Attributes, SpanRecord

KIND = "ai.operationId"
SIGNS = (KIND,)
METADATA = "ai.telemetry.metadata"
CONVERSATION = ("conversationId", "threadId", "chatId", "sessionId")
"""What applications call the conversation in their metadata, asked in this order."""
RUNS = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
"""Kinds of the spans around calls."""
ROLES = ("system", "user", "assistant", "tool")

Entry = Mapping[str, Json]


def read(span: SpanRecord) -> Operation | None:
    """The operation a span tells of; None if it is none of these."""
    kind = _text(span.attributes, KIND) or ""
    if kind == "ai.toolCall":
        return _read_tool(span)
    if kind.endswith(".doEmbed"):
        return _ended(_read_embedding(span.attributes), span)
    if kind.endswith((".doGenerate", ".doStream")):
        return _ended(_read_call(span.attributes, streamed=kind.endswith(".doStream")), span)
    run = _read_run(span.attributes) if kind in RUNS else None
    return run and _ended(run, span)


def _read_run(attributes: Attributes) -> Operation | None:
    """What was asked, where no answer came; one came from calls that have spans of their own."""
    if any(_answer(attributes)):
        return None
    asked = read_document(attributes.get("ai.prompt"))
    told: Mapping[str, Json] = asked if isinstance(asked, Mapping) else {}
    prompt, system = told.get("prompt"), told.get("system")
    said = tuple(_messages(told.get("messages", prompt if isinstance(prompt, list) else None)))
    question = (Message("user", (Text(prompt),)),) if isinstance(prompt, str) and prompt else ()
    instructions = (Text(system),) if isinstance(system, str) and system else ()
    call = _read_call(attributes, streamed="stream" in (_text(attributes, KIND) or ""))
    return replace(call, name=RUN, input=said or question, system_instructions=instructions)


def _read_call(attributes: Attributes, *, streamed: bool) -> Operation:
    reason = _text(attributes, "ai.response.finishReason")
    parts = tuple(_answer(attributes))
    first_chunk_ms = attributes.get("ai.response.msToFirstChunk")
    return Operation(
        "chat",
        _affiliation(attributes),
        provider=(_text(attributes, "ai.model.provider") or "").partition(".")[0] or None,
        request_model=_text(attributes, "ai.model.id"),
        response_model=_text(attributes, "ai.response.model"),
        response_id=_text(attributes, "ai.response.id"),
        input=tuple(_messages(read_document(attributes.get("ai.prompt.messages")))),
        output=(Message("assistant", parts, finish_reason=reason),) if parts else (),
        output_type="json" if "ai.response.object" in attributes else None,
        usage=_usage(attributes),
        finish_reasons=(reason,) if reason else (),
        streamed=streamed,
        time_to_first_chunk_s=first_chunk_ms / 1000 if isinstance(first_chunk_ms, (int, float)) else None,
    )


def _read_embedding(attributes: Attributes) -> Operation:
    values = attributes.get("ai.values")
    texts = [read_json(value) for value in values] if isinstance(values, (list, tuple)) else []
    said = tuple(Text(text) for text in texts if isinstance(text, str))
    return Operation(
        EMBEDDINGS,
        _affiliation(attributes),
        request_model=_text(attributes, "ai.model.id"),
        input=(Message("user", said),) if said else (),
        usage=Usage(tokens) if isinstance(tokens := attributes.get("ai.usage.tokens"), int) else None,
        properties={"count": len(texts)} if texts else {},
    )


def _read_tool(span: SpanRecord) -> Operation | None:
    attributes = span.attributes
    call_id = _text(attributes, "ai.toolCall.id")
    if call_id is None:
        return None
    tool = ToolExecution(
        _text(attributes, "ai.toolCall.name") or "unknown",
        call_id,
        read_structure(read_json(attributes.get("ai.toolCall.args"))),
        read_json(attributes.get("ai.toolCall.result")),
    )
    return _ended(Operation(EXECUTE_TOOL, _affiliation(attributes), tool=tool), span)


def _answer(attributes: Attributes) -> Iterator[Part]:
    if thought := _text(attributes, "ai.response.reasoning"):
        yield Reasoning(thought)
    if said := _text(attributes, "ai.response.text") or _text(attributes, "ai.response.object"):
        yield Text(said)
    calls = read_document(attributes.get("ai.response.toolCalls"))
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            yield _call(call)


def _messages(entries: Json) -> Iterator[Message]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("role") in ROLES:
            parts = tuple(_parts(entry.get("content")))
            if parts:
                yield Message(str(entry["role"]), parts)


def _parts(content: Json) -> Iterator[Part]:
    if isinstance(content, str) and content:
        yield Text(content)
    for entry in content if isinstance(content, list) else ():
        if isinstance(entry, Mapping):
            yield _part(entry)


def _part(entry: Entry) -> Part:
    kind, text = entry.get("type"), entry.get("text")
    if kind == "tool-call":
        return _call(entry)
    if kind == "tool-result":
        return _result(entry)
    if isinstance(text, str):
        return Reasoning(text) if kind == "reasoning" else Text(text)
    if medium := media_of(entry):
        return medium
    return Other(str(kind or "unknown"), {name: value for name, value in entry.items() if name != "type"})


def _call(entry: Entry) -> ToolCall:
    arguments = entry["input"] if "input" in entry else entry.get("args")
    return ToolCall(
        _text(entry, "toolName") or "unknown", read_structure(arguments), _id(entry.get("toolCallId"))
    )


def _result(entry: Entry) -> ToolCallResponse:
    output = entry["output"] if "output" in entry else entry.get("result")
    failed = entry.get("isError") is True
    if isinstance(output, Mapping) and "type" in output and "value" in output:
        failed = failed or str(output["type"]).startswith("error")
        output = output["value"]
    return ToolCallResponse(output, _id(entry.get("toolCallId")), failed)


def _id(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _affiliation(attributes: Attributes) -> Affiliation:
    known = [_text(attributes, f"{METADATA}.{name}") for name in CONVERSATION]
    conversation_id = next((id for id in known if id), None)
    return Affiliation(conversation_id, _text(attributes, f"{METADATA}.userId"))


def _usage(attributes: Attributes) -> Usage | None:
    names = (
        ("ai.usage.inputTokens", "ai.usage.promptTokens"),
        ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        ("ai.usage.cachedInputTokens",),
        ("ai.usage.reasoningTokens",),
    )
    tokens = [
        next((count for name in either if isinstance(count := attributes.get(name), int)), None)
        for either in names
    ]
    return Usage(*tokens) if any(count is not None for count in tokens) else None


def _ended(operation: Operation, span: SpanRecord) -> Operation:
    if span.status != "error":
        return operation
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    type = _text(raised, "exception.type") or "_OTHER"
    message = _text(raised, "exception.message") or span.status_description
    return replace(operation, ending="failed", failure=Failure(type, message))


def _text(attributes: Attributes, name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None
