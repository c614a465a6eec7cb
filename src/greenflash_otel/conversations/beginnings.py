"""Continue a long input after a beginning that an earlier call had, so that a call costs what is new in it.

Spans with a long input are read without its beginning, if an earlier call of the conversation had the same one
(`long_inputs`). What is left out may only be left out if it could not change anything. So this is done only where the
whole input would be aligned word for word, from the beginning of the conversation: anything else is read whole.
`align` does the same with the rest as it does with the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from greenflash_otel.conversations.align import match_prefix
from greenflash_otel.conversations.auxiliary import has_other_prompt
from greenflash_otel.conversations.prepare import PreparedOperation, list_links, prepare
from greenflash_otel.conversations.resolve import (
    KnownConversations,
    Resolution,
    list_history_heads,
    name_history,
)
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import Fragment, SplitMessage
from greenflash_otel.message_ids.validation_reports import may_be_report
from greenflash_otel.model.long_input import Beginning, Place, with_whole_input
from greenflash_otel.model.operation import (
    MAIN_CALLS,
    Operation,
    ToolCallResponse,
    iterate_calls,
    iterate_results,
)


def prepare_input(store: KnownConversations, operation: Operation) -> PreparedOperation:
    """Prepare an operation: without the beginning of its input if it continues that word for word, else whole."""
    prepared = prepare(operation)
    if prepared.beginning is None or _continues(store, prepared, prepared.beginning):
        return prepared
    return prepare(with_whole_input(operation))


def learn_beginning(
    state: ConversationState, resolution: Resolution, prepared: PreparedOperation
) -> tuple[Place, Beginning] | None:
    """Return what became of an input up to its newest question, for the calls that will resend it; None if nothing.

    All of the input was aligned word for word, from the beginning of the conversation.
    """
    long_input, messages = prepared.operation.long_input, prepared.messages
    if long_input is None or not _is_plain_call(prepared.operation):
        return None
    last = len(messages) - long_input.entry_count
    if (
        last < 0
        or any(message.role == "user" for message in messages[last + 1 :])
        or messages[last].role != "user"
    ):
        return None  # the messages are not the entries of the text, one by one
    before, earlier = messages[:last], prepared.beginning
    if not all(map(_is_plain, before)) or not (earlier or _begins_plainly(before)):
        return None
    head_id = find_head(state.namespace, earlier.head_id if earlier else None, before)
    if head_id is None or head_id not in state.nodes:
        return None
    namespace, history_head_id = resolution.history_namespace, None
    if namespace is not None:
        history_head_id = find_head(namespace, earlier.history_head_id if earlier else None, before)
    input = prepared.operation.input
    counted = input[len(input) - len(messages) : len(input) - len(messages) + last]
    part_count = sum([len(message.parts) for message in counted])
    return long_input.last_question, Beginning(
        resolution.conversation_id,
        state.serial,
        head_id,
        namespace,
        history_head_id,
        part_count + (earlier.part_count if earlier else 0),
        long_input.prompt_end,
    )


def _continues(store: KnownConversations, prepared: PreparedOperation, beginning: Beginning) -> bool:
    """Return whether nothing of a beginning could change what becomes of the rest."""
    operation, rest = prepared.operation, prepared.messages
    if not rest or not _is_question(rest[0]) or may_be_report(rest[0].message):
        return False
    if not _is_plain_call(operation) or not all(map(_is_plain, rest)):
        return False
    if not _leads_there(store, prepared, beginning):
        return False
    state = store.get_state(beginning.conversation_id)
    if state.serial != beginning.state_serial or state.has_forgotten or state.parent_overrides:
        return False
    if has_other_prompt(state.facts, prepared.prompt) or not _asks_for_no_other(state, operation):
        return False
    links = list_links(rest)
    exact = match_prefix(state, links, beginning.head_id)
    return {link.kind for link in links[len(exact) :]} <= {"user"} and _has_answers(prepared, links)


def _leads_there(store: KnownConversations, prepared: PreparedOperation, beginning: Beginning) -> bool:
    """Return whether an operation belongs to the conversation that has its beginning, whatever is in that."""
    context = prepared.operation.conversation_context
    if context.conversation_id is not None:
        return context.conversation_id == beginning.conversation_id
    namespace = name_history(store, context)
    if beginning.history_namespace != namespace:
        return False
    histories = store.index.histories
    heads = list_history_heads(namespace, prepared)
    known_head_id = next((head_id for head_id in reversed(heads) if histories.has(head_id)), None)
    return known_head_id is not None and histories.get(known_head_id) == beginning.conversation_id


def _asks_for_no_other(state: ConversationState, operation: Operation) -> bool:
    """Return whether a call is surely none of an agent in a tool under way, and brings no results of earlier calls."""
    call_ids = {call.id for call in iterate_calls(operation.input)}
    under_way = state.facts.calls_under_way
    if not call_ids.issuperset([result.id for result in iterate_results(operation.input)]):
        return False
    return not under_way or not call_ids.isdisjoint([call.call_id for call in under_way])


def _has_answers(prepared: PreparedOperation, links: Sequence[Fragment]) -> bool:
    """Return whether the rest has a question with its answer, by which the conversation is found again."""
    if "answer" in [link.kind for link in links]:
        return True
    alternatives = prepared.list_alternatives()
    return all("answer" in [link.kind for link in list_links(answers)] for answers in alternatives)


def _is_plain_call(operation: Operation) -> bool:
    """Return whether a call speaks with the user and says nothing of where it continues."""
    context = operation.conversation_context
    return (
        operation.name in MAIN_CALLS
        and operation.ending != "pending"
        and not context.internal
        and context.tool_call_id is None
        and context.turn_id is None
        and operation.previous_response_id is None
        and operation.input_parent_id is None
        and operation.provider_conversation_id is None
    )


def _is_plain(message: SplitMessage) -> bool:
    """Return whether a message is of the history alone, and comes back as it is."""
    return (
        not message.names_stored_items
        and message.message.out_of_band_id is None
        and True not in [fragment.by_provider for fragment in message.fragments]
    )


def _begins_plainly(messages: Sequence[SplitMessage]) -> bool:
    """Return whether messages begin with a question, and have an answer."""
    return (
        bool(messages) and _is_question(messages[0]) and "assistant" in [message.role for message in messages]
    )


def _is_question(message: SplitMessage) -> bool:
    parts = message.message.parts
    return message.role == "user" and bool(parts) and not isinstance(parts[0], ToolCallResponse)
