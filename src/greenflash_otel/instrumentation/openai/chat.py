"""Chat Completions: request and answer as an `Operation`'s values. Pure.

Messages are read as those of other producers' spans are, by `semconv.formats.openai`.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_choices
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


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what a request asks for."""
    body = request.body
    return replace(
        operation,
        input=tuple(read_message(read_json_object(entry)) for entry in read_list(body.get("messages"))),
        output_type=read_output_type(body.get("response_format")),
        choice_count=read_count(body.get("n")) or 1,
    )


def read_output_type(format: object) -> str | None:
    """Return ``json`` where a request asks for it in either of two ways."""
    type = read_str(read_json_object(format).get("type"))
    return "json" if type in ("json_object", "json_schema") else None


def read_answer(body: JsonObject) -> ModelAnswer:
    """Read the answer that a whole body contains; a streamed one is put together into the same form before."""
    return read_choices(body, _read_choice, ("service_tier", "system_fingerprint"))


def _read_choice(choice: JsonObject) -> Message:
    message = read_message(read_json_object(choice.get("message")), ASSISTANT)
    return replace(message, finish_reason=read_str(choice.get("finish_reason")))
