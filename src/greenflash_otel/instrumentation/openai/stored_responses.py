"""Read what OpenAI stores: responses that are fetched, cancelled, compacted; items of conversations. Pure.

None of these asks a model for an answer now. A fetched response is one that was asked for elsewhere;
items are added to a conversation, or deleted, outside any response.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_failure
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.instrumentation.openai.responses import read_answer, read_request
from greenflash_otel.json_values import JsonObject, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Message, Operation, Other
from greenflash_otel.semconv.formats.openai import read_item, read_messages
from greenflash_otel.semconv.usage import read_usage


def read_fetch(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that reads, or cancels, a response."""
    return replace(operation, response_id=request.ids[0])


def read_fetched(body: JsonObject) -> ModelAnswer:
    """Read a stored response. Only one in the background is fetched while it is in progress."""
    answer = read_answer(body)
    return replace(answer, pending=answer.pending or body.get("status") == "in_progress")


def read_compact(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that has the history of a conversation replaced by a compaction item."""
    return read_request(request, operation)


def read_compacted(body: JsonObject) -> ModelAnswer:
    """Read the compaction item. The items with it are messages of the input, recorded before."""
    items = [read_json_object(item) for item in read_list(body.get("output"))]
    compactions = [part for item in items if item.get("type") == "compaction" for part in read_item(item)]
    return ModelAnswer(
        output=(Message("assistant", tuple(compactions)),) if compactions else (),
        usage=read_usage(body.get("usage")),
        failure=read_failure(body.get("error")),
    )


def read_add(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that adds items to a conversation, a new one or that of the path."""
    id = request.ids[0] if request.ids else None
    return replace(operation, input=read_messages(request.body.get("items")), provider_conversation_id=id)


def read_added(body: JsonObject) -> ModelAnswer:
    """Read the conversation that was made, or the items that were added."""
    items = [read_json_object(item) for item in read_list(body.get("data"))]
    return ModelAnswer(
        provider_conversation_id=None if items else read_str(body.get("id")),
        item_ids=tuple(id for item in items if (id := read_str(item.get("id")))),
        failure=read_failure(body.get("error")),
    )


def read_delete(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that deletes an item, a response or a conversation: the last id in the path."""
    deleted = Other("item_reference", {"id": request.ids[-1]})
    id = request.ids[0] if request.ids[0].startswith("conv") else None
    return replace(operation, input=(Message("user", (deleted,)),), provider_conversation_id=id)


def read_deleted(body: JsonObject) -> ModelAnswer:
    """Return that it was deleted: the answer says no more."""
    return ModelAnswer(failure=read_failure(body.get("error")))
