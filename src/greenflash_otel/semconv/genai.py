"""The OpenTelemetry GenAI convention, 1.37 and newer, and the ``greenflash.*`` names we add to it.

`attributes_of` writes an operation to span attributes, `read` gets it back from a span, ours or
anybody's: ``read(span with attributes_of(operation)) == operation``. Pure. Older conventions and
other families have readers of their own next to this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from greenflash_otel import internal_errors
from greenflash_otel.any_json import repair_surrogates
from greenflash_otel.any_json import write_any_json as write_json
from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import (
    CHAINS,
    COMPACT,
    DECISION,
    DELETE_ITEMS,
    EMBEDDINGS,
    EXECUTE_TOOL,
    MEMORY_READ,
    MEMORY_WRITE,
    RETRIEVAL,
    SHOWN,
    TURN,
    ConversationContext,
    Ending,
    Failure,
    Json,
    Operation,
    PromptTemplate,
    ToolExecution,
    VoiceCall,
)
from greenflash_otel.model.own_operations import SET_PROPERTIES
from greenflash_otel.model.prompt_templates import merge_prompts
from greenflash_otel.model.telemetry import OURS, Attributes, SpanRecord
from greenflash_otel.semconv.attributes import (
    failure_of,
    read_identifier,
    read_integer,
    read_mapping,
    read_number,
    read_text,
    read_texts,
    select_texts,
)
from greenflash_otel.semconv.builders import retrieval_of
from greenflash_otel.semconv.expected_json import read_result
from greenflash_otel.semconv.formats.any_message import (
    read_messages,
    read_parts,
    write_messages,
    write_parts,
)
from greenflash_otel.semconv.formats.records import read_prompt, read_voice_call, write_record
from greenflash_otel.semconv.usage import read_named_usage

# OpenTelemetry's names: https://github.com/open-telemetry/semantic-conventions-genai
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
OUTPUT_TYPE = "gen_ai.output.type"
CHOICE_COUNT = "gen_ai.request.choice.count"
STREAM = "gen_ai.request.stream"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
FINISH_REASONS = "gen_ai.response.finish_reasons"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT = "gen_ai.tool.call.result"
RETRIEVAL_QUERY = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS = "gen_ai.retrieval.documents"
CONVERSATION_ID = "gen_ai.conversation.id"
USER_ID = "user.id"
ERROR_TYPE = "error.type"

# Ours.
ORGANIZATION_ID = "greenflash.organization.id"
CONVERSATION_PROPERTIES = "greenflash.conversation.properties"
MESSAGE_PROPERTIES = "greenflash.message.properties"
SAMPLE_RATE = "greenflash.conversation.sample_rate"
FORCE_SAMPLE = "greenflash.conversation.force_sample"
PROVIDER_CONVERSATION_ID = "greenflash.provider_conversation.id"
INTERNAL = "greenflash.internal"
SCOPE_ID = "greenflash.scope.id"
WITHIN_TOOL_CALL_ID = "greenflash.within.tool_call.id"
INPUT_PARENT_ID = "greenflash.input.parent_id"
OUTPUT_ITEM_IDS = "greenflash.output.item_ids"
PROMPT = "greenflash.prompt"
VOICE_CALL = "greenflash.voice_call"
IS_TURN = "greenflash.turn"
TURN_ID = "greenflash.turn.id"
TURN_USED_TOOLS = "greenflash.turn.used_tools"
TOLD_BY_TURN = "greenflash.turn.tells_this"
ENDING = "greenflash.ending"
OPERATION_PROPERTIES = "greenflash.operation.properties"

USAGE: Mapping[str, str] = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
}
"""Attribute by field of `Usage`, in its order."""

MARKER_ATTRIBUTES = (OPERATION_NAME, INPUT_MESSAGES, OUTPUT_MESSAGES)
"""Attributes one of which every span of the convention has."""

READABLE = (
    SHOWN
    | CHAINS
    | {
        EXECUTE_TOOL,
        EMBEDDINGS,
        RETRIEVAL,
        MEMORY_READ,
        MEMORY_WRITE,
        COMPACT,
        DECISION,
        DELETE_ITEMS,
        SET_PROPERTIES,
        "image_generation",
        "moderation",
        "speech",
        "text_completion_batch",
        "transcription",
        "translation",
    }
)
"""Operations that are read from any span; others of the convention say nothing that these do not report. From
spans of our own every name is read."""

ALIASES = {"embedding": EMBEDDINGS, "completion": "text_completion"}
"""What some producers call operations of the convention."""

Attribute: TypeAlias = str | bool | int | float | tuple[str, ...]


def span_name_of(operation: Operation) -> str:
    """Return the span name the convention wants: ``chat gpt-4o``, ``execute_tool get_weather``."""
    target = operation.tool.name if operation.tool else operation.request_model
    return f"{operation.name} {target}" if target else operation.name


def attributes_of(operation: Operation) -> dict[str, Attribute]:
    """Write an operation to span attributes; what is not known is left out.

    A failure's message is not among them: it belongs into the span's status description.
    """
    values: dict[str, Attribute | None] = {
        OPERATION_NAME: operation.name,
        PROVIDER_NAME: operation.provider,
        REQUEST_MODEL: operation.request_model,
        RESPONSE_MODEL: operation.response_model,
        RESPONSE_ID: operation.response_id,
        PREVIOUS_RESPONSE_ID: operation.previous_response_id,
        PROVIDER_CONVERSATION_ID: operation.provider_conversation_id,
        OUTPUT_TYPE: operation.output_type,
        CHOICE_COUNT: operation.choice_count if operation.choice_count != 1 else None,
        STREAM: operation.streamed or None,
        TIME_TO_FIRST_CHUNK: operation.time_to_first_chunk_s,
        FINISH_REASONS: operation.finish_reasons or None,
        INPUT_PARENT_ID: operation.input_parent_id,
        OUTPUT_ITEM_IDS: operation.output_item_ids or None,
        IS_TURN: operation.name == TURN or None,
        TURN_USED_TOOLS: operation.used_tools or None,
        ENDING: operation.ending if operation.ending != "completed" else None,
        ERROR_TYPE: operation.failure.type if operation.failure else None,
        **attributes_of_context(operation.conversation_context),
        **_attributes_of_content(operation),
    }
    if values[CONVERSATION_ID] is None:
        values[CONVERSATION_ID] = operation.provider_conversation_id
    if operation.usage:
        values |= {name: getattr(operation.usage, field) for field, name in USAGE.items()}
    return {name: value for name, value in values.items() if value is not None}


def attributes_of_context(context: ConversationContext) -> dict[str, Attribute | None]:
    """Write the conversation that an operation belongs to."""
    return {
        CONVERSATION_ID: context.conversation_id,
        USER_ID: context.user_id,
        ORGANIZATION_ID: context.organization_id,
        CONVERSATION_PROPERTIES: write_json(context.properties) if context.properties else None,
        INTERNAL: context.internal or None,
        SCOPE_ID: context.scope_id,
        WITHIN_TOOL_CALL_ID: context.tool_call_id,
        TURN_ID: context.turn_id,
        PROMPT: _write_messages(PROMPT, _write_record, context.prompt),
        MESSAGE_PROPERTIES: write_json(context.message_properties) if context.message_properties else None,
        SAMPLE_RATE: context.sample_rate,
        FORCE_SAMPLE: context.force_sample,
    }


def _attributes_of_content(operation: Operation) -> dict[str, Attribute | None]:
    """Write what was said, each attribute for itself: one that cannot be written costs no other."""
    tool = operation.tool
    return {
        SYSTEM_INSTRUCTIONS: _write_messages(
            SYSTEM_INSTRUCTIONS, write_parts, operation.system_instructions or None
        ),
        INPUT_MESSAGES: _write_messages(INPUT_MESSAGES, write_messages, operation.input or None),
        OUTPUT_MESSAGES: _write_messages(OUTPUT_MESSAGES, write_messages, operation.output or None),
        OPERATION_PROPERTIES: _write_messages(OPERATION_PROPERTIES, write_json, operation.properties or None),
        PROMPT: _write_messages(
            PROMPT, _write_record, merge_prompts(operation.conversation_context.prompt, operation.prompt)
        ),
        VOICE_CALL: _write_messages(VOICE_CALL, _write_record, operation.voice_call),
        TOOL_NAME: tool.name if tool else None,
        TOOL_CALL_ID: tool.call_id if tool else None,
        TOOL_CALL_ARGUMENTS: _write_messages(
            TOOL_CALL_ARGUMENTS, write_json, tool.arguments if tool else None
        ),
        TOOL_CALL_RESULT: _write_messages(TOOL_CALL_RESULT, write_json, tool.result if tool else None),
    }


def _write_messages(name: str, write: Callable[[Any], str], value: object) -> str | None:
    if value is None:
        return None
    with internal_errors.guarded(f"write {name}", lost="attribute_not_written"):
        return write(value)
    return None


def _write_record(value: PromptTemplate | VoiceCall) -> str:
    return write_json(write_record(value))


def write_attribute(value: object) -> Attribute:
    """Return a value that every exporter of OpenTelemetry takes; what is none becomes JSON text."""
    kind = type(value)
    if kind is str:
        return repair_surrogates(value)  # type: ignore[arg-type]  # a str
    if kind is bool or kind is float:
        return value  # type: ignore[return-value]  # it is one of these
    if kind is int:
        return value if _fits(value) else str(value)  # type: ignore[arg-type,return-value]  # an int
    if issubclass(kind, str):
        return repair_surrogates(str.__str__(cast(str, value)))
    if kind in (tuple, list) and all(type(item) is str for item in value):  # type: ignore[attr-defined]
        return tuple(map(repair_surrogates, value))  # type: ignore[call-overload]  # texts
    return repair_surrogates(write_json(cast(Json, value)))


def _fits(number: int) -> bool:
    """Return whether OTLP can carry an integer."""
    return -(2**63) <= number < 2**63


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it is no model call or tool execution of this convention."""
    attributes = span.attributes
    name = read_text(attributes, OPERATION_NAME)
    if name is None:
        name = "chat" if INPUT_MESSAGES in attributes or OUTPUT_MESSAGES in attributes else None
    name = ALIASES.get(name or "", name)
    if name is None or attributes.get(TOLD_BY_TURN) is True:
        return None
    if name not in READABLE and span.scope != OURS:
        return None
    if name == TURN and IS_TURN not in attributes:
        return None  # an agent's span of others: the model calls in it tell the same
    return read_as(span, name)


