"""Why not all of a producer's recordings arrives whole, in each way it may come: the notes of `docs/conventions.md`."""

from __future__ import annotations

from collections.abc import Mapping

NOTES: Mapping[str, str] = {
    "langfuse-openai-js-5.11.1": "only the next call has the text and the ids of streamed tool calls",
    "mixed-openinference-langchain-otel-openai-0.1.80-1.3b0": (
        "only the outer layer, which ends later, has the reasoning and the failure of a tool; the span of an embedding "
        "has no text"
    ),
    "openinference-openai-agents-2.6.0": "only a system prompt is there, and it is sent with a first message",
    "openinference-two-0.1.80": "the inner layer has a separate trace and does not know that a tool failed",
    "openllmetry-langchain-0.47.5": "one request's trace leaks into the next; two calls of Responses are not linked",
    "openllmetry-openai-0.47.5": "two calls of Responses are not linked",
    "openllmetry-openai-0.62.4": "the tool's own span has another id than the call in Responses",
    "otel-bedrock-0.66b2": "only the next call has the text of an answer that requests tools, so it follows them",
    "otel-genai-openai-agents-1.3b0": "model calls have no spans, so tools that ran at once follow each other",
    "otel-genai-two-1.3b0": "the span of an embedding has no text",
}
"""The reason by producer, which the spans themselves give."""
