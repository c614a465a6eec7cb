"""Responses API: request and answer as an `Operation`'s values. Pure."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, pick_fields, read_failure
from greenflash_otel.instrumentation.openai.chat import read_output_type
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import JsonObject, read_json_object, read_list, read_str, to_json
from greenflash_otel.model.operation import Failure, Json, Message, Operation, PromptTemplate
from greenflash_otel.semconv.formats.openai import read_messages, read_parts
from greenflash_otel.semconv.usage import read_usage

FINAL = ("completed", "incomplete", "failed", "cancelled")
"""Statuses that a response keeps; a background response begins as ``queued``."""


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what a request asks for."""
    body = request.body
    properties: dict[str, Json] = {}
    if body.get("background") is True:
        properties["background"] = True
    return replace(
        operation,
        previous_response_id=read_str(body.get("previous_response_id")),
        provider_conversation_id=_read_conversation_id(body.get("conversation")),
        system_instructions=read_parts(body.get("instructions")),
        prompt=_read_prompt(read_json_object(body.get("prompt"))),
        input=read_messages(body.get("input")),
        output_type=read_output_type(read_json_object(body.get("text")).get("format")),
        properties=properties,
    )


def read_answer(body: JsonObject) -> ModelAnswer:
    """Read the answer that a whole body contains; a streamed one is put together into the same form before."""
    status = read_str(body.get("status"))
    reason = read_str(read_json_object(body.get("incomplete_details")).get("reason"))
    finish_reason = reason or (status if status in FINAL else None)
    items = [read_json_object(item) for item in read_list(body.get("output"))]
    parts = read_parts(items)
    properties = pick_fields(body, "service_tier")
    if reason:
        properties["incomplete_reason"] = reason
    if status and status not in FINAL:
        properties["status"] = status
    return ModelAnswer(
        output=(Message("assistant", parts, finish_reason=finish_reason),) if parts else (),
        finish_reasons=(finish_reason,) if finish_reason else (),
        usage=read_usage(body.get("usage")),
        response_model=read_str(body.get("model")),
        response_id=read_str(body.get("id")),
        provider_conversation_id=_read_conversation_id(body.get("conversation")),
        item_ids=tuple(id for item in items if (id := read_str(item.get("id")))),
        previous_response_id=read_str(body.get("previous_response_id")),
        system_instructions=read_parts(body.get("instructions")),
        prompt=_read_prompt(read_json_object(body.get("prompt"))),
        properties=properties,
        failure=read_failure(body.get("error")) or (Failure("failed") if status == "failed" else None),
        cancelled=status == "cancelled",
        pending=status == "queued" or (status == "in_progress" and body.get("background") is True),
    )


def _read_prompt(prompt: JsonObject) -> PromptTemplate | None:
    id = read_str(prompt.get("id"))
    if id is None:
        return None
    variables = {
        str(name): to_json(value) for name, value in read_json_object(prompt.get("variables")).items()
    }
    return PromptTemplate(id, read_str(prompt.get("version")), variables)


def _read_conversation_id(conversation: object) -> str | None:
    return read_str(conversation) or read_str(read_json_object(conversation).get("id"))
