"""Find the conversation of an operation, and where in it its input begins. Pure.

The first of these that applies counts (see `Evidence`): what the application said; the conversation that
OpenAI stores; stored items the input refers to; the response it continues or fetches; the tool call whose
result it begins with; the tool call it ran in; the history it resends, or an exchange of it (`exchanges`);
the scope it ran in; the trace.
Conversations of two users, and two conversations that said exactly the same so far, are never joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

from greenflash_otel.conversations.changes import Evidence, Location
from greenflash_otel.conversations.exchanges import find_by_exchange
from greenflash_otel.conversations.index import ConversationIndex
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import START, Cursor, list_heads
from greenflash_otel.message_ids.fragments import NOT_SAID, SplitMessage, split_message
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import (
    FETCH,
    RECORD_MESSAGE,
    ConversationContext,
    Operation,
    Other,
    Part,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.registry import OURS
from greenflash_otel.values import value


class KnownConversations(Protocol):
    """What the pure steps read of the store."""

    index: ConversationIndex

    def get_state(self, id: str) -> ConversationState:
        """Return what is known of a conversation."""
        ...

    def choose_namespace(self, name: str) -> str:
        """Return what the ids of something are hashed with."""
        ...


@value
class Resolution:
    """The conversation of an operation."""

    conversation_id: str
    cursor: Cursor | None
    """Where its input begins; None if nothing says that, and it has to be aligned."""
    rest: Sequence[SplitMessage]
    """What of the input follows `cursor`."""
    evidence: Evidence
    is_new: bool = False
    """Whether nothing but the trace says which conversation it is, and the trace is new."""
    parent_override: tuple[str, str] | None = None
    """The head after a response, and the id of the message before it."""
    history_namespace: str | None = None
    """What this conversation's history is hashed with; None if its id was given."""
    history_head_id: str | None = None
    """Hash of all of the input, in that namespace."""


@value
class _ConversationMatch:
    """A place that something in the operation refers to."""

    evidence: Evidence
    location: Location
    rest: Sequence[SplitMessage]
    parent_override: tuple[str, str] | None = None


def resolve_conversation(
    store: KnownConversations, span: SpanRecord, prepared: PreparedOperation
) -> Resolution:
    """Find the conversation of an operation."""
    operation = prepared.operation
    given_id = operation.conversation_context.conversation_id or operation.provider_conversation_id
    match = (
        _find_stored_item(store, given_id, prepared.messages)
        or _find_response(store, prepared)
        or _find_tool_call(store, given_id, prepared)
    )
    if given_id is not None:
        evidence = Evidence.GIVEN if operation.conversation_context.conversation_id else Evidence.PROVIDER
        if match is None or match.location.conversation_id != given_id:
            start = _find_start(store.get_state(given_id), operation)
            match = _ConversationMatch(
                evidence, Location(given_id, start), _leave_unnamed(store, span, prepared, given_id)
            )
        return _make_resolution(match, evidence)
    if match is not None:
        return _make_resolution(match, match.evidence)
    if tool_conversation_id := _find_by_tool(store, operation):
        location = Location(tool_conversation_id)
        return _make_resolution(
            _ConversationMatch(Evidence.TOOL_CALL, location, prepared.messages), Evidence.TOOL_CALL
        )
    return _resolve_by_content(store, span, prepared)


def choose_fallback_conversation_id(
    index: ConversationIndex, trace_id: str | None, context: ConversationContext
) -> str:
    """Return the conversation of the running scope, else of the trace; empty if there is neither."""
    if scope_id := context.scope_id:
        return index.scopes.get(scope_id) or f"scope-{scope_id}"
    if trace_id:
        return index.traces.get(trace_id) or f"trace-{trace_id}"
    return ""


def is_fallback_id(conversation_id: str) -> bool:
    """Return whether a conversation has an id of ours, because nobody named it."""
    return conversation_id.startswith(("scope-", "trace-"))


def list_stored_item_names(part: Part) -> list[str]:
    """Return what names the stored item that a part stands for: its id, and what is sealed in it."""
    if not isinstance(part, Other) or part.type not in NOT_SAID:
        return []
    names = (part.fields.get("id"), part.fields.get("encrypted_content"))
    return [name for name in names if isinstance(name, str)]


