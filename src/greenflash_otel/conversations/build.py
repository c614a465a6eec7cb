"""Build the changes that an operation makes: new messages, and all by which later ones are recognised. Pure.

A primary call brings what was said to the model, its answer, and the hidden steps that waited for either. Any
other operation is a hidden step. A step that waited is written together with the call it waited for, so it
has to see what that call changes: `_Draft` collects the changes, and reads through them to the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.conversations.align import Alignment, chain_answers, node_of
from greenflash_otel.conversations.attempts import Attempts, find_call_by_content, name_own_call
from greenflash_otel.conversations.auxiliary import record_primary_call
from greenflash_otel.conversations.changes import (
    CallRole,
    Changes,
    ConversationFacts,
    Deferral,
    DeferralKey,
    IndexEntry,
    IndexName,
    Location,
    MessageNode,
    StateChange,
)
from greenflash_otel.conversations.deferred import DeferredQueue
from greenflash_otel.conversations.enclosing import EnclosingSteps
from greenflash_otel.conversations.exchanges import list_last_exchange_names
from greenflash_otel.conversations.inner_calls import list_calls_under_way
from greenflash_otel.conversations.items import (
    facts_of,
    model_of,
    write_chain,
    write_message,
    write_step,
    write_tool_run,
)
from greenflash_otel.conversations.order import order_turn, select_new
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.properties import select_remembered
from greenflash_otel.conversations.resolve import (
    KnownConversations,
    Resolution,
    does_resend_history,
    is_news,
    list_stored_item_names,
)
from greenflash_otel.conversations.said_of_calls import add_to_messages, add_to_news, note_sampling
from greenflash_otel.conversations.steps import (
    add_context,
    fold_contexts,
    fold_voice_call,
    list_dependent_keys,
    list_documents,
    list_question_keys,
    place_steps,
    sort_steps,
)
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import START, ChainedFragment, Cursor, extend_chain, find_head
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    CHAINS,
    COMPACT,
    FETCH,
    TURN,
    Json,
    Operation,
    merge_properties,
)
from greenflash_otel.model.telemetry import SpanRecord


def build(
    store: KnownConversations,
    deferred: DeferredQueue[Deferral],
    span: SpanRecord,
    prepared: PreparedOperation,
    resolution: Resolution,
    role: CallRole,
    aligned: Alignment | None,
) -> Changes:
    """Build the changes of an operation.

    Args:
        deferred: What waits; it is read only.
        aligned: None for an operation that is not shown.
    """
    operation, draft = prepared.operation, _Draft(store, resolution, deferred)
    items: Sequence[MessageItem] = ()
    if operation.name == FETCH and not is_news(store, operation):
        pass
    elif aligned is None:
        items = draft.add_hidden(span, prepared)
    else:
        draft.emitted_spans.append(prepared.name_in(span))
        if operation.name != ADD_ITEMS or operation.ending == "completed":
            items = draft.add_shown(span, prepared, aligned)
        draft.add_history(prepared)
    if operation.response_id and operation.ending != "pending":
        draft.add_entry(IndexName.EMITTED_RESPONSE, operation.response_id, None)
    return draft.finish(span, prepared, role, items)


class _Draft:
    """Changes under construction: what was added is seen by what is added next."""

    def __init__(
        self, store: KnownConversations, resolution: Resolution, waiting: DeferredQueue[Deferral]
    ) -> None:
        self._store = store
        self._waiting = waiting
        self._resolution = resolution
        self._state = store.get_state(resolution.conversation_id)
        self._namespace = self._state.namespace
        self._cursor = self._state.facts.cursor
        self._resends_history = self._state.facts.resends_history
        self._nodes: list[MessageNode] = []
        self._tool_calls: dict[str, str] = {}
        self._branch_cursors: list[tuple[str, Cursor]] = []
        self._entries: list[IndexEntry] = []
        self._released: list[DeferralKey] = []
        self._tool_names: dict[str, str | None] = {}
        self._attempts = Attempts(self._namespace, self._state.emitted_ids)
        self._enclosing = EnclosingSteps(self._namespace)
        self._deferred: list[Deferral] = []
        self._folded: list[Operation] = []
        self.emitted_spans: list[str] = []

    def add_shown(
        self, span: SpanRecord, prepared: PreparedOperation, aligned: Alignment
    ) -> Sequence[MessageItem]:
        """Add a primary call: what was said to the model, its answer, and what waited for them."""
        operation, emitted_ids = prepared.operation, self._state.emitted_ids
        chained, after = chain_answers(self._state, aligned.cursor, prepared)
        self._resends_history = self._resends_history or does_resend_history(prepared, self._resolution)
        call_ids = self._add_nodes((*aligned.chained, *chained))
        self._move_to(after)
        self._add_location(span, operation, aligned.cursor, after)
        if not aligned.from_input_alone:
            self._add_alias(prepared, after)
        question_id = aligned.cursor.turn_user_id
        facts = prepared.find_input_facts()
        new = (fragment for fragment in aligned.chained if fragment.id not in emitted_ids)
        inputs = add_to_news(
            [self._write(fragment, span.start_ns, facts=facts) for fragment in new], operation
        )
        answers = add_to_messages(self._write_answers(span, operation, chained, question_id), operation)
        if not len(self._waiting):
            return order_turn([*inputs, *answers], ()) if operation.name == TURN else [*inputs, *answers]
        waiting = self._release(list_question_keys(self._resolution.conversation_id, span, operation))
        steps = sort_steps(self._state, waiting, span, prepared, self._resolution, aligned)
        self._deferred += steps.later
        dependents = [*self._release(list_dependent_keys(operation, call_ids))]
        self._enclosing = EnclosingSteps(self._namespace, (*steps.before, *steps.now, *dependents))
        earlier = self._add_steps(steps.before, self._state.facts.cursor.turn_user_id)
        hidden_steps = self._add_steps(steps.now, question_id)
        ran = self._add_steps(dependents, question_id, after)
        if operation.name == TURN:
            return [*earlier, *order_turn([*inputs, *answers], [*hidden_steps, *ran])]
        answers = add_context(answers, list_documents(hidden_steps), operation.choice_count)
        return [*earlier, *place_steps(inputs, hidden_steps), *answers, *ran]

    def _add_steps(
        self, steps: Iterable[Deferral], question_id: str | None, turn: Cursor | None = None
    ) -> list[MessageItem]:
        """Add steps that waited, and what each says of the conversation."""
        items = list[MessageItem]()
        for step in steps:
            self._folded.append(step.operation)
            items += self.add_step(step.span, step.operation, question_id, turn)
        return items

    def add_hidden(self, span: SpanRecord, prepared: PreparedOperation) -> Sequence[MessageItem]:
        """Add an operation that the user does not see."""
        return self.add_step(span, prepared.operation, self._cursor.turn_user_id)

    def add_step(
        self, span: SpanRecord, operation: Operation, question_id: str | None, turn: Cursor | None = None
    ) -> Sequence[MessageItem]:
        """Add a tool that ran, a call that is internal or made by a tool, or another hidden step.

        Args:
            question_id: The user message it belongs to, unless it ran in a tool.
            turn: Where its turn ended, if the turn is known; only that says which call a tool ran for.
        """
        before, question_id = self._cursor, question_id or self._cursor.turn_user_id
        if operation.name == COMPACT:
            # What follows a compaction may be resent in its place: the item stands for all before it.
            before = extend_chain(self._namespace, self._resolution.cursor or START, self._resolution.rest)[1]
            operation = replace(operation, input=())
        self._add_location(span, operation, before, self._cursor)
        within_id = operation.conversation_context.tool_call_id
        parent_id = self._enclosing.find_parent_id(span, operation) or self._find_tool_call(within_id)
        parent_id = parent_id or question_id
        if operation.tool is not None:
            return self._add_tool_run(span, operation, parent_id, turn)
        if operation.name in CHAINS:
            return add_to_messages(write_chain(self._namespace, span, operation, parent_id), operation)
        return add_to_messages([write_step(self._namespace, span, operation, parent_id)], operation)

    def add_history(self, prepared: PreparedOperation) -> None:
        """Add all that was said so far, answer included, for the request that will resend it."""
        namespace, head_id = self._resolution.history_namespace, self._resolution.history_head_id
        if namespace is None:
            return
        for answers in prepared.list_alternatives():  # any of them may be the one that is resent
            names = list_last_exchange_names(namespace, (*self._resolution.rest, *answers))
            for name in (find_head(namespace, head_id, answers), *names):
                if name is not None:
                    self.add_entry(IndexName.HISTORY, name, self._resolution.conversation_id, is_shared=True)

    def add_entry(
        self, index: IndexName, name: str, target: Location | str | None, *, is_shared: bool = False
    ) -> None:
        """Add a name that leads to this conversation."""
        self._entries.append(IndexEntry(index, name, target, is_shared))

    def finish(
        self, span: SpanRecord, prepared: PreparedOperation, role: CallRole, items: Iterable[MessageItem]
    ) -> Changes:
        """Return the changes; of the messages those that were not emitted before."""
        operation, state, resolution = prepared.operation, self._state, self._resolution
        context = fold_contexts(operation, self._folded)
        new, last_ms = select_new(items, state.emitted_ids, state.facts.last_ms)
        primary = record_primary_call(state, prepared, span) if role.is_shown else {}
        facts: ConversationFacts = replace(
            state.facts,
            cursor=self._cursor,
            last_ms=last_ms,
            turn_count=state.facts.turn_count + self._count_new_turns(),
            user_id=context.user_id or state.facts.user_id,
            organization_id=context.organization_id or state.facts.organization_id,
            resends_history=self._resends_history,
            calls_under_way=list_calls_under_way(state, prepared, role),
            **note_sampling(state.facts, context),
            **primary,
        )
        properties = merge_properties(state.properties, context.properties)
        change = StateChange(
            parent_overrides=() if resolution.parent_override is None else (resolution.parent_override,),
            tool_call_message_ids=tuple(self._tool_calls.items()),
            nodes=tuple(self._nodes),
            emitted_ids=(*(item.id for item in new), *self._attempts.marks),
            emitted_spans=tuple(self.emitted_spans),
            properties=select_remembered(properties, context.properties),
            branch_cursors=tuple(self._branch_cursors),
            facts=facts,
        )
        return Changes(
            conversation_id=resolution.conversation_id,
            evidence=resolution.evidence,
            role=role,
            items=tuple(new),
            properties=properties,
            voice_call=fold_voice_call(operation, self._folded),
            state=change,
            entries=tuple(self._entries),
            released=tuple(self._released),
            deferred=tuple(self._deferred),
        )

    def _move_to(self, cursor: Cursor) -> None:
        """Let the conversation be at a cursor."""
        self._cursor = cursor
        if cursor.head_id is not None:
            self._branch_cursors.append((cursor.head_id, cursor))

    def _add_location(self, span: SpanRecord, operation: Operation, before: Cursor, after: Cursor) -> None:
        """Add all by which a later operation may find the conversation, and the place in it."""
        id = self._resolution.conversation_id
        self.add_entry(IndexName.TRACE, span.trace_id, id)
        if operation.conversation_context.scope_id:
            self.add_entry(IndexName.SCOPE, operation.conversation_context.scope_id, id)
        has_ended = operation.response_id and self._store.index.emitted_responses.has(operation.response_id)
        if operation.response_id and not (operation.ending == "pending" and has_ended):
            self.add_entry(IndexName.RESPONSE, operation.response_id, Location(id, after))
        for item_id in operation.output_item_ids:
            self.add_entry(IndexName.ITEM, item_id, Location(id, after))
        for message in operation.output:
            for part in message.parts:
                for name in list_stored_item_names(part):
                    self.add_entry(IndexName.ITEM, name, Location(id, before))

    def _add_alias(self, prepared: PreparedOperation, after: Cursor) -> None:
        """Let the end of the call be found under the id it has for whoever knows this input only.

        Spans that leave out known history name it so (`instrumentation.history`), however it was aligned.
        """
        messages = (*self._resolution.rest, *prepared.list_resent_answers())
        head_id = find_head(self._namespace, prepared.operation.input_parent_id, messages)
        if head_id is not None and head_id != after.head_id:
            self._branch_cursors.append((head_id, after))

    def _add_nodes(self, chained: Iterable[ChainedFragment]) -> Sequence[str]:
        """Add by what fragments are found again; return the call ids among them."""
        call_ids = []
        for chained_fragment in chained:
            if (node := node_of(self._namespace, chained_fragment)) is not None:
                self._nodes.append(node)
            if chained_fragment.fragment.kind == "tool_call":
                self._tool_names[chained_fragment.id] = chained_fragment.fragment.tool_name
            if chained_fragment.fragment.kind == "tool_call" and chained_fragment.fragment.call_id:
                self._add_tool_call(chained_fragment.fragment.call_id, chained_fragment.id)
                call_ids.append(chained_fragment.fragment.call_id)
        return call_ids

    def _add_tool_call(self, call_id: str, message_id: str) -> None:
        self._tool_calls.pop(call_id, None)
        self._tool_calls[call_id] = message_id
        self.add_entry(IndexName.TOOL_CALL, call_id, self._resolution.conversation_id, is_shared=True)

    def _find_tool_call(self, call_id: str | None) -> str | None:
        """Return the message id of a tool call, also of one that was just added."""
        if not call_id:
            return None
        return self._tool_calls.get(call_id) or self._state.tool_call_message_ids.get(call_id)

    def _add_tool_run(
        self, span: SpanRecord, operation: Operation, parent_id: str | None, turn: Cursor | None
    ) -> Sequence[MessageItem]:
        tool, context = operation.tool, operation.conversation_context
        assert tool is not None  # noqa: S101 - its caller checked
        if turn is None or context.turn_id is None:
            emitted_id = self._find_tool_call(tool.call_id) or find_call_by_content(
                self._state, span, operation
            )
        elif context.tool_call_id is not None:
            emitted_id = None  # no message of the turn asks for what an agent in a tool does
        else:
            emitted_id = turn.find_call(tool.call_id)
        call_id = emitted_id or name_own_call(self._namespace, span, operation, tool)
        is_inner = emitted_id is None and (context.turn_id or context.tool_call_id)
        inner_ids = [tool.call_id] if is_inner and tool.call_id else []
        for inner_id in inner_ids:
            self._add_tool_call(inner_id, call_id)
        result_id = self._attempts.choose_result_id(
            span, call_id, failed=operation.failure is not None, in_turn=turn is not None
        )
        is_emitted = emitted_id is not None
        ran = add_to_messages(
            write_tool_run(span, operation, tool, call_id, result_id, parent_id, call_is_emitted=is_emitted),
            operation,
        )
        inner = self._add_steps(self._release(list_dependent_keys(operation, inner_ids)), parent_id, turn)
        return [*ran[:1], *inner, *ran[1:]]

    def _write(
        self,
        chained: ChainedFragment,
        time_ns: int,
        model: str | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> MessageItem:
        """Write a fragment; a result that does not name its tool gets the name from its call."""
        item = write_message(chained, time_ns, model=model, properties=facts)
        if chained.fragment.kind != "tool_result" or item.tool_name or chained.parent_id is None:
            return item
        node = self._state.nodes.get(chained.parent_id)
        name = self._tool_names.get(chained.parent_id) or (node.tool_name if node else None)
        return replace(item, tool_name=name)

    def _write_answers(
        self,
        span: SpanRecord,
        operation: Operation,
        chained: Sequence[ChainedFragment],
        question_id: str | None,
    ) -> Sequence[MessageItem]:
        """Write the answer as messages, or as a hidden step if it failed or is not whole.

        Its facts are with its first words; those of a turn with its last ones.
        """
        is_partial = operation.ending == "pending" and operation.output
        if not chained and (is_partial or operation.ending not in ("pending", "completed")):
            return [write_step(self._namespace, span, replace(operation, input=()), question_id)]
        facts, model = facts_of(span, operation), model_of(operation)
        texts = [answer for answer in chained if answer.fragment.kind == "answer"] or [*chained[:1]]
        bearer = texts[-1 if operation.name == TURN else 0] if texts else None
        return [
            self._write(answer, span.end_ns, model, facts if answer is bearer else None) for answer in chained
        ]

    def _release(self, keys: Iterable[DeferralKey]) -> Iterator[Deferral]:
        """Yield what waits for any of ``keys``; it waits no longer once the changes are applied."""
        for key in dict.fromkeys(keys):
            waiting = self._waiting.peek(key)
            if waiting and key not in self._released:
                self._released.append(key)
                yield from waiting

    def _count_new_turns(self) -> int:
        ids = {node.id for node in self._nodes if node.kind == "user"}
        return sum(id not in self._state.nodes for id in ids)
