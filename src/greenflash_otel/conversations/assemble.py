"""Turn operations into conversation updates: what is new, each message once. See the package's table.

`assemble` is the only place that knows the order of the steps. Each is a pure function over values;
`store.apply` alone changes anything.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.conversations.added_properties import add_properties
from greenflash_otel.conversations.align import align
from greenflash_otel.conversations.auxiliary import classify_call, was_auxiliary
from greenflash_otel.conversations.beginnings import learn_beginning, prepare_input
from greenflash_otel.conversations.build import build
from greenflash_otel.conversations.changes import (
    CallRole,
    Changes,
    Deferral,
    DeferralKey,
    DeferralKind,
    Evidence,
    IndexEntry,
    IndexName,
    StateChange,
)
from greenflash_otel.conversations.inner_calls import attribute_to_tool_call
from greenflash_otel.conversations.items import model_of
from greenflash_otel.conversations.prepare import PreparedOperation, prepare
from greenflash_otel.conversations.resolve import Resolution, resolve_conversation
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.conversations.steps import find_answering_call, waits_for_question
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.model.long_input import with_whole_input
from greenflash_otel.model.operation import TURN, Operation, is_bare_failure, is_step
from greenflash_otel.model.own_operations import SET_PROPERTIES
from greenflash_otel.model.telemetry import OURS, SpanRecord


def assemble(
    store: ConversationStore, span: SpanRecord, operation: Operation, *, may_defer: bool = True
) -> ConversationUpdate:
    """Add an operation to its conversation; return what is new, with no messages if nothing is.

    Args:
        may_defer: Let the operation wait for what it depends on, if that has not arrived yet.
    """
    if operation.name == SET_PROPERTIES:
        return add_properties(store, span, operation.conversation_context)
    prepared = prepare_input(store, operation)
    resolution = resolve_conversation(store, span, prepared)
    state = store.get_state(resolution.conversation_id)
    prepared = attribute_to_tool_call(state, prepared)
    operation = prepared.operation
    role = classify_call(state, prepared)
    if role is not CallRole.PRIMARY and prepared.beginning is not None:
        return assemble(store, span, with_whole_input(operation), may_defer=may_defer)
    if role is not CallRole.AUXILIARY and prepared.name_in(span) in state.emitted_spans:
        return ConversationUpdate(resolution.conversation_id, ())  # delivered again
    if may_defer and (deferral := find_deferral(state, span, prepared, resolution, role)):
        store.apply(_wait_changes_of(resolution, role, deferral))
        return ConversationUpdate(resolution.conversation_id, ())
    earlier: tuple[ConversationUpdate, ...] = ()
    is_shown = role.is_shown
    if is_shown and (earlier := resolve_undecided(store, span, prepared, resolution, role)):
        resolution = resolve_conversation(store, span, prepared)
    aligned = align(state, resolution, prepared) if is_shown else None
    changes = build(store, store.deferred, span, prepared, resolution, role, aligned)
    answering = find_answering_call(store.deferred, prepared)
    store.apply(changes)
    if aligned and aligned.from_input_alone and (learned := learn_beginning(state, resolution, prepared)):
        store.long_inputs.learn(*learned)
    return _update_of(prepared, changes, earlier, prepare(answering) if answering else prepared)


def assemble_overdue(store: ConversationStore, now_ns: int | None) -> list[ConversationUpdate]:
    """Emit operations that waited in vain until ``now_ns``, the time of a span; None: all that wait.

    A step without a known conversation makes none: it is counted, not emitted.
    """
    updates: list[ConversationUpdate] = []
    for waiting in store.expire(now_ns):
        if is_step(waiting.operation.name) and _is_of_no_conversation(store, waiting):
            store.dropped_steps += 1
        else:
            update = assemble(store, waiting.span, waiting.operation, may_defer=False)
            updates += update.list_in_order()
    return updates


def find_deferral(
    state: ConversationState,
    span: SpanRecord,
    prepared: PreparedOperation,
    resolution: Resolution,
    role: CallRole,
) -> Deferral | None:
    """Return how an operation has to wait for what it depends on; None if it can be emitted now."""
    operation, context = prepared.operation, prepared.operation.conversation_context
    key: DeferralKey | None = None
    if context.turn_id and operation.name != TURN:
        key = DeferralKey(DeferralKind.TURN, context.turn_id)
    elif role is CallRole.UNDECIDED or role is CallRole.AUXILIARY_EARLY:
        key = DeferralKey(DeferralKind.NEXT_CALL, resolution.conversation_id)
    elif role is CallRole.AUXILIARY:
        ids = [id for id in (operation.tool and operation.tool.call_id, context.tool_call_id) if id]
        if ids and not any(id in state.tool_call_message_ids for id in ids):
            key = DeferralKey(DeferralKind.TOOL_CALL, ids[-1])
        elif resolution.is_new:
            key = DeferralKey(DeferralKind.TRACE, span.trace_id)
        if key is None and waits_for_question(state, span, operation):
            key = DeferralKey(DeferralKind.QUESTION, resolution.conversation_id)
    elif span.scope != OURS and is_bare_failure(operation):
        key = DeferralKey(DeferralKind.QUESTION, resolution.conversation_id)
        if resolution.is_new:
            key = DeferralKey(DeferralKind.TRACE, span.trace_id)
    if key is None:
        return None
    return Deferral(key, span, _mark_internal(operation) if role is CallRole.AUXILIARY_EARLY else operation)


def resolve_undecided(
    store: ConversationStore,
    span: SpanRecord,
    prepared: PreparedOperation,
    resolution: Resolution,
    role: CallRole,
) -> tuple[ConversationUpdate, ...]:
    """Emit calls that were undecided until this primary call; auxiliary ones wait for its question.

    They are emitted before it, so this applies changes of their own: what they said is known when the primary
    call is aligned. Each keeps an update of its own: waiting changes nothing but the time.
    """
    key = DeferralKey(DeferralKind.NEXT_CALL, resolution.conversation_id)
    undecided = tuple(store.deferred.peek(key))
    if not undecided:
        return ()
    store.apply(Changes(resolution.conversation_id, resolution.evidence, role, released=(key,)))
    emitted: list[ConversationUpdate] = []
    for waiting in undecided:
        if was_auxiliary(prepare(waiting.operation), prepared.with_whole_input()):
            trace = DeferralKey(DeferralKind.TRACE, span.trace_id)
            deferral = Deferral(trace, waiting.span, _mark_internal(waiting.operation))
            store.apply(_wait_changes_of(resolution, CallRole.AUXILIARY, deferral))
        else:
            update = assemble(store, waiting.span, waiting.operation, may_defer=False)
            emitted += update.list_in_order()
    return tuple(emitted)


def _wait_changes_of(resolution: Resolution, role: CallRole, deferral: Deferral) -> Changes:
    override = () if resolution.parent_override is None else (resolution.parent_override,)
    named = (
        resolution.evidence in (Evidence.GIVEN, Evidence.PROVIDER)
        and deferral.key.kind is DeferralKind.QUESTION
    )
    trace = IndexEntry(IndexName.TRACE, deferral.span.trace_id, resolution.conversation_id)
    return Changes(
        resolution.conversation_id,
        resolution.evidence,
        role,
        state=StateChange(parent_overrides=override),
        entries=(trace,) if named else (),
        deferred=(deferral,),
    )


def _mark_internal(operation: Operation) -> Operation:
    """Return the operation as if the application had marked it."""
    return replace(operation, conversation_context=replace(operation.conversation_context, internal=True))


def _is_of_no_conversation(store: ConversationStore, waiting: Deferral) -> bool:
    return resolve_conversation(store, waiting.span, prepare(waiting.operation)).is_new


def _update_of(
    prepared: PreparedOperation,
    changes: Changes,
    earlier: tuple[ConversationUpdate, ...],
    answering: PreparedOperation,
) -> ConversationUpdate:
    """Return the update; its model and its prompt are those of the call that answered."""
    is_shown, facts = changes.role.is_shown, changes.state.facts
    source = answering if answering.prompt or answering.operation.prompt else prepared
    return ConversationUpdate(
        conversation_id=changes.conversation_id,
        messages=changes.items,
        user_id=facts.user_id if facts else None,
        organization_id=facts.organization_id if facts else None,
        model=model_of(answering.operation) if is_shown else None,
        system_prompt=source.prompt if is_shown else None,
        prompt=source.operation.prompt if is_shown else None,
        voice_call=changes.voice_call,
        properties=changes.properties,
        sample_rate=facts.sample_rate if facts else None,
        force_sample=facts.force_sample if facts else None,
        earlier=earlier,
    )
