"""OpenInference, of Arize and Phoenix: flattened messages, raw copies. Pure. Source: its conventions, 0.1.42.

Model calls, embeddings, retrievers and tools are read; chains and agents only if no model call is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
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
)
from greenflash_otel.model.roles import TOOL, read_role
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text, read_texts, read_truncated_mapping
from greenflash_otel.semconv.builders import embedding_of, retrieval_of
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import smolagents
from greenflash_otel.semconv.conventions.chain_runs import read_run
from greenflash_otel.semconv.expected_json import read_result
from greenflash_otel.semconv.flattened import (
    Tree,
    build_tree,
    enumerate_items,
    find_branch,
    find_text,
    list_items,
)
from greenflash_otel.semconv.formats.api_payloads import read_response
from greenflash_otel.semconv.formats.langchain import read_written
from greenflash_otel.semconv.formats.media import make_media
from greenflash_otel.semconv.formats.openai_tools import read_named_call
from greenflash_otel.semconv.redaction_marks import show
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage_attributes

KIND = "openinference.span.kind"
INPUT_MESSAGES = "llm.input_messages"
MARKER_ATTRIBUTES = (KIND, f"{INPUT_MESSAGES}.0.message.role", "llm.output_messages.0.message.role")
"""The kind, which is set first, is the first that a limit on the number of attributes takes away."""
USAGE = tuple(
    (f"llm.token_count.{name}",)
    for name in ("prompt", "completion", "prompt_details.cache_read", "completion_details.reasoning")
)


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    match read_text(span.attributes, KIND):
        case "LLM" | None:
            return _read_call(span)
        case "EMBEDDING":
            return _read_embedding(span)
        case "RETRIEVER":
            return apply_ending(_read_retrieval(span.attributes), span)
        case "TOOL":
            return _read_tool(span)
        case "CHAIN" | "AGENT":
            return _read_chain(span)
        case _:
            return None


def _read_chain(span: SpanRecord) -> Operation | None:
    attributes = span.attributes
    return read_run(
        span,
        show(attributes.get("input.value")),
        show(attributes.get("output.value")),
        asked_type=read_text(attributes, "input.mime_type"),
        answered_type=read_text(attributes, "output.mime_type"),
    )


def _read_call(span: SpanRecord) -> Operation:
    attributes = span.attributes
    request = read_truncated_mapping(attributes, "input.value")
    answered = read_document(attributes.get("output.value"))
    response = read_response(answered)
    parameters = read_truncated_mapping(attributes, "llm.invocation_parameters")
    choices = parameters.get("n")
    messages = _read_messages(attributes, INPUT_MESSAGES, "user", request.get("messages"))
    if span.scope == smolagents.SCOPE:
        messages = smolagents.remove_headings(messages)
    output = _read_messages(attributes, "llm.output_messages", "assistant", response.choices)
    if isinstance(answered, Mapping) and "finish_reason" in answered and len(output) == 1:
        output = (replace(output[0], parts=_add_text(output[0].parts, read_text(answered, "thought"))),)
    prompts, completions = _read_completion(attributes)
    choice_count = choices if isinstance(choices, int) and choices > 1 else 1
    operation = Operation(
        "text_completion" if completions and not output else "chat",
        provider=read_text(attributes, "llm.provider") or read_text(attributes, "llm.system"),
        request_model=read_text(attributes, "llm.request.model_name") or read_text(parameters, "model"),
        response_model=read_text(attributes, "llm.response.model_name")
        or read_text(attributes, "llm.model_name"),
        response_id=response.id,
        previous_response_id=read_text(request, "previous_response_id")
        or read_text(parameters, "previous_response_id"),
        system_instructions=_read_instructions(request, attributes),
        input=messages or prompts,
        output=_add_thoughts(output if choice_count > 1 else _join_items(output), response.messages)
        or completions,
        choice_count=choice_count,
        usage=read_usage_attributes(attributes, *USAGE),
        finish_reasons=(reason,) if (reason := read_text(attributes, "llm.finish_reason")) else (),
        streamed=parameters.get("stream") is True,
    )
    return apply_ending(operation, span)


def _read_embedding(span: SpanRecord) -> Operation:
    attributes = span.attributes
    embedded = list_items(build_tree(attributes, "embedding.embeddings"))
    texts = [shown for text in embedded if (shown := show(find_text(text, "embedding", "text")))]
    operation = replace(
        embedding_of(texts, count=len(embedded)),
        request_model=read_text(attributes, "embedding.model_name"),
        usage=read_usage_attributes(attributes, *USAGE),
    )
    return apply_ending(operation, span)


def _read_retrieval(attributes: Attributes) -> Operation:
    entries = [
        find_branch(item, "document") for item in list_items(build_tree(attributes, "retrieval.documents"))
    ]
    documents = [{**entry, "metadata": read_json(entry.get("metadata"))} for entry in entries]
    query = _read_query(read_document(show(read_text(attributes, "input.value"))))
    return retrieval_of(query, [document for document in documents if show(find_text(document, "content"))])


def _read_query(query: Json) -> Json:
    """Read what was looked up: a text, or LlamaIndex's arguments that contain it."""
    if not isinstance(query, Mapping):
        return query
    bundle = query.get(
        "query_bundle", query.get("query", query.get("query_str", query.get("str_or_query_bundle")))
    )
    return bundle.get("query_str") if isinstance(bundle, Mapping) else bundle


