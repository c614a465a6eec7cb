"""What the spans of one trace report together. Pure.

Spans are read one by one (`reading`); then each gets what only the spans around it say: the conversation
and the user, that it ran inside a tool, and which of two spans describes one model call that two layers
recorded. It sees the spans that it is given; `late_names` says which of them have to wait for others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from greenflash_otel.model.operation import (
    EMBEDDINGS,
    EXECUTE_TOOL,
    MAIN_CALLS,
    RETRIEVAL,
    ConversationContext,
    Operation,
    ToolCall,
    iterate_calls,
    merge_context,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.agent_runs import RUN, restore_input, restore_instructions
from greenflash_otel.semconv.correlation.rag import find_quoting_trace, quotable_text_of
from greenflash_otel.semconv.correlation.tool_calls import find_call_for, find_result, link_calls
from greenflash_otel.semconv.registry import OURS

Key: TypeAlias = tuple[str, str]
"""Span id, and the start of the span."""

DEEP = 64
"""Ancestors that are looked at."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A span, and what it reports."""

    span: SpanRecord
    operation: Operation | None = None
    conversation_context: ConversationContext = field(default_factory=ConversationContext)
    """To what the span says it belongs, whether or not it describes an operation."""
    already_emitted: bool = False
    """Whether it was handed on before."""

    @property
    def key(self) -> Key:
        """By what the span is known, wherever it is recorded."""
        return self.span.span_id, str(self.span.start_ns)

    @property
    def is_ours(self) -> bool:
        """Whether this library recorded the span, which then says itself what it belongs to."""
        return self.span.scope == OURS


def read(span: SpanRecord) -> Reading:
    """Read what one span says by itself."""
    return Reading(span, registry.read(span), registry.read_conversation_context(span.attributes))


def combine_spans(readings: Iterable[Reading]) -> list[Reading]:
    """Combine spans that arrived together: each learns from the others. They come as they ended."""
    ordered = sorted(readings, key=lambda one: one.span.end_ns)
    if all(one.span.scope == OURS for one in ordered):
        return ordered
    places = {(one.span.trace_id, one.span.span_id): place for place, one in enumerate(ordered)}
    around = [list(_find_ancestors(one.span, ordered, places)) for one in ordered]
    agreed = find_shared_context(ordered)
    placed = [
        _inherit_context(one, [ordered[at] for at in above], agreed.get(one.span.trace_id))
        for one, above in zip(ordered, around, strict=True)
    ]
    calls = _drop_agent_runs(_merge_duplicate_calls(placed, around), around)
    return _attach_rag_steps(_match_tool_spans(_link_tool_calls(calls)))


def _find_ancestors(
    span: SpanRecord, readings: Sequence[Reading], places: Mapping[tuple[str, str], int]
) -> Iterator[int]:
    """Find the places of the spans that a span ran in, the nearest first."""
    for _ in range(DEEP):
        place = places.get((span.trace_id, span.parent_span_id or ""))
        if place is None:
            return
        yield place
        span = readings[place].span


def _inherit_context(one: Reading, above: Sequence[Reading], agreed: ConversationContext | None) -> Reading:
    """Give a reading what the spans say that its own runs in, else what all of its trace agree on."""
    operation = one.operation
    if operation is None or one.span.scope == OURS:
        return one
    if operation.tool and operation.tool.result is None:
        operation = replace(operation, tool=replace(operation.tool, answered=False))
    for parent in above:
        operation = _complete_context(operation, parent.conversation_context)
        tool, within = parent.operation and parent.operation.tool, operation.conversation_context.tool_call_id
        if tool and operation.name != EXECUTE_TOOL and within is None:
            inside = replace(operation.conversation_context, tool_call_id=tool.call_id or parent.span.span_id)
            operation = replace(operation, conversation_context=inside)
    return replace(one, operation=_complete_context(operation, agreed) if agreed else operation)


def _complete_context(operation: Operation, to: ConversationContext) -> Operation:
    """Give an operation a conversation and a user, if it names none."""
    return replace(operation, conversation_context=merge_context(operation.conversation_context, to))


