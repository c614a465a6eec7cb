"""`gen_ai.prompt` and `gen_ai.completion` as texts: spans made by hand, older versions of Spring AI. Pure.

Everything else of such a span is as `otel_events` reads it. Spring AI has the texts of all messages in one list,
without roles: only the last is known to be the user's, and of two the first is the instruction.
Source: https://docs.spring.io/spring-ai/reference/observability/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import MAIN_CALLS, Json, Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import otel_events
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.expected_json import read_messages_document
from greenflash_otel.semconv.formats.any_message import read_messages
from greenflash_otel.semconv.formats.api_payloads import read_request, read_response

PROMPT, COMPLETION = "gen_ai.prompt", "gen_ai.completion"
MARKER_ATTRIBUTES = (PROMPT, COMPLETION)


def read(span: SpanRecord) -> Operation | None:
    """Read a model call, or a whole run, with what its attributes say in texts."""
    if genai.OPERATION_NAME not in span.attributes:
        span = replace(span, attributes={**span.attributes, genai.OPERATION_NAME: "chat"})
    operation = otel_events.read(span)
    if operation is None or operation.name not in (*MAIN_CALLS, RUN) or operation.input or operation.output:
        return operation
    messages = read_prompt(span.attributes.get(PROMPT))
    answers = read_completion(span.attributes.get(COMPLETION))
    return replace(operation, input=messages, output=answers, choice_count=max(len(answers), 1))


def read_prompt(value: object) -> tuple[Message, ...]:
    """Read what a model was given: a text, texts without roles, messages, or a request that contains them."""
    decoded = read_messages_document(value)
    if texts := _list_texts(decoded):
        first = (Message("system", (Text(texts[0]),)),) if len(texts) == 2 else ()
        return (*first, Message("user", (Text(texts[-1]),)))
    if isinstance(decoded, Mapping):
        request = read_request(decoded)
        system = (Message("system", request.instructions),) if request.instructions else ()
        if request.messages:
            return (*system, *request.messages)
    return read_messages(value, default_role="user")


def read_completion(value: object) -> tuple[Message, ...]:
    """Read what a model answered: a text, a text for each choice, messages, or an answer that contains them."""
    decoded = read_messages_document(value)
    if texts := _list_texts(decoded):
        return tuple(Message("assistant", (Text(text),)) for text in texts)
    if (
        isinstance(decoded, Mapping)
        and "parts" not in decoded
        and (messages := read_response(decoded).messages)
    ):
        return messages
    return read_messages(value, default_role="assistant")


def _list_texts(value: Json) -> Sequence[str]:
    """Return the texts of a list that has nothing else; those that are empty belong to calls of tools."""
    is_list = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return [item for item in value if isinstance(item, str) and item] if is_list else ()  # type: ignore[union-attr]


CONVENTION = Convention(
    "Plain prompts",
    MARKER_ATTRIBUTES,
    read,
    after=("LangSmith", "LiteLLM", "OpenLLMetry"),
)
