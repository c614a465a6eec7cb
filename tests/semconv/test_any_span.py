"""Whatever a span holds under the names of a convention, reading it does not fail."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from greenflash_otel.model.telemetry import Attributes, SpanEvent
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.correlation.trace import combine_spans, read
from tests.strategies import span_of

KEYS = [
    *("role", "parts", "content", "type", "text", "messages", "input", "output", "id", "tool_calls"),
    *("name", "arguments", "args", "kwargs", "lc", "generations", "message", "choices", "query"),
    *("tool_call_id", "data", "status", "contents", "config", "function_call", "response", "toolUse"),
    *("toolResult", "image_url", "url", "event.name", "call_id", "instructions", "usage", "delta"),
    *("reasoning", "summary", "documents", "function", "refusal", "additional_kwargs", "audio", "source"),
    *("file", "file_data", "base64", "custom", "tool_use_id", "modality", "uri", "output_index", "n"),
]
WORDS = st.sampled_from(
    [
        *("", "user", "assistant", "tool", "text", "function_call", "reasoning", "gen_ai.user.message", "Hi"),
        *("c", "web_search_call", "mcp_call", "custom_tool_call", "tool_result", "refusal", "file", "data:,"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    *sorted(registry.MARKER_ATTRIBUTES),
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.name"),
    *("gen_ai.prompt", "gen_ai.completion", "gen_ai.completion.0.function_call.name", "input.value"),
    *("output.value", "ai.prompt.messages", "ai.response.toolCalls", "ai.values", "langsmith.span.kind"),
    *("langfuse.observation.input", "langfuse.observation.output", "traceloop.entity.input"),
    *("traceloop.entity.output", "raw_input", "response", "request_data", "response_data"),
    *("gen_ai.retrieval.query.text", "gen_ai.retrieval.documents", "metadata", "system_prompt", "ai.prompt"),
    *("llm.prompts", "llm.prompts.0.prompt.text", "llm.choices.0.completion.text", "input.mime_type"),
    *("llm.input_messages.1.message.role", "langfuse.observation.model.parameters", "gen_ai.response.id"),
)
KINDS = {
    "openinference.span.kind": ("LLM", "TOOL", "RETRIEVER", "EMBEDDING"),
    "langsmith.span.kind": ("llm", "tool", "retriever", "embedding"),
    "langfuse.observation.type": ("generation", "tool", "retriever", "embedding"),
    "mlflow.spanType": ('"CHAT_MODEL"', '"TOOL"', '"RETRIEVER"', '"EMBEDDING"'),
    "ai.operationId": ("ai.generateText.doGenerate", "ai.toolCall", "ai.embed.doEmbed", "ai.streamText"),
    "gen_ai.operation.name": ("chat", "execute_tool", "retrieval", "invoke_agent", "vector_db_retrieve"),
    "traceloop.span.kind": ("tool", "task"),
    "logfire.msg_template": ("Function: {name}", "Chat"),
}
EVENTS = ("gen_ai.user.message", "gen_ai.choice", "gen_ai.tool.message", "mlflow.chunk.item.0", "exception")
DETAILS = "gen_ai.client.inference.operation.details"


@st.composite
def attributes(draw: st.DrawFn) -> Attributes:
    """Names of conventions with values of any shape, some as JSON, some of them cut."""
    found = {}
    for name, value in draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)).items():
        text = json.dumps(value)
        found[name] = draw(st.sampled_from([value, text, text[: len(text) // 2]]))
    for name in draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=2)):
        found[name] = draw(st.sampled_from(KINDS[name]))
    return found


@settings(deadline=None)  # a machine can be busy
@given(st.lists(st.tuples(attributes(), attributes(), st.sampled_from((*EVENTS, DETAILS))), max_size=3))
def test_any_span(told: list[tuple[Attributes, Attributes, str]]) -> None:
    """It is read, or tells of nothing; so are all of a trace together."""
    spans = [
        replace(
            span_of(given, number=number),
            parent_span_id=f"{number + 1:016x}",
            events=(SpanEvent(name, 1, event),),
            status="error" if number % 2 else "unset",
        )
        for number, (given, event, name) in enumerate(told, 1)
    ]
    assert len(combine_spans(map(read, spans))) == len(spans)