def read_as(span: SpanRecord, name: str) -> Operation:
    """Read a span as the operation ``name``, whatever its attributes call the operation."""
    attributes = span.attributes
    if name == RETRIEVAL and RETRIEVAL_QUERY in attributes:
        retrieval = retrieval_of(attributes[RETRIEVAL_QUERY], read_json(attributes.get(RETRIEVAL_DOCUMENTS)))
        return replace(retrieval, conversation_context=read_context(attributes), failure=_read_failure(span))
    text_of = select_texts(attributes).get
    instructions, messages = attributes.get(SYSTEM_INSTRUCTIONS), attributes.get(INPUT_MESSAGES)
    prompt, voice_call = attributes.get(PROMPT), attributes.get(VOICE_CALL)
    return Operation(
        name=name,
        conversation_context=read_context(attributes),
        provider=text_of(PROVIDER_NAME) or text_of("gen_ai.system"),
        request_model=text_of(REQUEST_MODEL),
        response_model=text_of(RESPONSE_MODEL),
        response_id=text_of(RESPONSE_ID),
        previous_response_id=text_of(PREVIOUS_RESPONSE_ID),
        provider_conversation_id=read_identifier(attributes, PROVIDER_CONVERSATION_ID),
        system_instructions=() if instructions is None else read_parts(instructions),
        prompt=None if prompt is None else read_prompt(read_json(prompt)),
        input=() if messages is None else read_messages(messages, default_role="user"),
        input_parent_id=text_of(INPUT_PARENT_ID),
        output=read_messages(attributes.get(OUTPUT_MESSAGES), default_role="assistant"),
        output_item_ids=read_texts(attributes, OUTPUT_ITEM_IDS) if OUTPUT_ITEM_IDS in attributes else (),
        output_type=text_of(OUTPUT_TYPE),
        choice_count=read_integer(attributes, CHOICE_COUNT) or 1,
        tool=_read_tool(attributes) if name == EXECUTE_TOOL else None,
        usage=read_named_usage(attributes, USAGE.values()),
        finish_reasons=read_texts(attributes, FINISH_REASONS),
        streamed=attributes.get(STREAM) is True,
        time_to_first_chunk_s=read_number(attributes, TIME_TO_FIRST_CHUNK),
        voice_call=None if voice_call is None else read_voice_call(read_json(voice_call)),
        used_tools=attributes.get(TURN_USED_TOOLS) is True,
        ending=_read_ending(span),
        failure=_read_failure(span),
        properties=read_mapping(attributes, OPERATION_PROPERTIES)
        if OPERATION_PROPERTIES in attributes
        else {},
    )


