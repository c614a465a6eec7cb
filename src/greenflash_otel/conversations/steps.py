"""Find the question that a hidden step was made for. Pure.

Before an application asks the model, it embeds, looks up, moderates or guards what the user wrote. The span of
such a step arrives before any span has the question. So a step that began after the newest primary call waits
for the next one. Then the first of these that applies decides:

| the step                                                        | belongs to            |
|-----------------------------------------------------------------|-----------------------|
| ran in the trace or block of only one of the two primary calls  | the question of that  |
| has the words of the new question                               | the new question      |
| quotes the last exchange                                        | the question before   |
| is anything else                                                | whichever was nearer  |

A retrieval waits for a call that answers, because what it found is the context of that answer. What waits in
vain belongs to the newest question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from greenflash_otel.conversations.align import Alignment
from greenflash_otel.conversations.auxiliary import contains_excerpt
from greenflash_otel.conversations.changes import Deferral, DeferralKey, DeferralKind, LastCall
from greenflash_otel.conversations.deferred import DeferredQueue
from greenflash_otel.conversations.order import ANSWERS, order_nested, read_documents
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.resolve import Resolution
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.ids import LEAST_QUOTED, have_same_words, is_quoted, smooth, text_of
from greenflash_otel.model.operation import (
    COMPACT,
    DELETE_ITEMS,
    MAIN_CALLS,
    RETRIEVAL,
    TURN,
    ConversationContext,
    Operation,
    VoiceCall,
    is_bare_failure,
    merge_context,
    merge_properties,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.values import value


@value
class SortedSteps:
    """Steps that waited for a primary call, by what becomes of them."""

    before: Sequence[Deferral]
    """They belong to the question before."""
    now: Sequence[Deferral]
    """They belong to the question of the call."""
    later: Sequence[Deferral]
    """They go on waiting."""


def waits_for_question(state: ConversationState, span: SpanRecord, operation: Operation) -> bool:
    """Return whether a step may be made for a question that no primary call has asked yet."""
    if operation.name in (COMPACT, DELETE_ITEMS):
        return False  # both are about what was said before
    if operation.tool is not None and (operation.tool.call_id or state.facts.cursor.used_tools):
        return False
    if operation.conversation_context.tool_call_id and operation.name != RETRIEVAL:
        return False
    last = state.facts.last_call
    return last is None or span.start_ns >= last.end_ns


def list_question_keys(conversation_id: str, span: SpanRecord, operation: Operation) -> list[DeferralKey]:
    """Return the keys under which steps wait for a primary call."""
    keys = [
        DeferralKey(DeferralKind.TRACE, span.trace_id),
        DeferralKey(DeferralKind.QUESTION, conversation_id),
    ]
    if scope_id := operation.conversation_context.scope_id:
        # The block may have been found to continue another conversation only now.
        keys.append(DeferralKey(DeferralKind.QUESTION, f"scope-{scope_id}"))
    return list(dict.fromkeys(keys))


def list_dependent_keys(operation: Operation, call_ids: Iterable[str]) -> Iterator[DeferralKey]:
    """Yield the keys under which steps of a turn, and tools of a call, wait."""
    if operation.name == TURN and operation.conversation_context.turn_id:
        yield DeferralKey(DeferralKind.TURN, operation.conversation_context.turn_id)
    for call_id in call_ids:
        yield DeferralKey(DeferralKind.TOOL_CALL, call_id)


def sort_steps(
    state: ConversationState,
    waiting: Iterable[Deferral],
    span: SpanRecord,
    prepared: PreparedOperation,
    resolution: Resolution,
    aligned: Alignment,
) -> SortedSteps:
    """Decide what becomes of steps that waited for a primary call."""
    before, now, later = list[Deferral](), list[Deferral](), list[Deferral]()
    answers = any(
        fragment.kind == "answer" and fragment.ends_message
        for m in prepared.answers
        for fragment in m.fragments
    )
    question_id, known_id = aligned.cursor.turn_user_id, state.facts.cursor.turn_user_id
    texts = [chained.fragment.text or "" for chained in aligned.chained if chained.fragment.kind == "user"]
    is_silent = not prepared.messages and not prepared.answers
    for step in waiting:
        is_ahead = step.key.kind is DeferralKind.QUESTION and step.span.start_ns >= span.end_ns
        is_early = is_silent and is_bare_failure(step.operation)  # another span may still record it
        if is_ahead or is_early or (step.operation.name == RETRIEVAL and not answers):
            later.append(replace(step, key=DeferralKey(DeferralKind.QUESTION, resolution.conversation_id)))
        elif known_id in (None, question_id) or _is_about(state, step, span, prepared, texts):
            now.append(step)
        else:
            before.append(step)
    return SortedSteps(before, now, later)


def place_steps(items: Sequence[MessageItem], steps: Sequence[MessageItem]) -> list[MessageItem]:
    """Return the new input with its steps: they follow the question, at its time if they were earlier."""
    steps = order_nested(steps)
    at = max((place + 1 for place, item in enumerate(items) if item.type == "user_message"), default=0)
    if not at:
        return [*steps, *items]
    least_ms = items[at - 1].created_at_ms
    moved = [
        step if step.created_at_ms >= least_ms else replace(step, created_at_ms=least_ms) for step in steps
    ]
    return [*items[:at], *moved, *items[at:]]


def list_documents(items: Iterable[MessageItem]) -> list[str]:
    """Return the texts that retrievals found, each once; a retrieval within a retrieval is a part of it."""
    retrievals = [item for item in items if item.type == "retrieval"]
    ids = {item.id for item in retrievals}
    outer = (item for item in retrievals if item.parent_id not in ids)
    return list(dict.fromkeys(text for item in outer for text in read_documents(item)))


def add_context(
    answers: Sequence[MessageItem], documents: Sequence[str], choice_count: int
) -> list[MessageItem]:
    """Return answers with what was looked up for them: the first one has it, or each of several choices."""
    added, rest = list[MessageItem](), max(1, choice_count) if documents else 0
    for item in answers:
        if rest and item.type in ANSWERS:
            item, rest = replace(item, context="\n\n".join(documents)), rest - 1
        added.append(item)
    return added


def find_answering_call(deferred: DeferredQueue[Deferral], prepared: PreparedOperation) -> Operation | None:
    """Return the call whose answer a turn shows, among its hidden steps: a node may call any model.

    The turn itself knows only the calls that its framework made.
    """
    if prepared.operation.name != TURN or prepared.operation.system_instructions:
        return None
    turn_id = prepared.operation.conversation_context.turn_id or ""
    waiting = deferred.peek(DeferralKey(DeferralKind.TURN, turn_id))
    shown = [
        fragment.text
        for m in prepared.answers
        for fragment in m.fragments
        if fragment.kind == "answer" and fragment.text
    ]
    calls = [step.operation for step in waiting if step.operation.name in MAIN_CALLS]
    for call in reversed(calls):
        answer = "\n".join(text_of(message.parts) for message in call.output)
        if call.conversation_context.tool_call_id is None and shown and have_same_words(shown[-1], answer):
            return call
    return None


def fold_contexts(operation: Operation, steps: Iterable[Operation]) -> ConversationContext:
    """Return all that an operation and the steps that waited for it say of the conversation."""
    context = operation.conversation_context
    for step in steps:
        earlier = step.conversation_context
        context = merge_context(context, earlier)
        if earlier.properties:
            properties = merge_properties(earlier.properties, context.properties)
            context = replace(context, properties=properties)
    return context


def fold_voice_call(operation: Operation, steps: Sequence[Operation]) -> VoiceCall | None:
    """Return what an operation says of the spoken conversation, else what the last step says."""
    return next((step.voice_call for step in (operation, *reversed(steps)) if step.voice_call), None)


def _is_about(
    state: ConversationState,
    step: Deferral,
    span: SpanRecord,
    prepared: PreparedOperation,
    questions: Sequence[str],
) -> bool:
    """Return whether a step was made for the question of a call, not for the one before it."""
    last, here = state.facts.last_call, prepared.operation.conversation_context.scope_id
    now = LastCall(span.end_ns, span.trace_id, here)
    if last is None:
        return True
    if (is_now := _is_same_place(step, now)) != _is_same_place(step, last):
        return is_now
    operation = step.operation
    texts_of_step = [smooth(text_of(message.parts)) for message in (*operation.input, *operation.output)]
    if any(is_quoted(smooth(question), text) for question in questions for text in texts_of_step):
        return True
    exchange = state.facts.last_exchange
    excerpts = [exchange.question, exchange.answer] if exchange else []
    if any(
        (excerpt.length >= LEAST_QUOTED or excerpt.length == len(text))
        and contains_excerpt(state.namespace, text, excerpt)
        for excerpt in excerpts
        for text in texts_of_step
    ):
        return False
    return step.span.start_ns - last.end_ns >= span.start_ns - step.span.end_ns


def _is_same_place(step: Deferral, call: LastCall) -> bool:
    scope_id = step.operation.conversation_context.scope_id
    return step.span.trace_id == call.trace_id or (scope_id is not None and scope_id == call.scope_id)
