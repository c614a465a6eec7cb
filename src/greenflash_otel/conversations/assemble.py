"""Turn operations into conversation updates: what is new, each message once. See the package's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from greenflash_otel.conversations.identity import id_of, text_of
from greenflash_otel.conversations.memory import STEPS_WAITING, Known, Memory
from greenflash_otel.conversations.messages import ConversationUpdate, MessageItem
from greenflash_otel.conversations.pieces import SYSTEM_ROLES
from greenflash_otel.conversations.rendering import (
    facts_of,
    model_of,
    render,
    render_step,
    render_tool,
    span_message_id,
)
from greenflash_otel.conversations.stitching import Stitch, after_response, remember, remember_history, stitch
from greenflash_otel.conversations.thread import Placed, Position, follow, result_id
from greenflash_otel.operations import ADD_ITEMS, COMPACT, FETCH, MAIN_CALLS, STEPS, Message, Operation
from greenflash_otel.spans import SpanRecord


@dataclass(frozen=True, slots=True)
class _Told:
    """What an operation tells, and where the conversation stands then."""

    items: Sequence[MessageItem]
    asked: Position
    after: Position


def assemble(memory: Memory, span: SpanRecord, operation: Operation) -> ConversationUpdate:
    """What an operation adds to its conversation; ``messages`` is empty if all of it was known."""
    prompt, messages = _split_system_prompt(operation)
    stitched = stitch(memory, span.trace_id, operation, messages)
    if stitched.by_trace and operation.name in STEPS:
        return _wait(memory, span, operation, stitched)
    known = memory.conversation(stitched.conversation_id)
    known.user_id = operation.affiliation.user_id or known.user_id
    known.organization_id = operation.affiliation.organization_id or known.organization_id
    shown = _is_shown(operation)
    if operation.name == FETCH and not _is_news(memory, operation):
        items: Sequence[MessageItem] = ()
    elif shown:
        told = _shown(known, span, operation, stitched, memory.waiting.pop(span.trace_id, ()))
        items = told.items
        remember_history(memory, stitched, (*messages, *operation.output[:1]))
        remember(memory, span.trace_id, operation, stitched, told.asked, told.after)
    else:
        place = known.latest
        if operation.name == COMPACT:
            place = follow(stitched.conversation_id, stitched.position, stitched.messages)[1]
            operation = replace(operation, input=())
        items = _hidden(known, span, operation, stitched)
        remember(memory, span.trace_id, operation, stitched, place, known.latest)
    if operation.response_id and operation.ending != "pending":
        memory.told.remember(operation.response_id, None)
    return ConversationUpdate(
        conversation_id=stitched.conversation_id,
        messages=_hand_on(known, items),
        user_id=known.user_id,
        organization_id=known.organization_id,
        model=model_of(operation) if shown else None,
        system_prompt=prompt if shown else None,
        prompt=operation.prompt if shown else None,
        voice_call=operation.voice_call,
        properties=operation.affiliation.properties,
    )


def _is_shown(operation: Operation) -> bool:
    """Whether the user sees what an operation says."""
    hidden = operation.affiliation.internal or operation.affiliation.tool_call_id is not None
    return operation.name in MAIN_CALLS | {FETCH, ADD_ITEMS} and not hidden


def _is_news(memory: Memory, operation: Operation) -> bool:
    """Whether a fetched answer is final, whole, and was not told before."""
    final = operation.finish_reasons and operation.ending != "pending"
    return bool(final) and operation.response_id not in memory.told


def _wait(memory: Memory, span: SpanRecord, operation: Operation, stitched: Stitch) -> ConversationUpdate:
    """Keep a step until somebody says something in its trace; a step alone is no conversation."""
    waiting = memory.waiting.get(span.trace_id) or []
    if len(waiting) < STEPS_WAITING:
        waiting.append((span, operation))
    memory.waiting.remember(span.trace_id, waiting)
    return ConversationUpdate(stitched.conversation_id, ())


def _split_system_prompt(operation: Operation) -> tuple[str | None, tuple[Message, ...]]:
    """The system prompt, from instructions and leading system messages, and the other messages."""
    leading = 0
    while leading < len(operation.input) and operation.input[leading].role in SYSTEM_ROLES:
        leading += 1
    texts = [text_of(operation.system_instructions)]
    texts += [text_of(message.parts) for message in operation.input[:leading]]
    return "\n\n".join(text for text in texts if text) or None, operation.input[leading:]


def _shown(
    known: Known,
    span: SpanRecord,
    operation: Operation,
    stitched: Stitch,
    waiting: Iterable[tuple[SpanRecord, Operation]],
) -> _Told:
    """A model call of the main line: what was said to the model, and what it answered."""
    id = stitched.conversation_id
    start = replace(stitched.position, resent_tip=None)
    if operation.name == ADD_ITEMS and operation.ending != "completed":
        return _Told((), start, start)
    given, asked = follow(id, start, stitched.messages)
    items = [render(one, span.start_ns) for one in given if one.id not in known.sent]
    items += [render_step(id, *step, asked.asked) for step in waiting]
    if operation.ending == "pending":
        if operation.output:  # a part of the answer, which whoever fetches it gets whole
            items.append(render_step(id, span, replace(operation, input=()), asked.asked))
        after = after_response(id, operation.response_id, asked) if operation.response_id else asked
        return _Told(items, asked, after)
    answered, after = _follow_output(id, asked, operation)
    if resent_tip := stitched.position.resent_tip:
        resent = follow(id, replace(start, tip=resent_tip), (*stitched.messages, *operation.output))[0]
        for one, again in zip((*given, *answered), resent, strict=True):
            known.aliases.remember(again.id, one.id)
    facts = facts_of(span, operation)
    bearer = next((one for one in answered if one.piece.kind == "answer"), answered[0] if answered else None)
    items += [
        render(one, span.end_ns, model=model_of(operation), properties=facts if one is bearer else {})
        for one in answered
    ]
    if not answered and operation.ending != "completed":
        items.append(render_step(id, span, replace(operation, input=()), asked.asked))
    return _Told(items, asked, after)


def _follow_output(
    conversation_id: str, position: Position, operation: Operation
) -> tuple[Sequence[Placed], Position]:
    if operation.choice_count < 2 or not operation.output:
        return follow(conversation_id, position, operation.output)
    alternatives = [follow(conversation_id, position, (message,)) for message in operation.output]
    told_apart = _told_apart(conversation_id, [placed for placed, _ in alternatives])
    return list(told_apart), alternatives[0][1]


def _told_apart(conversation_id: str, alternatives: Sequence[Sequence[Placed]]) -> Iterable[Placed]:
    """Alternatives that say the same are still two answers."""
    seen: set[str] = set()
    for index, alternative in enumerate(alternatives):
        ids = {one.id for one in alternative}
        if ids & seen:
            yield from (
                replace(one, id=id_of(conversation_id, one.id, "choice", index)) for one in alternative
            )
        else:
            yield from alternative
        seen |= ids


def _hidden(known: Known, span: SpanRecord, operation: Operation, stitched: Stitch) -> list[MessageItem]:
    """What the user does not see: a tool that ran, or a call marked as internal or made by a tool."""
    id, place, tool = stitched.conversation_id, known.latest, operation.tool
    if tool is None:
        return [
            render_step(id, span, operation, place.call(operation.affiliation.tool_call_id) or place.asked)
        ]
    call = place.call(tool.call_id) if tool.call_id else None
    call_id = call or span_message_id(id, span, "tool_call")
    return list(
        render_tool(
            span, operation, tool, call_id, result_id(id, call_id), place.asked, told=call is not None
        )
    )


def _hand_on(known: Known, items: Iterable[MessageItem]) -> tuple[MessageItem, ...]:
    """Those that were not handed on before, in strictly increasing time."""
    new = []
    for item in items:
        if item.id not in known.sent and item.id not in known.aliases:
            known.sent.remember(item.id, None)
            parent_id = known.aliases.get(item.parent_id or "", item.parent_id)
            new.append(replace(item, parent_id=parent_id, created_at_ms=known.next_ms(item.created_at_ms)))
    return tuple(new)