def read_context(attributes: Attributes) -> ConversationContext:
    """Read to whom a span belongs, as far as it says."""
    conversation_id = read_identifier(attributes, CONVERSATION_ID)
    provider_id = attributes.get(PROVIDER_CONVERSATION_ID)
    if provider_id is not None and conversation_id == read_identifier(attributes, PROVIDER_CONVERSATION_ID):
        conversation_id = None  # the provider's name for it, which the application did not choose
    return ConversationContext(
        conversation_id=conversation_id,
        user_id=read_identifier(attributes, USER_ID),
        organization_id=read_identifier(attributes, ORGANIZATION_ID),
        properties=read_mapping(attributes, CONVERSATION_PROPERTIES)
        if CONVERSATION_PROPERTIES in attributes
        else {},
        internal=attributes.get(INTERNAL) is True,
        scope_id=read_text(attributes, SCOPE_ID) if SCOPE_ID in attributes else None,
        tool_call_id=read_text(attributes, WITHIN_TOOL_CALL_ID)
        if WITHIN_TOOL_CALL_ID in attributes
        else None,
        turn_id=read_text(attributes, TURN_ID) if TURN_ID in attributes else None,
        message_properties=read_mapping(attributes, MESSAGE_PROPERTIES)
        if MESSAGE_PROPERTIES in attributes
        else {},
        sample_rate=_read_share(attributes) if SAMPLE_RATE in attributes else None,
        force_sample=attributes[FORCE_SAMPLE] is True if FORCE_SAMPLE in attributes else None,
    )


def _read_share(attributes: Attributes) -> float | None:
    share = read_number(attributes, SAMPLE_RATE)
    return share if share is not None and 0 <= share <= 1 else None


def _read_tool(attributes: Attributes) -> ToolExecution:
    return ToolExecution(
        name=read_text(attributes, TOOL_NAME) or "unknown",
        call_id=read_text(attributes, TOOL_CALL_ID),
        arguments=read_structure(read_json(attributes.get(TOOL_CALL_ARGUMENTS))),
        result=read_result(attributes.get(TOOL_CALL_RESULT)),
    )


def _read_ending(span: SpanRecord) -> Ending:
    ending = read_text(span.attributes, ENDING)
    if ending in ("failed", "cancelled", "abandoned", "pending"):
        return cast(Ending, ending)
    return "failed" if span.status == "error" else "completed"


def _read_failure(span: SpanRecord) -> Failure | None:
    type = read_text(span.attributes, ERROR_TYPE)
    if type is None and span.status != "error":
        return None
    if any(event.name == "exception" for event in span.events) or (type or "").startswith("<class '"):
        return failure_of(span)
    return Failure(type or "_OTHER", span.status_description)