def find_shared_context(readings: Iterable[Reading]) -> dict[str, ConversationContext]:
    """Find what the spans of each trace agree on, as far as they say anything."""
    conversations, users = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for one in readings:
        trace_id, recorded = one.span.trace_id, one.conversation_context
        conversations[trace_id] |= {recorded.conversation_id} if recorded.conversation_id else set()
        users[trace_id] |= {recorded.user_id} if recorded.user_id else set()
    return {
        id: ConversationContext(_get_only(conversations[id]), _get_only(users[id])) for id in conversations
    }


def _get_only(names: set[str]) -> str | None:
    return next(iter(names)) if len(names) == 1 else None


def _merge_duplicate_calls(readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> list[Reading]:
    """Merge calls that two layers recorded: the outer one gets what the inner one knows."""
    recorded, answers = list(readings), _index_by_answer(readings)
    for place, above in enumerate(around):
        alike = (at for key in _keys_of_answer(recorded[place]) for at in answers[key])
        enclosing = (at for at in alike if _encloses(recorded[at], recorded[place]))
        for outer in (*above, *enclosing):
            both = recorded[outer].operation, recorded[place].operation
            if united := _merge_calls(*both):
                retained, other = (place, outer) if recorded[place].already_emitted else (outer, place)
                recorded[retained] = replace(recorded[retained], operation=united)
                recorded[other] = replace(recorded[other], operation=None)
                break
    return recorded


def _index_by_answer(readings: Sequence[Reading]) -> Mapping[str, Sequence[int]]:
    """Index the places of model calls by what names their answers."""
    found = defaultdict[str, list[int]](list)
    for place, one in enumerate(readings):
        for key in _keys_of_answer(one):
            found[key].append(place)
    return found


def _keys_of_answer(one: Reading) -> Iterator[str]:
    """Return what two layers say alike of a call: the id of its response, and the answer itself."""
    if one.operation and one.operation.name in MAIN_CALLS:
        if one.operation.response_id:
            yield one.operation.response_id
        if words := _parts_of_answer(one.operation):
            yield repr(words)


def _encloses(outer: Reading, inner: Reading) -> bool:
    """Return whether a call ran within another one by its times, though each began a trace."""
    if outer.span.scope == inner.span.scope or outer is inner:
        return False
    return outer.span.start_ns <= inner.span.start_ns and inner.span.end_ns <= outer.span.end_ns


def _link_tool_calls(readings: Sequence[Reading]) -> list[Reading]:
    """Give tool calls the ids by which they are known; each instrumentation by itself."""
    recorded, scopes = list(readings), defaultdict[str, list[int]](list)
    for place, one in enumerate(readings):
        if one.operation and one.operation.name in MAIN_CALLS:
            scopes[one.span.scope].append(place)
    for places in scopes.values():
        calls = link_calls([call for place in places if (call := recorded[place].operation)])
        for place, call in zip(places, calls, strict=True):
            recorded[place] = replace(recorded[place], operation=call)
    return recorded


def _match_tool_spans(readings: Sequence[Reading]) -> list[Reading]:
    """Match tools to the calls they ran for. Those of no call count only where no call is known."""
    recorded = list(readings)
    calls = defaultdict[str, list[ToolCall]](list)
    asks = {
        one.span.trace_id for one in readings if one.operation and any(iterate_calls(one.operation.output))
    }
    calling = [one for one in readings if one.operation and one.operation.input]
    names: dict[str, str] = {}
    for place, one in enumerate(readings):
        operation, trace_id = one.operation, one.span.trace_id
        if operation is None or one.span.scope == OURS:
            continue
        calls[trace_id] += iterate_calls(operation.output)
        if operation.tool is None:
            continue
        call_id = operation.tool.call_id
        if call_id is None and (call := find_call_for(operation.tool, calls[trace_id])):
            call_id = call.id
        asked = next((call for call in calls[trace_id] if call.id == call_id), None)
        calls[trace_id] = [call for call in calls[trace_id] if call is not asked]
        if asked and not isinstance(operation.tool.arguments, Mapping):  # LangChain's, without their names
            given = replace(operation.tool, arguments=asked.arguments or operation.tool.arguments)
            operation = replace(operation, tool=given)
            one = recorded[place] = replace(one, operation=operation)
        if call_id is not None:
            names[one.span.span_id] = call_id
        if call_id is not None or trace_id in asks:
            here = [other for other in calling if other.span.trace_id == trace_id]
            recorded[place] = replace(one, operation=_make_tool_run(operation, call_id, here or calling))
    return [replace(one, operation=_name_enclosing_call(one.operation, names)) for one in recorded]


def _name_enclosing_call(operation: Operation | None, names: Mapping[str, str]) -> Operation | None:
    """Name the call of the tool that an operation ran in, where the tool's span does not."""
    name = names.get(operation.conversation_context.tool_call_id or "") if operation else None
    if operation is None or name is None:
        return operation
    return replace(operation, conversation_context=replace(operation.conversation_context, tool_call_id=name))


def _attach_rag_steps(readings: Sequence[Reading]) -> list[Reading]:
    """Move embeddings and retrievals into the trace of the call that quotes them."""
    calls = [
        quotable_text_of(one.operation, one.span.trace_id, one.span.start_ns)
        for one in readings
        if one.operation and one.operation.name in MAIN_CALLS
    ]
    homes, recorded = {call.trace_id for call in calls}, list(readings)
    for place, one in enumerate(readings):
        step, span = one.operation, one.span
        if step is None or step.name not in (EMBEDDINGS, RETRIEVAL) or span.scope == OURS:
            continue
        if span.trace_id not in homes and (home := find_quoting_trace(step, span.end_ns, calls)):
            recorded[place] = replace(one, span=replace(span, trace_id=home))
    return recorded


def _make_tool_run(operation: Operation, call_id: str | None, calling: Iterable[Reading]) -> Operation | None:
    """Make the run of a call of a tool, with what the model was given where its span may not say it."""
    if call_id is None or operation.tool is None:
        return None
    tool = replace(operation.tool, call_id=call_id)
    if operation.tool.call_id is None or (operation.failure and tool.result is None):
        result = find_result((one.operation for one in calling if one.operation), call_id)
        tool = replace(tool, result=tool.result if result is None else result)
    return replace(operation, tool=tool)


def _drop_agent_runs(readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> list[Reading]:
    """Give calls what only the runs around them say. A run is left where there is no call in it."""
    recorded, within = list(readings), defaultdict[int, list[int]](list)
    for place, above in enumerate(around):
        call = recorded[place].operation
        if call is None or call.name not in MAIN_CALLS:
            continue
        runs = [(outer, run) for outer in above if (run := recorded[outer].operation) and run.name == RUN]
        for outer, run in runs:
            call = restore_input(call, run)
            within[outer] += [place] if outer == runs[0][0] else []
        recorded[place] = replace(recorded[place], operation=call)
    for outer, places in within.items():
        calls = [call for place in places if (call := recorded[place].operation)]
        if run := recorded[outer].operation:
            for place, call in zip(places, restore_instructions(calls, run), strict=True):
                recorded[place] = replace(recorded[place], operation=call)
        recorded[outer] = replace(recorded[outer], operation=None)
    return recorded


def _merge_calls(outer: Operation | None, inner: Operation | None) -> Operation | None:
    """Merge two readings of one call: the fuller answer, and what either says; None if they are two."""
    if not outer or not inner:
        return None
    if outer.name == inner.name and outer.name in (EMBEDDINGS, RETRIEVAL):
        known = outer.input and inner.input
        return None if known and outer.input != inner.input else registry.merge_operation(outer, inner)
    if not {outer.name, inner.name} <= MAIN_CALLS:
        return None
    words, asked = _parts_of_answer(outer), _find_last_question(outer)
    same = words == _parts_of_answer(inner) and bool(words or asked == _find_last_question(inner))
    if outer.response_id and inner.response_id:
        same = outer.response_id == inner.response_id
    if not same:
        return None
    if len(_parts_of_answer(inner)) > len(_parts_of_answer(outer)):
        return registry.merge_operation(inner, outer)
    return registry.merge_operation(outer, inner)


def _parts_of_answer(operation: Operation) -> Sequence[object]:
    """Return what was answered, part by part."""
    return [part for message in operation.output for part in message.parts]


def _find_last_question(operation: Operation) -> object:
    """Return what was said last to the model."""
    return operation.input[-1].parts if operation.input else None
