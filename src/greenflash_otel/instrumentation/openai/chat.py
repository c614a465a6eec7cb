"""Chat Completions: request and answer as an `Operation`'s values. Pure.

Messages are read as those of other producers' spans are, by `semconv.formats.openai`.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, pick_fields, read_failure
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import (
    JsonObject,
    read_count,
    read_json_object,
    read_list,
    read_str,
)
from greenflash_otel.model.operation import Message, Operation
from greenflash_otel.model.roles import ASSISTANT
from greenflash_otel.semconv.formats.openai import read_message
from greenflash_otel.semconv.usage import read_usage


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """``operation`` with what a request asks for."""
    body = request.body
    return replace(
        operation,
        input=tuple(read_message(read_json_object(entry)) for entry in read_list(body.get("messages"))),
        output_type=read_output_type(body.get("response_format")),
        choice_count=read_count(body.get("n")) or 1,
    )


def read_output_type(format: object) -> str | None:
    """``json`` where a request asks for it in either of two ways."""
    type = read_str(read_json_object(format).get("type"))
    return "json" if type in ("json_object", "json_schema") else None


def read_answer(body: JsonObject) -> ModelAnswer:
    """Read the answer that a whole body contains; a streamed one is put together into the same form before."""
    choices = [read_json_object(choice) for choice in read_list(body.get("choices"))]
    choices.sort(key=lambda choice: read_count(choice.get("index")) or 0)
    return ModelAnswer(
        output=tuple(_read_choice(choice) for choice in choices),
        finish_reasons=tuple(
            reason for choice in choices if (reason := read_str(choice.get("finish_reason")))
        ),
        usage=read_usage(body.get("usage")),
        response_model=read_str(body.get("model")),
        response_id=read_str(body.get("id")),
        properties=pick_fields(body, "service_tier", "system_fingerprint"),
        failure=read_failure(body.get("error")),
    )


def _read_choice(choice: JsonObject) -> Message:
    message = read_message(read_json_object(choice.get("message")), ASSISTANT)
    return replace(message, finish_reason=read_str(choice.get("finish_reason")))
