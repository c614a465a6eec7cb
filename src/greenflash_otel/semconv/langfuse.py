"""Langfuse, its SDKs from version 3 on: ``langfuse.observation.*``. Pure. Source: its documentation, spans.

Generations and embeddings are read. A tool's observation has no id of its call, and tells nothing that the
next generation does not; chains, agents and spans tell of nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.operations import EMBEDDINGS, Affiliation, Failure, Json, Operation, Usage
from greenflash_otel.semconv.openai_json import read_chat
from greenflash_otel.semconv.parts import read_json
from greenflash_otel.spans import Attributes, SpanRecord

KIND = "langfuse.observation.type"
SIGNS = (KIND,)
INPUT, OUTPUT = "langfuse.observation.input", "langfuse.observation.output"
METADATA = "langfuse.observation.metadata"
CONVERSATION = (
    f"{METADATA}.thread_id",
    "session.id",
    "langfuse.session.id",
    "langfuse.trace.session_id",
)
USER = ("user.id", "langfuse.user.id", "langfuse.trace.user_id")


def read(span: SpanRecord) -> Operation | None:
    """The operation a span tells of; None if it is none of these."""
    kind = _text(span.attributes, KIND)
    if kind not in ("generation", "embedding"):
        return None
    attributes = span.attributes
    asked, answered = read_json(attributes.get(INPUT)), read_json(attributes.get(OUTPUT))
    if isinstance(asked, str) and asked == answered:
        asked = answered = None  # what a mask put in place of both
    operation = Operation(
        "chat" if kind == "generation" else EMBEDDINGS,
        Affiliation(_first(attributes, CONVERSATION), _first(attributes, USER)),
        response_model=_text(attributes, "langfuse.observation.model.name"),
        response_id=_unquoted(attributes, f"{METADATA}.id"),
        previous_response_id=_unquoted(attributes, f"{METADATA}.previous_response_id"),
        input=read_chat(_given(asked), "user"),
        output=read_chat(answered, "assistant") if kind == "generation" else (),
        usage=_usage(attributes),
    )
    if span.status != "error" and _text(attributes, "langfuse.observation.level") != "ERROR":
        return operation
    message = _text(attributes, "langfuse.observation.status_message") or span.status_description
    return replace(operation, ending="failed", failure=Failure("_OTHER", message))


def _given(asked: Json) -> Json:
    """The messages of a request, where they are not all of the input."""
    if isinstance(asked, Mapping) and "role" not in asked:
        return asked["messages"] if "messages" in asked else asked.get("input")
    if isinstance(asked, list):  # its LangChain handler puts the definitions of tools among the messages
        return [entry for entry in asked if not _defines_a_tool(entry)]
    return asked


def _defines_a_tool(entry: Json) -> bool:
    return isinstance(entry, Mapping) and entry.get("role") == "tool" and "tool_call_id" not in entry


def _usage(attributes: Attributes) -> Usage | None:
    details = read_json(attributes.get("langfuse.observation.usage_details"))
    if not isinstance(details, Mapping):
        return None
    names = (("input", "input_tokens", "prompt_tokens"), ("output", "output_tokens", "completion_tokens"))
    tokens = [
        next((count for name in either if isinstance(count := details.get(name), int)), None)
        for either in names
    ]
    return Usage(*tokens) if any(count is not None for count in tokens) else None


def _unquoted(attributes: Attributes, name: str) -> str | None:
    """A text that the span has as JSON."""
    value = read_json(attributes.get(name))
    return value if isinstance(value, str) and value else None


def _first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := _unquoted_or_plain(attributes, name))), None)


def _unquoted_or_plain(attributes: Attributes, name: str) -> str | None:
    return _unquoted(attributes, name) or _text(attributes, name)


def _text(attributes: Attributes, name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None
