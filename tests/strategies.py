"""Any operation that a span can tell of, for properties; says of each value what a span cannot carry.

Equality holds for what is generated here. What is left out comes back in another form: an empty string as
None, text that is JSON of an object or list decoded, a ``Usage`` without any count as no usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    CallFacts,
    ConversationContext,
    Ending,
    Failure,
    Json,
    Media,
    Message,
    Operation,
    Other,
    Part,
    PromptTemplate,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
    Voice,
    VoiceCall,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.formats.media import MODALITIES
from greenflash_otel.semconv.formats.openai import ITEMS, PARTS
from greenflash_otel.semconv.formats.otel_messages import AS_IT_IS, FIELDS, READERS
from greenflash_otel.semconv.genai import READABLE

# A busy machine is no failure.
settings.register_profile("without deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without deadline")

T = TypeVar("T")

texts = st.text(max_size=12)
names = st.text(min_size=1, max_size=12)  # an empty attribute reads as None
ids = names.filter(lambda id: id.strip() and "\0" not in id)
"""Ids as our public functions leave them: neither blank nor with a NUL."""
counts = st.integers(0, 10**9)
json_values = cast(
    "st.SearchStrategy[Json]",
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    ),
)
objects = st.dictionaries(texts, json_values, max_size=3)
# Text that is a JSON object or list comes back decoded; what only begins like one stays text.
broken: st.SearchStrategy[Json] = st.sampled_from(["{broken", "[1,", "{'a': 1}"])
arguments = broken | json_values.filter(
    lambda value: not (isinstance(value, str) and value[:1] in ("{", "["))
)


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """A value or None."""
    return st.none() | values


media = st.builds(
    Media,
    modality=st.sampled_from(["image", "audio", "video", "document"]),
    uri=maybe(texts),
    file_id=maybe(texts),
    mime_type=maybe(texts),
    digest=maybe(texts),
    size_bytes=maybe(counts),
    transcript=maybe(texts),
)
known_types = sorted({*READERS, *PARTS, *ITEMS, *MODALITIES, "refusal", "citation", "unknown"} - {""})
known_fields = ["type", "kind", "content", "text", "url", "uri", "modality", "refusal", "data", "file_id"]
known_fields += ["source", "response", "id", "name", AS_IT_IS, FIELDS]
others = st.builds(
    Other,
    type=names | st.sampled_from(known_types),
    fields=st.dictionaries(texts | st.sampled_from(known_fields), json_values, max_size=3),
)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Text, texts, st.lists(json_values, max_size=2).map(tuple)),
    st.builds(Reasoning, texts),
    st.builds(ToolCall, names, arguments, maybe(texts)),
    st.builds(ToolCallResponse, json_values, maybe(texts), st.booleans(), maybe(names)),
    st.builds(ServerToolCall, names, objects, maybe(texts)),
    st.builds(ServerToolCallResponse, objects, maybe(texts), st.booleans()),
    media,
    others,
)


def tuples(values: st.SearchStrategy[T], *, most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    """A tuple of up to ``most`` values."""
    return st.lists(values, max_size=most).map(tuple)


voices = st.builds(
    Voice,
    started_at_ms=maybe(counts),
    ended_at_ms=maybe(counts),
    response_latency_ms=maybe(counts),
    barge_in=st.booleans(),
    was_interrupted=st.booleans(),
    speaker=maybe(names),
)
voice_calls = st.builds(
    VoiceCall,
    platform=names,
    platform_call_id=maybe(names),
    duration_ms=maybe(counts),
    interruption_count=maybe(counts),
    ended_reason=maybe(names),
)
prompts = st.builds(PromptTemplate, id=names, version=maybe(names), variables=objects)
facts_of_calls = st.builds(
    CallFacts,
    model=maybe(names),
    provider=maybe(names),
    response_id=maybe(names),
    finish_reason=maybe(names),
    input_tokens=maybe(counts),
    output_tokens=maybe(counts),
    cached_input_tokens=maybe(counts),
    reasoning_output_tokens=maybe(counts),
    latency_ms=maybe(counts),
    time_to_first_chunk_ms=maybe(counts),
    streamed=st.booleans(),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]) | names,
    parts=tuples(parts),
    name=maybe(texts),
    finish_reason=maybe(texts),
    voice=maybe(voices),
    call=maybe(facts_of_calls),
)
usages = st.builds(
    Usage,
    input_tokens=maybe(counts),
    output_tokens=maybe(counts),
    cached_input_tokens=maybe(counts),
    reasoning_output_tokens=maybe(counts),
).filter(lambda usage: usage != Usage())
executions = st.builds(ToolExecution, names, maybe(names), arguments, json_values)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Any model call or tool execution."""
    name = draw(st.sampled_from(sorted(READABLE)))
    provider_conversation_id = draw(maybe(ids))
    conversation_context = st.builds(
        ConversationContext,
        # the provider's own id is not taken for one that the application gave
        conversation_id=maybe(ids).filter(lambda id: id is None or id != provider_conversation_id),
        user_id=maybe(ids),
        organization_id=maybe(ids),
        properties=objects,
        internal=st.booleans(),
        scope_id=maybe(names),
        tool_call_id=maybe(names),
    )
    endings: Sequence[Ending] = ("completed", "failed", "cancelled", "abandoned", "pending")
    ending = draw(st.sampled_from(endings))
    failures = st.builds(Failure, names, maybe(texts))
    fields: dict[str, Any] = {
        name: draw(maybe(names))
        for name in ("provider", "request_model", "response_model", "response_id", "previous_response_id")
    }
    return Operation(
        name,
        draw(conversation_context),
        **fields,
        provider_conversation_id=provider_conversation_id,
        system_instructions=draw(tuples(parts)),
        prompt=draw(maybe(prompts)),
        input=draw(tuples(messages)),
        input_parent_id=draw(maybe(names)),
        output=draw(tuples(messages)),
        output_item_ids=draw(tuples(texts)),
        output_type=draw(st.sampled_from([None, "text", "json"])),
        choice_count=draw(st.integers(1, 9)),
        tool=draw(executions) if name == EXECUTE_TOOL else None,
        usage=draw(maybe(usages)),
        finish_reasons=draw(tuples(texts)),
        streamed=draw(st.booleans()),
        time_to_first_chunk_s=draw(maybe(st.floats(0, 1000))),
        voice_call=draw(maybe(voice_calls)),
        ending=ending,
        failure=None if ending == "completed" else draw(maybe(failures)),
        properties=draw(objects),
    )


def span_of(
    attributes: Any = None, *, number: int = 1, trace: int = 1, failure: Failure | None = None
) -> SpanRecord:
    """A finished span, told apart from others by ``number``; it lasts half a second."""
    start_ns = 1_700_000_000_000_000_000 + number * 1_000_000_000
    return SpanRecord(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        name="chat",
        start_ns=start_ns,
        end_ns=start_ns + 500_000_000,
        attributes=attributes or {},
        status="error" if failure else "unset",
        status_description=failure.message if failure else None,
    )