def _make_resolution(match: _ConversationMatch, evidence: Evidence) -> Resolution:
    cursor = match.location.cursor
    return Resolution(
        conversation_id=match.location.conversation_id,
        cursor=None if cursor == START else cursor,
        rest=match.rest,
        evidence=evidence,
        parent_override=match.parent_override,
    )


def _leave_unnamed(
    store: KnownConversations, span: SpanRecord, prepared: PreparedOperation, given_id: str
) -> Sequence[SplitMessage]:
    """Return the messages of an operation without a history that was recorded before it had a name.

    That can only be so at the beginning of a named conversation, and not for spans of our own: they are named
    from the start.
    """
    messages = prepared.messages
    last = max((at for at, message in enumerate(messages, 1) if message.role == "assistant"), default=0)
    if not last or span.scope == OURS or store.get_state(given_id).nodes:
        return messages
    user_id = prepared.operation.conversation_context.user_id or ""
    for name in dict.fromkeys((f"history of {user_id}", "history of ")):
        heads = list_heads(store.choose_namespace(name), None, messages[:last])
        conversation_id = store.index.histories.get(heads[-1]) if heads else None
        if conversation_id and is_fallback_id(conversation_id):
            return messages[last:]
    return messages


def _resolve_by_content(
    store: KnownConversations, span: SpanRecord, prepared: PreparedOperation
) -> Resolution:
    """Find the conversation by the history that is resent, else by the scope or the trace."""
    operation, context = prepared.operation, prepared.operation.conversation_context
    namespace = name_history(store, context)
    heads = list_history_heads(namespace, prepared)
    is_recorded = operation.name == RECORD_MESSAGE  # its input is no history
    id = None if is_recorded else _find_by_history(store, namespace, heads, prepared)
    if id is not None:
        evidence = Evidence.HISTORY
    else:
        evidence = Evidence.SCOPE if context.scope_id else Evidence.TRACE
        id = choose_fallback_conversation_id(store.index, span.trace_id, context)
    cursor = _find_start(store.get_state(id), operation)
    return Resolution(
        conversation_id=id,
        cursor=None if cursor == START else cursor,
        rest=prepared.messages,
        evidence=evidence,
        is_new=evidence is Evidence.TRACE and not store.index.traces.has(span.trace_id),
        history_namespace=None if operation.previous_response_id or is_recorded else namespace,
        history_head_id=heads[-1] if heads else None,
    )


def name_history(store: KnownConversations, context: ConversationContext) -> str:
    """Return what the histories of a user's conversations are hashed with that nobody named."""
    return store.choose_namespace(f"history of {context.user_id or ''}")


def list_history_heads(namespace: str, prepared: PreparedOperation) -> list[str]:
    """Return the ids of the links of an input among all histories."""
    beginning = prepared.beginning
    return list_heads(namespace, beginning.history_head_id if beginning else None, prepared.messages)


def _find_start(state: ConversationState, operation: Operation) -> Cursor:
    """Return where the input begins in a conversation, as far as the operation says; else `START`."""
    if parent_id := operation.input_parent_id:
        return state.branch_cursors.get(parent_id) or Cursor.create_after(parent_id)
    if operation.name == FETCH and operation.response_id:
        return START.with_head(_hash_response(state, "fetched", operation.response_id))
    if previous_id := operation.previous_response_id:
        return START.with_head(_hash_response(state, "continued", previous_id))
    if operation.provider_conversation_id or operation.name == RECORD_MESSAGE:
        return state.facts.cursor
    return START


def _hash_response(state: ConversationState, role: Literal["fetched", "continued"], response_id: str) -> str:
    """Return the head at a response's answer that is fetched, or for what continues it.

    It depends on nothing but the conversation and the response: whichever process sees what comes there, in
    whatever order, gives it the same ids. Where the place is known, that adds parents, and an override says
    which message is before the head.
    """
    return id_of(state.namespace, None, role, response_id)