def _read_tool(span: SpanRecord) -> Operation:
    attributes = span.attributes
    output = read_result(attributes.get("output.value"), read_text(attributes, "output.mime_type"))
    recorded = _read_tool_message(output)
    call_id = read_text(attributes, "tool.id") or read_text(recorded, "tool_call_id")
    result = recorded.get("content", output if show(read_text(attributes, "output.value")) else None)
    input_value = read_result(attributes.get("input.value"), read_text(attributes, "input.mime_type"))
    arguments = read_structure(input_value)
    tool = ToolExecution(read_text(attributes, "tool.name") or span.name, call_id, arguments, result)
    operation = Operation(EXECUTE_TOOL, tool=tool)
    if recorded.get("status") == "error" and span.status != "error":
        failure = Failure("_OTHER", result if isinstance(result, str) else None)
        return replace(operation, ending="failed", failure=failure)
    return apply_ending(operation, span)


def _read_tool_message(output: Json) -> Mapping[str, Json]:
    """Read the message that a tool answered with: LangChain's, or LlamaIndex's output of a tool."""
    if not isinstance(output, Mapping):
        return {}
    if isinstance(data := output.get("data"), Mapping):
        return data
    if isinstance(blocks := output.get("blocks"), list) and "raw_output" in output:
        texts = [read_text(block, "text") or "" for block in blocks if isinstance(block, Mapping)]
        return {
            "content": "\n".join(texts),
            "status": "error" if output.get("is_error") is True else "success",
        }
    return {}


def _read_messages(attributes: Attributes, prefix: str, role: str, raw: Json) -> tuple[Message, ...]:
    """Read flattened messages. The raw copy has those of which the names say nothing, as of a refusal."""
    messages: list[Message] = []
    if isinstance(raw, (list, tuple)) and raw and isinstance(raw[0], list):
        raw = raw[0]  # LangChain has a list for each prompt
    copies = dict(enumerate(raw)) if isinstance(raw, (list, tuple)) else {}
    for place, item in enumerate_items(build_tree(attributes, prefix)):
        message = find_branch(item, "message")
        speaker = read_role(find_text(message, "role"), role)
        if set(message) == {"role"}:
            copy = copies.get(place)  # a text is Python's repr of a message
            messages += read_written(copy, speaker) if isinstance(copy, Mapping) else ()
        elif parts := tuple(_read_parts(message, speaker)):
            thought = find_text(item, "thought")
            messages.append(
                Message(speaker, _add_text(parts, show(thought)), name=find_text(message, "name"))
            )
    return tuple(messages)


