"""Turn operations into conversation updates: what is new, each message once. See the package's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from greenflash_otel.conversations.align import node_of, place
from greenflash_otel.conversations.auxiliary import Line, line_of, note_main, was_beside
from greenflash_otel.conversations.items import (
    facts_of,
    in_order_of_time,
    model_of,
    render,
    render_chain,
    render_step,
    render_tool,
    span_message_id,
)
from greenflash_otel.conversations.resolve import Stitch, remember, remember_history, stitch
from greenflash_otel.conversations.state import Known
from greenflash_otel.conversations.store import Memory
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.message_ids.chain import Placed, Position, follow, result_id
from greenflash_otel.message_ids.fragments import split_system_prompt
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    CHAINS,
    COMPACT,
    FETCH,
    MAIN_CALLS,
    STEPS,
    TURN,
    Operation,
)
from greenflash_otel.model.telemetry import SpanRecord


def assemble(
    memory: Memory, span: SpanRecord, operation: Operation, *, patient: bool = True
) -> ConversationUpdate:
    """What an operation adds to its conversation; ``messages`` is empty if all of it was known.

    Args:
        patient: Let the operation wait for what it belongs to, if that has not come yet.
    """
    prompt, messages = split_system_prompt(operation)
    stitched = stitch(memory, span.trace_id, operation, messages)
    known = memory.conversation(stitched.conversation_id)
    line = line_of(known, operation, prompt, messages) if _is_shown(operation) else "beside"
    if line != "beside" and _name_of(span, operation) in known.spans:
        return ConversationUpdate(stitched.conversation_id, ())  # delivered again
    if patient and (key := _awaits(known, span, operation, stitched, line)):
        memory.wait(key, span, _as_internal(operation) if line == "early" else operation)
        return ConversationUpdate(stitched.conversation_id, ())
    shown, earlier = line in ("main", "doubtful"), tuple[MessageItem, ...]()
    if shown and (earlier := _settle_doubts(memory, span, operation, stitched)):
        stitched = stitch(memory, span.trace_id, operation, messages)
    if shown:
        note_main(known, operation, prompt, messages)
    known.user_id = operation.affiliation.user_id or known.user_id
    known.organization_id = operation.affiliation.organization_id or known.organization_id
    items = _items(memory, known, span, operation, stitched, shown=shown)
    if operation.response_id and operation.ending != "pending":
        memory.told.remember(operation.response_id, None)
    return ConversationUpdate(
        conversation_id=stitched.conversation_id,
        messages=(*earlier, *_hand_on(known, items)),
        user_id=known.user_id,
        organization_id=known.organization_id,
        model=model_of(operation) if shown else None,
        system_prompt=prompt if shown else None,
        prompt=operation.prompt if shown else None,
        voice_call=operation.voice_call,
        properties=known.add_properties(operation.affiliation.properties),
    )


def _items(
    memory: Memory, known: Known, span: SpanRecord, operation: Operation, stitched: Stitch, *, shown: bool
) -> Sequence[MessageItem]:
    if operation.name == FETCH and not _is_news(memory, operation):
        return ()
    if not shown:
        return _hidden(memory, known, span, operation, stitched)
    known.spans.remember(_name_of(span, operation), None)
    items = _shown(memory, known, span, operation, stitched)
    answers = [operation.output] if operation.name == TURN else [(one,) for one in operation.output]
    for said in answers[: operation.choice_count] or [()]:  # any of several may be the one that is resent
        remember_history(memory, stitched, (*stitched.messages, *said))
    return items


def assemble_overdue(memory: Memory, now_ns: int | None) -> list[ConversationUpdate]:
    """What operations tell that waited in vain until ``now_ns``, the time of a span; None: all that wait.

    A step of which nobody knows the conversation tells nothing: it is none by itself.
    """
    late = memory.waiting.overdue(now_ns)
    return [assemble(memory, *held, patient=False) for held in late if held[1].name not in STEPS]


def _settle_doubts(
    memory: Memory, span: SpanRecord, operation: Operation, stitched: Stitch
) -> tuple[MessageItem, ...]:
    """Tell what was in doubt until this call of the main line; what was beside it waits for its question."""
    told: list[MessageItem] = []
    for held_span, held in memory.waiting.release([_next_call(stitched)]):
        if was_beside(held, operation):
            memory.wait(span.trace_id, held_span, _as_internal(held))
        else:
            told += assemble(memory, held_span, held, patient=False).messages
    return tuple(told)


def _awaits(known: Known, span: SpanRecord, operation: Operation, stitched: Stitch, line: Line) -> str | None:
    """What has to come before an operation can be told; None if it can be now."""
    if operation.affiliation.turn_id and operation.name != TURN:
        return _turn(operation)
    if line != "beside":
        return None if line == "main" else _next_call(stitched)
    call_id = operation.tool.call_id if operation.tool else operation.affiliation.tool_call_id
    if call_id and call_id not in known.calls:
        return call_id
    return span.trace_id if stitched.by_trace else None


def _name_of(span: SpanRecord, operation: Operation) -> str:
    """Names what a span tells; log records that come later may make it more."""
    parts = sum(len(message.parts) for message in (*operation.input, *operation.output))
    return f"{span.trace_id} {span.span_id} {parts}"


def _as_internal(operation: Operation) -> Operation:
    """The operation as if the application had marked it."""
    return replace(operation, affiliation=replace(operation.affiliation, internal=True))


def _next_call(stitched: Stitch) -> str:
    return f"next call of {stitched.conversation_id}"


def _turn(operation: Operation) -> str:
    return f"turn {operation.affiliation.turn_id}"


def _is_shown(operation: Operation) -> bool:
    """Whether the user sees what an operation says."""
    hidden = operation.affiliation.internal or operation.affiliation.tool_call_id is not None
    return operation.name in MAIN_CALLS | {FETCH, ADD_ITEMS, TURN} and not hidden


def _is_news(memory: Memory, operation: Operation) -> bool:
    """Whether a fetched answer is final, whole, and was not told before."""
    final = operation.finish_reasons and operation.ending != "pending"
    return bool(final) and not (operation.response_id and memory.told.knows(operation.response_id))


def _shown(
    memory: Memory, known: Known, span: SpanRecord, operation: Operation, stitched: Stitch
) -> list[MessageItem]:
    """A model call of the main line: what was said to the model, its answer, and what waited for them."""
    id = known.namespace
    if operation.name == ADD_ITEMS and operation.ending != "completed":
        return []
    if stitched.position == Position() or operation.input_parent_id:
        given, asked, literal = place(id, known, stitched.messages, stitched.position)
    else:
        given, asked = follow(id, stitched.position, stitched.messages)
        literal = False
    if operation.used_tools:
        asked = replace(asked, agentic=True)
    answered, after = _answered(id, asked, operation)
    known.resends = known.resends or _resends(operation, stitched)
    call_ids = _remember_pieces(memory, known, stitched, (*given, *answered))
    remember(memory, span.trace_id, operation, stitched, asked, after)
    if not literal:
        _remember_as_told(known, operation, stitched, after)
    items = [render(one, span.start_ns) for one in given if one.id not in known.sent]
    for held in memory.waiting.release([span.trace_id]):
        items += _hidden(memory, known, *held, stitched, asked.asked)
    items += _render_answer(id, span, operation, answered, asked)
    turn = [_turn(operation)] if operation.name == TURN else []
    for held in memory.waiting.release([*turn, *call_ids]):
        items += _hidden(memory, known, *held, stitched, asked.asked, after)
    return in_order_of_time(items) if operation.name == TURN else items


def _remember_as_told(known: Known, operation: Operation, stitched: Stitch, after: Position) -> None:
    """Note where the call ends under the id that it has for whoever knows this input only.

    Spans that leave out known history name it so (`instrumentation.history`), however the input was aligned.
    """
    answer = operation.output[:1] if operation.choice_count > 1 else operation.output
    before = Position(tip=operation.input_parent_id)
    tip = follow(known.namespace, before, (*stitched.messages, *answer))[1].tip
    if tip is not None and tip != after.tip:
        known.positions.remember(tip, after)


def _remember_pieces(
    memory: Memory, known: Known, stitched: Stitch, placed: Iterable[Placed]
) -> Sequence[str]:
    """Note by what the pieces are found again; the ids of the calls among them."""
    call_ids = []
    for one in placed:
        if node := node_of(known.namespace, one):
            known.place(node)
        if one.piece.kind == "tool_call" and one.piece.call_id:
            memory.call(one.piece.call_id, stitched.conversation_id, one.id)
            call_ids.append(one.piece.call_id)
    return call_ids


def _resends(operation: Operation, stitched: Stitch) -> bool:
    """Whether a call tells of earlier turns: there is an answer before its newest user message."""
    messages = stitched.messages
    if operation.input_parent_id is not None:
        return any(message.role == "user" for message in messages)
    if stitched.position != Position():
        return True
    asked = max((at for at, message in enumerate(messages) if message.role == "user"), default=0)
    return any(message.role == "assistant" for message in messages[:asked])


def _answered(id: str, asked: Position, operation: Operation) -> tuple[Sequence[Placed], Position]:
    if operation.ending == "pending":
        return (), asked
    return _follow_output(id, asked, operation)


def _render_answer(
    id: str, span: SpanRecord, operation: Operation, answered: Sequence[Placed], asked: Position
) -> list[MessageItem]:
    """The answer, its facts with its first words; as a hidden step if it failed or is not whole yet."""
    facts = facts_of(span, operation)
    bearer = next((one for one in answered if one.piece.kind == "answer"), answered[0] if answered else None)
    if not answered and (
        operation.output if operation.ending == "pending" else operation.ending != "completed"
    ):
        return [render_step(id, span, replace(operation, input=()), asked.asked)]
    return [
        render(one, span.end_ns, model=model_of(operation), properties=facts if one is bearer else {})
        for one in answered
    ]


def _follow_output(
    namespace: str, position: Position, operation: Operation
) -> tuple[Sequence[Placed], Position]:
    if operation.choice_count < 2 or not operation.output:
        return follow(namespace, position, operation.output)
    alternatives = [follow(namespace, position, (message,)) for message in operation.output]
    told_apart = _told_apart(namespace, [placed for placed, _ in alternatives])
    return list(told_apart), alternatives[0][1]


def _told_apart(namespace: str, alternatives: Sequence[Sequence[Placed]]) -> Iterable[Placed]:
    """Alternatives that say the same are still two answers."""
    seen: set[str] = set()
    for index, alternative in enumerate(alternatives):
        ids = {one.id for one in alternative}
        if ids & seen:
            yield from (replace(one, id=id_of(namespace, one.id, "choice", index)) for one in alternative)
        else:
            yield from alternative
        seen |= ids


def _hidden(
    memory: Memory,
    known: Known,
    span: SpanRecord,
    operation: Operation,
    stitched: Stitch,
    asked: str | None = None,
    turn: Position | None = None,
) -> list[MessageItem]:
    """What the user does not see: a tool that ran, or a call marked as internal or made by a tool."""
    id, tool, place = known.namespace, operation.tool, known.latest
    asked = asked or place.asked
    if operation.name == COMPACT:
        place = follow(id, stitched.position, stitched.messages)[1]
        operation = replace(operation, input=())
    remember(memory, span.trace_id, operation, stitched, place, known.latest)
    within = known.calls.get(operation.affiliation.tool_call_id or "")
    if operation.name in CHAINS:
        return list(render_chain(id, span, operation, within or asked))
    if tool is None:
        return [render_step(id, span, operation, within or asked)]
    call = _call_of(known, operation, turn)
    call_id = call or span_message_id(id, span, "tool_call")
    if call is None and tool.call_id and operation.affiliation.turn_id:
        memory.call(tool.call_id, stitched.conversation_id, call_id)
    parent = within or asked
    return list(
        render_tool(span, operation, tool, call_id, result_id(id, call_id), parent, told=call is not None)
    )


def _call_of(known: Known, operation: Operation, turn: Position | None) -> str | None:
    """The message that asked for a tool; None where nobody told of it, as of what a sub-agent's tools do."""
    call_id = operation.tool.call_id if operation.tool else None
    if turn is None or operation.affiliation.turn_id is None:
        return known.calls.get(call_id) if call_id else None
    beside = operation.affiliation.internal or operation.affiliation.tool_call_id is not None
    return None if beside else turn.call(call_id)


def _hand_on(known: Known, items: Iterable[MessageItem]) -> tuple[MessageItem, ...]:
    """Those that were not handed on before, in strictly increasing time."""
    new = []
    for item in items:
        if item.id not in known.sent:
            known.sent.remember(item.id, None)
            new.append(replace(item, created_at_ms=known.next_ms(item.created_at_ms)))
    return tuple(new)
