"""OpenInference, of Arize and Phoenix: flattened messages, raw copies. Pure. Source: its conventions, 0.1.42.

Model calls, embeddings and tools are read. A tool without the id of its call tells nothing that the next
model call does not tell in its place; chains, agents and retrievers tell of nothing by themselves.
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
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
)
from greenflash_otel.semconv.flattened import Tree, branch, items, text_at, tree_below
from greenflash_otel.semconv.parts import read_json, read_structure
from greenflash_otel.semconv.pictures import picture_at
from greenflash_otel.spans import Attributes, SpanRecord

KIND = "openinference.span.kind"
INPUT_MESSAGES = "llm.input_messages"
SIGNS = (KIND,)
HIDDEN = "__REDACTED__"
"""What stands in place of content that was not to be captured."""


def read(span: SpanRecord) -> Operation | None:
    """The operation a span tells of; None if it is none of this convention's that tell of one."""
    match _text(span.attributes, KIND):
        case "LLM":
            return _read_call(span)
        case "EMBEDDING":
            return _read_embedding(span)
        case "TOOL":
            return _read_tool(span)
        case _:
            return None


def _read_call(span: SpanRecord) -> Operation:
    attributes = span.attributes
    asked, answered = _document(attributes, "input.value"), _document(attributes, "output.value")
    parameters = _document(attributes, "llm.invocation_parameters")
    choices = parameters.get("n")
    output = _messages(attributes, "llm.output_messages", "assistant")
    choice_count = choices if isinstance(choices, int) and choices > 1 else 1
    operation = Operation(
        "chat",
        _affiliation(attributes),
        provider=_text(attributes, "llm.provider") or _text(attributes, "llm.system"),
        request_model=_text(attributes, "llm.request.model_name") or _string(parameters, "model"),
        response_model=_text(attributes, "llm.response.model_name") or _text(attributes, "llm.model_name"),
        response_id=_string(answered, "id"),
        previous_response_id=_string(asked, "previous_response_id")
        or _string(parameters, "previous_response_id"),
        system_instructions=_instructions(asked, attributes),
        input=_messages(attributes, INPUT_MESSAGES, "user"),
        output=output if choice_count > 1 or len(output) < 2 else (_joined(output),),
        choice_count=choice_count,
        usage=_usage(attributes),
        finish_reasons=(reason,) if (reason := _text(attributes, "llm.finish_reason")) else (),
        streamed=parameters.get("stream") is True,
    )
    return _ended(operation, span)


def _read_embedding(span: SpanRecord) -> Operation:
    attributes = span.attributes
    embedded = items(tree_below(attributes, "embedding.embeddings"))
    texts = [text for one in embedded if (text := _shown(text_at(one, "embedding", "text")))]
    operation = Operation(
        EMBEDDINGS,
        _affiliation(attributes),
        request_model=_text(attributes, "embedding.model_name"),
        input=(Message("user", tuple(Text(text) for text in texts)),) if texts else (),
        usage=_usage(attributes),
        properties={"count": len(embedded)} if embedded else {},
    )
    return _ended(operation, span)


def _read_tool(span: SpanRecord) -> Operation | None:
    attributes = span.attributes
    output = read_json(attributes.get("output.value"))
    data = output.get("data") if isinstance(output, Mapping) else None
    told = data if isinstance(data, Mapping) else {}
    call_id = _text(attributes, "tool.id") or _string(told, "tool_call_id")
    if call_id is None:
        return None
    result = told.get("content", output)
    arguments = read_structure(read_json(attributes.get("input.value")))
    tool = ToolExecution(_text(attributes, "tool.name") or span.name, call_id, arguments, result)
    operation = Operation(EXECUTE_TOOL, _affiliation(attributes), tool=tool)
    if told.get("status") == "error" and span.status != "error":
        failure = Failure("_OTHER", result if isinstance(result, str) else None)
        return replace(operation, ending="failed", failure=failure)
    return _ended(operation, span)


def _messages(attributes: Attributes, prefix: str, role: str) -> tuple[Message, ...]:
    found = []
    for item in items(tree_below(attributes, prefix)):
        message = branch(item, "message")
        speaker = text_at(message, "role") or role
        parts = tuple(_parts(message, speaker))
        if parts:
            found.append(Message(speaker, parts, name=text_at(message, "name")))
    return tuple(found)


def _parts(message: Tree, role: str) -> Iterator[Part]:
    content = _shown(text_at(message, "content"))
    if role in ("tool", "function"):
        yield ToolCallResponse(content or "", text_at(message, "tool_call_id"))
        return
    for item in items(branch(message, "contents")):
        yield from _content(branch(item, "message_content"))
    if content and not items(branch(message, "contents")):
        yield Text(content)
    for item in items(branch(message, "tool_calls")):
        call = branch(item, "tool_call")
        arguments = read_structure(_shown(text_at(call, "function", "arguments")))
        yield ToolCall(text_at(call, "function", "name") or "unknown", arguments, text_at(call, "id"))


def _content(content: Tree) -> Iterator[Part]:
    text = _shown(text_at(content, "text"))
    if text_at(content, "type") == "reasoning":
        yield from [Reasoning(text)] if text else []
    elif text:
        yield Text(text)
    elif url := _shown(text_at(content, "image", "image", "url")):
        yield picture_at(url)


def _joined(messages: tuple[Message, ...]) -> Message:
    """The items of a response, of which each came as a message."""
    return Message("assistant", tuple(part for message in messages for part in message.parts))


def _instructions(asked: Mapping[str, Json], attributes: Attributes) -> tuple[Part, ...]:
    """Of a response, where they are not among the messages."""
    instructions = _string(asked, "instructions")
    said = f"{INPUT_MESSAGES}.0.message.content"
    return (Text(instructions),) if instructions and attributes.get(said) != instructions else ()


def _affiliation(attributes: Attributes) -> Affiliation:
    return Affiliation(_text(attributes, "session.id"), _text(attributes, "user.id"))


def _usage(attributes: Attributes) -> Usage | None:
    names = ("prompt", "completion", "prompt_details.cache_read", "completion_details.reasoning")
    counts = [attributes.get(f"llm.token_count.{name}") for name in names]
    tokens = [count if isinstance(count, int) else None for count in counts]
    return Usage(*tokens) if any(count is not None for count in tokens) else None


def _ended(operation: Operation, span: SpanRecord) -> Operation:
    """The operation as its span ended."""
    if span.status != "error":
        return operation
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    name = _text(raised, "exception.type") or "_OTHER"
    message = _shown(_text(raised, "exception.message")) or span.status_description
    return replace(operation, ending="failed", failure=Failure(name.rpartition(".")[2], message))


def _document(attributes: Attributes, name: str) -> Mapping[str, Json]:
    value = read_json(attributes.get(name))
    return value if isinstance(value, Mapping) else {}


def _string(document: Mapping[str, Json], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _shown(text: str | None) -> str | None:
    return None if text == HIDDEN else text


def _text(attributes: Attributes, name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None
