"""Turn operations into conversation updates: what is new, each message once. See the package's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from greenflash_otel.conversations.identity import id_of, text_of
from greenflash_otel.conversations.memory import Known, Memory
from greenflash_otel.conversations.messages import ConversationUpdate, MessageItem
from greenflash_otel.conversations.pieces import SYSTEM_ROLES
from greenflash_otel.conversations.rendering import (
    facts_of,
    model_of,
    render,
    render_model_call,
    render_tool,
    span_message_id,
)
from greenflash_otel.conversations.stitching import Stitch, remember, remember_history, stitch
from greenflash_otel.conversations.thread import Placed, Position, follow, result_id
from greenflash_otel.operations import Message, Operation
from greenflash_otel.spans import SpanRecord


def assemble(memory: Memory, span: SpanRecord, operation: Operation) -> ConversationUpdate:
    """What an operation adds to its conversation; ``messages`` is empty if all of it was known."""
    prompt, messages = _split_system_prompt(operation)
    stitched = stitch(memory, span.trace_id, operation, messages)
    known = memory.conversation(stitched.conversation_id)
    known.user_id = operation.affiliation.user_id or known.user_id
    known.organization_id = operation.affiliation.organization_id or known.organization_id
    shown = operation.tool is None and not operation.affiliation.internal
    if shown:
        items, after = _shown(known, span, operation, stitched, messages)
        remember_history(memory, stitched, (*messages, *operation.output[:1]))
    else:
        items, after = _hidden(known, span, operation, stitched.conversation_id), known.latest
    remember(memory, span.trace_id, operation, stitched, after)
    return ConversationUpdate(
        conversation_id=stitched.conversation_id,
        messages=_hand_on(known, items),
        user_id=known.user_id,
        organization_id=known.organization_id,
        model=model_of(operation) if shown else None,
        system_prompt=prompt if shown else None,
        properties=operation.affiliation.properties,
    )


def _split_system_prompt(operation: Operation) -> tuple[str | None, tuple[Message, ...]]:
    """The system prompt, from instructions and leading system messages, and the other messages."""
    leading = 0
    while leading < len(operation.input) and operation.input[leading].role in SYSTEM_ROLES:
        leading += 1
    texts = [text_of(operation.system_instructions)]
    texts += [text_of(message.parts) for message in operation.input[:leading]]
    return "\n\n".join(text for text in texts if text) or None, operation.input[leading:]


def _shown(
    known: Known, span: SpanRecord, operation: Operation, stitched: Stitch, messages: Sequence[Message]
) -> tuple[list[MessageItem], Position]:
    """A model call of the main line: what was said to the model, and what it answered."""
    id = stitched.conversation_id
    given, asked = follow(id, stitched.position, messages)
    answered, after = _follow_output(id, asked, operation)
    items = [render(one, span.start_ns) for one in given if one.id not in known.sent]
    facts = facts_of(span, operation)
    bearer = next((one for one in answered if one.piece.kind == "answer"), answered[0] if answered else None)
    items += [
        render(one, span.end_ns, model=model_of(operation), properties=facts if one is bearer else {})
        for one in answered
    ]
    if not answered and operation.ending != "completed":
        items.append(render_model_call(id, span, replace(operation, input=()), asked.asked))
    return items, after


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


def _hidden(known: Known, span: SpanRecord, operation: Operation, conversation_id: str) -> list[MessageItem]:
    """What the user does not see: a tool that ran, or a model call marked as internal."""
    tool, asked = operation.tool, known.latest.asked
    if tool is None:
        return [render_model_call(conversation_id, span, operation, asked)]
    call = known.latest.call(tool.call_id) if tool.call_id else None
    call_id = call or span_message_id(conversation_id, span, "tool_call")
    return list(
        render_tool(
            span, operation, tool, call_id, result_id(conversation_id, call_id), asked, told=call is not None
        )
    )


def _hand_on(known: Known, items: Iterable[MessageItem]) -> tuple[MessageItem, ...]:
    """Those that were not handed on before, in strictly increasing time."""
    new = []
    for item in items:
        if item.id not in known.sent:
            known.sent.remember(item.id, None)
            new.append(replace(item, created_at_ms=known.next_ms(item.created_at_ms)))
    return tuple(new)