def _add_text(parts: tuple[Part, ...], thought: str | None) -> tuple[Part, ...]:
    """Add what AutoGen names a thought: what the model said next to its calls, else its reasoning."""
    if not thought or any(isinstance(part, Text) and part.content == thought for part in parts):
        return parts
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    return (Text(thought) if has_calls else Reasoning(thought), *parts)


def _read_completion(attributes: Attributes) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Read prompt and answers of the API for completions, or a text each, as in spans made by hand."""
    prompts = [
        find_text(item, "prompt", "text") for item in list_items(build_tree(attributes, "llm.prompts"))
    ]
    completions = [
        find_text(item, "completion", "text") for item in list_items(build_tree(attributes, "llm.choices"))
    ]
    prompts = prompts or [*read_texts(attributes, "llm.prompts")] or _read_plain(attributes, "input")
    parts = tuple(Text(prompt) for prompt in prompts if prompt)
    answers = (
        Message("assistant", (Text(completion),))
        for completion in completions or _read_plain(attributes, "output")
        if completion
    )
    return (Message("user", parts),) if parts else (), tuple(answers)


def _read_plain(attributes: Attributes, side: str) -> list[str | None]:
    """Read the one text that a side is: JSON may contain what was to be hidden."""
    is_text = read_text(attributes, f"{side}.mime_type") == "text/plain"
    return [read_text(attributes, f"{side}.value")] if is_text else []


def _read_parts(message: Tree, role: str) -> Iterator[Part]:
    content = show(find_text(message, "content"))
    blocks = [find_branch(item, "message_content") for item in list_items(find_branch(message, "contents"))]
    if role == TOOL:
        texts = [content] if content else [show(find_text(block, "text")) for block in blocks]
        result = "\n".join(text for text in texts if text)
        yield ToolCallResponse(result, find_text(message, "tool_call_id"))
        return
    for block in blocks:
        yield from _read_content(block)
    if content and not blocks:
        yield Text(content)
    for item in list_items(find_branch(message, "tool_calls")):
        call = find_branch(item, "tool_call")
        arguments = show(find_text(call, "function", "arguments"))
        yield read_named_call(find_text(call, "function", "name"), arguments, find_text(call, "id"))


def _read_content(content: Tree) -> Iterator[Part]:
    text = show(find_text(content, "text"))
    if find_text(content, "type") == "reasoning":
        yield from [Reasoning(text)] if text else []
    elif text:
        yield Text(text)
    elif url := show(find_text(content, "image", "image", "url")):
        yield make_media(url)


def _join_items(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Join the items of a response, of which each came as a message."""
    if len(messages) < 2:
        return messages
    return (Message("assistant", tuple(part for message in messages for part in message.parts)),)


def _add_thoughts(output: tuple[Message, ...], raw: tuple[Message, ...]) -> tuple[Message, ...]:
    """Add the reasoning that only the raw copy of an answer has."""
    if len(output) > 1:
        return output
    thoughts = tuple(part for message in raw for part in message.parts if isinstance(part, Reasoning))
    if not output or any(isinstance(part, Reasoning) for part in output[0].parts):
        return output
    return (replace(output[0], parts=(*thoughts, *output[0].parts)), *output[1:])


def _read_instructions(request: Mapping[str, Json], attributes: Attributes) -> tuple[Part, ...]:
    """Read the instructions of a response, where they are not among the messages."""
    instructions = read_text(request, "instructions")
    content_name = f"{INPUT_MESSAGES}.0.message.content"
    return (Text(instructions),) if instructions and attributes.get(content_name) != instructions else ()


CONVENTION = Convention(
    "OpenInference",
    MARKER_ATTRIBUTES,
    read,
)
