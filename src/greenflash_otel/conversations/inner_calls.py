"""Recognise model calls that work for a tool call under way: agents that another agent uses as tools. Pure.

Such an agent is asked what is in the arguments of the call, and what it says becomes the result. So a call whose
newest question is one of these texts, word for word, works for that tool call; one that only contains such a text
does so if its system prompt is another one, too. What continues from it does as well. A call that resends the tool
call or its result, or that asks what the user asked with the same system prompt, is the conversation's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from greenflash_otel.conversations.auxiliary import (
    begin_excerpt,
    contains_excerpt,
    has_other_prompt,
)
from greenflash_otel.conversations.changes import CallRole, PendingToolCall
from greenflash_otel.conversations.prepare import PreparedOperation, prepare
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.json_values import iterate_texts
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.ids import LEAST_QUOTED, smooth, text_of
from greenflash_otel.model.operation import (
    MAIN_CALLS,
    iterate_calls,
    iterate_results,
)

CALLS = 16
"""Tool calls under way that are remembered of a conversation."""
TEXTS = 8
"""Texts in the arguments of each that are remembered."""
ENDS = 16
"""Places where model calls ended that are remembered of each."""


def attribute_to_tool_call(state: ConversationState, prepared: PreparedOperation) -> PreparedOperation:
    """Return the operation as one within the tool call that it works for, if there is one."""
    operation, requests = prepared.operation, state.facts.calls_under_way
    context = operation.conversation_context
    if not requests or operation.name not in MAIN_CALLS or context.internal or context.tool_call_id:
        return prepared
    call_id = _find_call(state, prepared, requests)
    if call_id is None:
        return prepared
    return prepare(replace(operation, conversation_context=replace(context, tool_call_id=call_id)))


def list_calls_under_way(
    state: ConversationState, prepared: PreparedOperation, role: CallRole
) -> tuple[PendingToolCall, ...]:
    """Return the tools that the newest primary call asks for, with what their arguments say."""
    operation, pending = prepared.operation, list[PendingToolCall]()
    if operation.name not in MAIN_CALLS:
        return state.facts.calls_under_way
    if not role.is_shown:
        return tuple(_add_end(state, prepared, pending_call) for pending_call in state.facts.calls_under_way)
    for call in iterate_calls(operation.output):
        texts = [text for text in iterate_texts(call.arguments) if smooth(text)][:TEXTS]
        if call.id and texts:
            pending.append(PendingToolCall(call.id, tuple(begin_excerpt("", text) for text in texts)))
    return tuple(pending[:CALLS])


def _add_end(
    state: ConversationState, prepared: PreparedOperation, request: PendingToolCall
) -> PendingToolCall:
    """Return a tool call with the place where a model call that works for it ended."""
    operation = prepared.operation
    if operation.conversation_context.tool_call_id != request.call_id:
        return request
    messages = (*prepared.messages, *prepared.list_resent_answers())
    ends = (find_head(state.namespace, operation.input_parent_id, messages), operation.response_id)
    return replace(request, ends=(*request.ends, *(end for end in ends if end))[-ENDS:])


def _find_call(
    state: ConversationState, prepared: PreparedOperation, requests: Sequence[PendingToolCall]
) -> str | None:
    operation = prepared.operation
    if before := operation.previous_response_id or operation.input_parent_id:
        return next((request.call_id for request in requests if before in request.ends), None)
    named = {part.id for part in iterate_calls(operation.input)}
    named |= {part.id for part in iterate_results(operation.input)}
    newest = next((message for message in reversed(prepared.messages) if message.role == "user"), None)
    if newest is None or any(request.call_id in named for request in requests):
        return None
    text, is_other = smooth(text_of(newest.message.parts)), has_other_prompt(state.facts, prepared.prompt)
    is_known = any(
        state.find_by_content(fragment.hash_content(state.namespace))
        for message in prepared.messages
        for fragment in message.fragments
    )
    for request in requests:
        for excerpt in request.texts:
            is_whole = begin_excerpt("", text) == excerpt and (is_other or not is_known)
            is_part = is_other and excerpt.length >= LEAST_QUOTED and contains_excerpt("", text, excerpt)
            if is_whole or is_part:
                return request.call_id
    return None
