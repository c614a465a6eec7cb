"""Find the earlier turns that an unnamed call resends and nobody has recorded yet. Pure.

A history that is resent leads to its conversation. Requests of several turns can arrive in another order: then
the history of a later turn leads nowhere, until the earlier turn arrives. So such a call can wait for what the
earlier turn will be known by.
"""

from __future__ import annotations

from collections.abc import Iterable

from greenflash_otel.conversations.beginnings import prepare_input
from greenflash_otel.conversations.changes import Evidence
from greenflash_otel.conversations.exchanges import MAX_EXCHANGES, walk_exchanges_backwards
from greenflash_otel.conversations.index import ConversationIndex
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.resolve import (
    KnownConversations,
    is_fallback_id,
    list_history_heads,
    name_history,
    resolve_conversation,
)
from greenflash_otel.message_ids.fragments import SYSTEM_ROLES
from greenflash_otel.model.operation import MAIN_CALLS, Operation, ToolCallResponse
from greenflash_otel.model.telemetry import SpanRecord


def find_unknown_turns(store: KnownConversations, span: SpanRecord, operation: Operation) -> frozenset[str]:
    """Return the names by which the earlier turns of an operation will be known; empty if it lacks none."""
    context = operation.conversation_context
    is_named = context.conversation_id or context.scope_id or operation.provider_conversation_id
    if operation.name not in MAIN_CALLS or is_named or not _may_continue(operation):
        return frozenset()
    prepared = prepare_input(store, operation)
    resolution = resolve_conversation(store, span, prepared)
    if not resolution.is_new:
        return frozenset()
    namespace = name_history(store, context)
    return frozenset(_list_names(namespace, prepared))


def continues_unnamed(store: KnownConversations, span: SpanRecord, operation: Operation) -> bool:
    """Return whether an operation without a name belongs to what its trace recorded without a name."""
    unnamed_id = store.index.traces.get(span.trace_id)
    if unnamed_id is None or not is_fallback_id(unnamed_id):
        return False
    prepared = prepare_input(store, operation)
    if prepared.name_in(span) in store.get_state(unnamed_id).emitted_spans:
        return True
    resolution = resolve_conversation(store, span, prepared)
    return resolution.conversation_id == unnamed_id and resolution.evidence is not Evidence.TRACE


def list_new_turns(index: ConversationIndex) -> frozenset[str]:
    """Return the names of all turns that were recorded since the last commit."""
    histories = (name for name, _ in index.histories.list_pending_changes())
    responses = (_name_response(id) for id, _ in index.responses.list_pending_changes())
    tool_calls = (_name_tool_call(id) for id, _ in index.tool_calls.list_pending_changes())
    return frozenset((*histories, *responses, *tool_calls))


def _may_continue(operation: Operation) -> bool:
    """Return whether an operation may be a later turn; cheap enough for every operation."""
    if _leaves_out_beginning(operation):
        return True  # each beginning has an answer
    has_answer = "assistant" in [message.role for message in operation.input[:-1]]
    is_named = operation.previous_response_id is not None or _find_first_result(operation) is not None
    return has_answer or is_named


def _find_first_result(operation: Operation) -> str | None:
    """Return the id of the call that an input without a history begins with the result of."""
    if _leaves_out_beginning(operation):
        return None
    message = next((message for message in operation.input if message.role not in SYSTEM_ROLES), None)
    part = message.parts[0] if message is not None and message.parts else None
    return part.id if isinstance(part, ToolCallResponse) else None


def _leaves_out_beginning(operation: Operation) -> bool:
    return operation.long_input is not None and operation.long_input.beginning is not None


def _list_names(namespace: str, prepared: PreparedOperation) -> Iterable[str]:
    if previous_id := prepared.operation.previous_response_id:
        yield _name_response(previous_id)
    if (call_id := _find_first_result(prepared.operation)) is not None:
        yield _name_tool_call(call_id)
    yield from list_history_heads(namespace, prepared)
    for number, exchange in enumerate(walk_exchanges_backwards(prepared.messages)):
        yield exchange.hash_words(namespace)
        if number < MAX_EXCHANGES:
            yield from exchange.list_forms(namespace)


def _name_response(id: str) -> str:
    return f"response {id}"


def _name_tool_call(id: str) -> str:
    return f"tool call {id}"
