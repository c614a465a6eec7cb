"""Describe what an answer says, and how an operation ended. Pure.

Every surface reads its answer, whole or put together from a stream, into one `Answer`. Whether an
operation was completed is decided by what arrived, not by the way in which the stream was left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from greenflash_otel.json_values import JsonObject, read_count, read_json_object, read_list, read_str
from greenflash_otel.model.operation import (
    Ending,
    Failure,
    Json,
    Message,
    Operation,
    Part,
    PromptTemplate,
    Text,
    Usage,
)
from greenflash_otel.semconv.usage import read_usage

MAX_MESSAGE_CHARS = 1_000
"""A failure's message is cut here: a validation error quotes all that it was given."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an operation ended, and why if it failed."""

    ending: Ending
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the provider answered, as far as it got."""

    output: tuple[Message, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    usage: Usage | None = None
    response_model: str | None = None
    response_id: str | None = None
    previous_response_id: str | None = None
    provider_conversation_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """Ids of the items in the output, where the provider gives them any."""
    system_instructions: tuple[Part, ...] = ()
    """As the provider resolved them, where the request only named a stored prompt."""
    prompt: PromptTemplate | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    failure: Failure | None = None
    """The provider said that it failed."""
    cancelled: bool = False
    """The provider said that it was cancelled."""
    pending: bool = False
    """The provider said that it continues it."""


def read_choices(
    body: JsonObject, read_choice: Callable[[JsonObject], Message], property_names: Sequence[str]
) -> ModelAnswer:
    """Read an answer that consists of choices, as those of chat and of legacy completions do.

    Args:
        read_choice: Returns the message of a choice.
        property_names: Fields of the body that become properties.
    """
    choices = [read_json_object(choice) for choice in read_list(body.get("choices"))]
    choices.sort(key=lambda choice: read_count(choice.get("index")) or 0)
    return ModelAnswer(
        output=tuple(read_choice(choice) for choice in choices),
        finish_reasons=tuple(
            reason for choice in choices if (reason := read_str(choice.get("finish_reason")))
        ),
        usage=read_usage(body.get("usage")),
        response_model=read_str(body.get("model")),
        response_id=read_str(body.get("id")),
        properties=pick_fields(body, *property_names),
        failure=read_failure(body.get("error")),
    )


def complete_operation(
    operation: Operation,
    answer: ModelAnswer,
    verdict: Verdict,
    *,
    first_chunk_s: float | None,
    properties: Mapping[str, Json],
) -> Operation:
    """Return ``operation`` as it turned out."""
    instructions = operation.system_instructions or answer.system_instructions
    return replace(
        operation,
        output=answer.output,
        output_item_ids=answer.item_ids,
        choice_count=max(operation.choice_count, len(answer.output)),
        finish_reasons=answer.finish_reasons,
        usage=answer.usage,
        response_model=answer.response_model,
        response_id=answer.response_id or operation.response_id,
        previous_response_id=operation.previous_response_id or answer.previous_response_id,
        provider_conversation_id=answer.provider_conversation_id or operation.provider_conversation_id,
        system_instructions=instructions,
        prompt=_add_text(operation.prompt or answer.prompt, instructions),
        time_to_first_chunk_s=first_chunk_s if operation.streamed else None,
        ending=verdict.ending,
        failure=verdict.failure,
        properties={**operation.properties, **answer.properties, **properties},
    )


def _add_text(prompt: PromptTemplate | None, instructions: tuple[Part, ...]) -> PromptTemplate | None:
    """Add its text to a stored prompt that has no variables: there, the text is the template."""
    if prompt is None or prompt.variables:
        return prompt
    text = "\n".join(part.content for part in instructions if isinstance(part, Text))
    return replace(prompt, template=text or None)


def judge(answer: ModelAnswer, *, complete: bool, error: BaseException | None) -> Verdict:
    """Return how an answer ended that was whole, or read from a stream which ``error`` broke off, if anything did.

    A complete answer is complete however its stream was left. One that is not was abandoned, unless
    something went wrong.
    """
    if answer.failure:
        return Verdict("failed", answer.failure)
    if answer.pending:
        return Verdict("pending", judge_error(error).failure if error else None)
    if complete:
        return Verdict("cancelled" if answer.cancelled else "completed")
    return judge_error(error) if error else Verdict("abandoned")


def judge_error(error: BaseException) -> Verdict:
    """Return how an operation ended that raised ``error``; what is no `Exception` cancelled its caller."""
    if not isinstance(error, Exception):
        return Verdict("cancelled")
    return Verdict("failed", Failure(type(error).__name__, str(error)[:MAX_MESSAGE_CHARS] or None))


class TruncatedStreamError(Exception):
    """The server ended a stream in the middle of its answer. Never raised, only recorded."""


class UnreadableAnswerError(Exception):
    """The server answered with something else than JSON. Never raised, only recorded."""


def details_of(error: BaseException) -> Mapping[str, Json]:
    """Read what the SDK's errors know of the request they failed on."""
    details: dict[str, Json] = {}
    if (status := read_count(getattr(error, "status_code", None))) is not None:
        details["http_status"] = status
    if request_id := read_str(getattr(error, "request_id", None)):
        details["request_id"] = request_id
    headers = getattr(getattr(error, "request", None), "headers", {})
    if (retries := headers.get("x-stainless-retry-count", "0")) != "0":
        details["retries"] = int(retries)
    return details


def read_failure(error: object) -> Failure | None:
    """Read the ``error`` of a body or of a stream event; None if there is none."""
    if not error:
        return None
    fields = read_json_object(error)
    kind = fields.get("code") or fields.get("type") or "error"
    message = read_str(fields.get("message")) or (error if isinstance(error, str) else None)
    return Failure(str(kind), message[:MAX_MESSAGE_CHARS] if message else None)


def pick_fields(fields: JsonObject, *names: str) -> dict[str, Json]:
    """Return the texts and numbers among ``fields`` that have one of ``names``."""
    return {name: value for name in names if isinstance(value := fields.get(name), (str, int, float))}
