"""Responses API: request and answer as an `Operation`'s values. Pure."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import Answer, kept, read_failure
from greenflash_otel.instrumentation.openai.chat import output_type
from greenflash_otel.instrumentation.openai.request import Request
from greenflash_otel.json_values import JsonObject, as_list, as_object, as_text, to_json
from greenflash_otel.model.operation import Failure, Json, Message, Operation, PromptTemplate
from greenflash_otel.semconv.formats.openai import read_messages, read_parts
from greenflash_otel.semconv.usage import read_usage

FINAL = ("completed", "incomplete", "failed", "cancelled")
"""Statuses that a response keeps; a background response begins as ``queued``."""


def read_request(request: Request, operation: Operation) -> Operation:
    """``operation`` with what a request asks for."""
    body = request.body
    properties: dict[str, Json] = {}
    if body.get("background") is True:
        properties["background"] = True
    return replace(
        operation,
        previous_response_id=as_text(body.get("previous_response_id")),
        provider_conversation_id=_conversation_id(body.get("conversation")),
        system_instructions=read_parts(body.get("instructions")),
        prompt=_read_prompt(as_object(body.get("prompt"))),
        input=read_messages(body.get("input")),
        output_type=output_type(as_object(body.get("text")).get("format")),
        properties=properties,
    )


def read_answer(body: JsonObject) -> Answer:
    """The answer that a whole body holds; a streamed one is put together into the same form before."""
    status = as_text(body.get("status"))
    reason = as_text(as_object(body.get("incomplete_details")).get("reason"))
    finish_reason = reason or (status if status in FINAL else None)
    items = [as_object(item) for item in as_list(body.get("output"))]
    parts = read_parts(items)
    properties = kept(body, "service_tier")
    if reason:
        properties["incomplete_reason"] = reason
    if status and status not in FINAL:
        properties["status"] = status
    return Answer(
        output=(Message("assistant", parts, finish_reason=finish_reason),) if parts else (),
        finish_reasons=(finish_reason,) if finish_reason else (),
        usage=read_usage(body.get("usage")),
        response_model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        provider_conversation_id=_conversation_id(body.get("conversation")),
        item_ids=tuple(id for item in items if (id := as_text(item.get("id")))),
        previous_response_id=as_text(body.get("previous_response_id")),
        system_instructions=read_parts(body.get("instructions")),
        prompt=_read_prompt(as_object(body.get("prompt"))),
        properties=properties,
        failure=read_failure(body.get("error")) or (Failure("failed") if status == "failed" else None),
        cancelled=status == "cancelled",
        pending=status == "queued" or (status == "in_progress" and body.get("background") is True),
    )


def _read_prompt(prompt: JsonObject) -> PromptTemplate | None:
    id = as_text(prompt.get("id"))
    if id is None:
        return None
    variables = {str(name): to_json(value) for name, value in as_object(prompt.get("variables")).items()}
    return PromptTemplate(id, as_text(prompt.get("version")), variables)


def _conversation_id(conversation: object) -> str | None:
    return as_text(conversation) or as_text(as_object(conversation).get("id"))