def _find_response(store: KnownConversations, prepared: PreparedOperation) -> _ConversationMatch | None:
    """Find the place after the response that an operation continues, or at the one that it fetches."""
    operation, responses = prepared.operation, store.index.responses
    previous_id = operation.previous_response_id or ""
    role: Literal["fetched", "continued"]
    if operation.name == FETCH and operation.response_id:
        role, response_id = "fetched", operation.response_id
        location = responses.get(response_id) or responses.get(previous_id)
    elif previous_id:
        role, response_id = "continued", previous_id
        location = responses.get(previous_id)
    else:
        return None
    if location is None:
        return None
    id, cursor = location.conversation_id, location.cursor
    head_id = _hash_response(store.get_state(id), role, response_id)
    override = None if cursor.head_id is None else (head_id, cursor.head_id)
    return _ConversationMatch(
        Evidence.RESPONSE, Location(id, cursor.with_head(head_id)), prepared.messages, override
    )


def _find_stored_item(
    store: KnownConversations, given_id: str | None, messages: Sequence[SplitMessage]
) -> _ConversationMatch | None:
    """Find the place of the last stored item that the input refers to, and what of the input is after it."""
    for at in range(len(messages) - 1, -1, -1):
        if not messages[at].names_stored_items:
            continue
        message = messages[at].message
        for index in range(len(message.parts) - 1, -1, -1):
            for name in list_stored_item_names(message.parts[index]):
                location = store.index.items.get(name)
                if location and given_id in (None, location.conversation_id):
                    rest = split_message(replace(message, parts=message.parts[index + 1 :]))
                    return _ConversationMatch(Evidence.ITEM, location, (rest, *messages[at + 1 :]))
    return None


def _find_tool_call(
    store: KnownConversations, given_id: str | None, prepared: PreparedOperation
) -> _ConversationMatch | None:
    """Find the place after a tool call where the input begins with its result: it continues that call."""
    operation, messages = prepared.operation, prepared.messages
    first = messages[0].message.parts[0] if messages and messages[0].message.parts else None
    if not isinstance(first, ToolCallResponse) or not first.id:
        return None
    if operation.previous_response_id or any(message.role == "assistant" for message in messages):
        return None  # the first is named, the second a window that begins with a result
    call_id = first.id
    id = store.index.tool_calls.get(call_id)
    if id is None or given_id not in (None, id):
        return None
    state, user_id = store.get_state(id), operation.conversation_context.user_id
    if user_id and state.facts.user_id not in (None, user_id):
        return None
    if state.facts.cursor.find_call(call_id):
        return _ConversationMatch(Evidence.TOOL_CALL, Location(id, state.facts.cursor), messages)
    node = state.nodes.get(state.tool_call_message_ids.get(call_id, ""))
    return _ConversationMatch(Evidence.TOOL_CALL, Location(id, node.cursor), messages) if node else None


def _find_by_tool(store: KnownConversations, operation: Operation) -> str | None:
    """Return the conversation that asked for the tool which an operation runs, or runs in."""
    call_ids = (operation.tool and operation.tool.call_id, operation.conversation_context.tool_call_id)
    conversation_ids = (store.index.tool_calls.get(call_id) for call_id in call_ids if call_id)
    return next((id for id in conversation_ids if id is not None), None)


def _find_by_history(
    store: KnownConversations, namespace: str, heads: Sequence[str], prepared: PreparedOperation
) -> str | None:
    """Return the conversation whose every word, up to its last answer, is resent; or an exchange of it."""
    histories = store.index.histories
    for head_id in reversed(heads):
        if histories.has(head_id):
            return histories.get(head_id)
    is_user_known = prepared.operation.conversation_context.user_id is not None
    return find_by_exchange(
        store.index, store.get_state, namespace, prepared.messages, is_user_known=is_user_known
    )


def is_news(store: KnownConversations, operation: Operation) -> bool:
    """Return whether a fetched answer is final, whole, and was not emitted before."""
    if not operation.finish_reasons or operation.ending == "pending":
        return False
    return not (operation.response_id and store.index.emitted_responses.has(operation.response_id))


def does_resend_history(prepared: PreparedOperation, resolution: Resolution) -> bool:
    """Return whether a call names or resends earlier turns: an answer is before its newest user message."""
    if prepared.operation.input_parent_id is not None:
        return any(message.role == "user" for message in resolution.rest)
    if resolution.cursor is not None or prepared.beginning is not None:
        return True  # a beginning has an answer, and what follows it a question
    has_question = False
    for message in reversed(resolution.rest):
        if has_question and message.role == "assistant":
            return True
        has_question = has_question or message.role == "user"
    return False
