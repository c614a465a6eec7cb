"""Responses API: request and answer as an `Operation`'s values. Pure."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import Answer, kept, read_failure, read_usage
from greenflash_otel.instrumentation.openai.items import read_input, read_instructions, read_output
from greenflash_otel.instrumentation.openai.plain import JsonObject, as_list, as_object, as_text, plain
from greenflash_otel.operations import Failure, Json, Message, Operation

FINAL = ("completed", "incomplete", "failed", "cancelled")
"""Statuses that a response keeps; a background response begins as ``queued``."""


def read_request(body: JsonObject, operation: Operation) -> Operation:
    """``operation`` with what a request body asks for."""
    properties: dict[str, Json] = {}
    if prompt := as_object(body.get("prompt")):
        properties["prompt"] = plain(prompt)
    if body.get("background") is True:
        properties["background"] = True
    return replace(
        operation,
        previous_response_id=as_text(body.get("previous_response_id")),
        provider_conversation_id=_conversation_id(body.get("conversation")),
        system_instructions=read_instructions(body.get("instructions")),
        input=read_input(body.get("input")),
        properties=properties,
    )


def read_answer(body: JsonObject) -> Answer:
    """The answer that a whole body holds; a streamed one is put together into the same form before."""
    status = as_text(body.get("status"))
    reason = as_text(as_object(body.get("incomplete_details")).get("reason"))
    finish_reason = reason or (status if status in FINAL else None)
    parts = read_output(as_list(body.get("output")))
    properties = kept(body, "service_tier")
    if reason:
        properties["incomplete_reason"] = reason
    if status and status not in FINAL:
        properties["status"] = status
    return Answer(
        output=(Message("assistant", parts, finish_reason=finish_reason),) if parts else (),
        finish_reasons=(finish_reason,) if finish_reason else (),
        usage=read_usage(as_object(body.get("usage"))),
        response_model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        provider_conversation_id=_conversation_id(body.get("conversation")),
        system_instructions=read_instructions(body.get("instructions")),
        properties=properties,
        failure=read_failure(body.get("error")) or (Failure("failed") if status == "failed" else None),
        cancelled=status == "cancelled",
    )


def _conversation_id(conversation: object) -> str | None:
    return as_text(conversation) or as_text(as_object(conversation).get("id"))
