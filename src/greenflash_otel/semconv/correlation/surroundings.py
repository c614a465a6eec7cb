"""Find what a span says to whom it belongs through the spans around it: conversation, user, tool. Pure.

| a span that runs                                  | belongs to the conversation that is named by           |
|---------------------------------------------------|--------------------------------------------------------|
| in no tool                                        | itself, the nearest span around it, all of its trace   |
| in a tool                                         | the outermost tool, the nearest span around that, all  |
|                                                   | of the trace that runs in no tool; else itself         |
| in a tool that a call of its trace asked for      | the same, but never itself: an agent that is used as a |
|                                                   | tool may name a session of its own                     |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import ConversationContext, iterate_calls
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.registry import OURS

NOTHING = ConversationContext()


def inherit_contexts(readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> list[Reading]:
    """Give each reading what the spans around it say, else what all of its trace agree on."""
    tools = [_find_outermost_tool(readings, above) for above in around]
    requested = _find_requested_tools(readings, tools)
    outside = [
        reading
        for reading, tool in zip(readings, tools, strict=True)
        if tool not in requested and not _is_inside_tool(reading)
    ]
    agreed, everywhere = find_shared_contexts(outside), find_shared_contexts(readings)
    recorded = list(readings)
    for place, reading in enumerate(readings):
        operation, trace_id = reading.operation, reading.span.trace_id
        if operation is None or reading.span.scope == OURS or _is_inside_tool(reading):
            continue
        above, tool = around[place], tools[place]
        home, own = list[int](), list(above)
        if tool is not None:
            at = above.index(tool)
            home, own = list(above[at:]), list(above[:at])
        shared = agreed.get(trace_id, NOTHING)
        context, is_requested = operation.conversation_context, tool in requested
        outer = [readings[at].conversation_context for at in home] + ([shared] if is_requested else [])
        inner = [context, *(readings[at].conversation_context for at in own)]
        users = [*outer, *inner, shared, everywhere.get(trace_id, NOTHING)]
        named = (
            _find_first(
                named_context.conversation_id for named_context in (outer if is_requested else users[:-1])
            ),
            _find_first(named_context.user_id for named_context in users),
            _find_first(named_context.organization_id for named_context in users),
        )
        if named == (context.conversation_id, context.user_id, context.organization_id):
            continue
        context = replace(context, conversation_id=named[0], user_id=named[1], organization_id=named[2])
        recorded[place] = replace(reading, operation=replace(operation, conversation_context=context))
    return recorded


def mark_inside_tools(
    readings: Sequence[Reading], around: Sequence[Sequence[int]], merged_into: Mapping[int, int]
) -> list[Reading]:
    """Give each operation the id of the tool call that it ran in.

    Args:
        merged_into: Where what a layer said is now.
    """
    recorded = list(readings)
    for place, reading in enumerate(readings):
        operation = reading.operation
        if operation is None or reading.span.scope == OURS or operation.conversation_context.tool_call_id:
            continue
        for outer in around[place]:
            at = _follow(outer, merged_into)
            tool = readings[at].operation
            if at != place and tool and tool.tool:
                call_id = tool.tool.call_id or readings[at].span.span_id
                inside = replace(operation.conversation_context, tool_call_id=call_id)
                recorded[place] = replace(reading, operation=replace(operation, conversation_context=inside))
                break
    return recorded


def _is_inside_tool(reading: Reading) -> bool:
    """Return whether it was found before that a span ran in a tool."""
    return reading.operation is not None and reading.operation.conversation_context.tool_call_id is not None


def _follow(place: int, merged_into: Mapping[int, int]) -> int:
    while place in merged_into:
        place = merged_into[place]
    return place


def _find_outermost_tool(readings: Sequence[Reading], above: Sequence[int]) -> int | None:
    return next(
        (at for at in reversed(above) if (operation := readings[at].operation) and operation.tool), None
    )


def _find_requested_tools(readings: Sequence[Reading], tools: Sequence[int | None]) -> set[int | None]:
    """Find the outermost tools that a call of their trace, which ran in no tool, asked for."""
    requested_names = defaultdict[str, set[str]](set)
    for reading, tool in zip(readings, tools, strict=True):
        if tool is None and reading.operation:
            for call in iterate_calls(reading.operation.output):
                requested_names[reading.span.trace_id] |= {call.name, call.id or call.name}
    requested = set[int | None]()
    for place in {at for at in tools if at is not None}:
        operation, trace_id = readings[place].operation, readings[place].span.trace_id
        ran = operation.tool if operation else None
        if ran and requested_names[trace_id] & {ran.name, ran.call_id or ran.name}:
            requested.add(place)
    return requested


def _find_first(names: Iterable[str | None]) -> str | None:
    return next((name for name in names if name), None)


def find_shared_contexts(readings: Iterable[Reading]) -> Mapping[str, ConversationContext]:
    """Find what the spans of each trace agree on, as far as they say anything."""
    conversations, users = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for reading in readings:
        trace_id, recorded = reading.span.trace_id, reading.conversation_context
        conversations[trace_id] |= {recorded.conversation_id} if recorded.conversation_id else set()
        users[trace_id] |= {recorded.user_id} if recorded.user_id else set()
    return {
        id: ConversationContext(_get_only(conversations[id]), _get_only(users[id])) for id in conversations
    }


def _get_only(names: set[str]) -> str | None:
    return next(iter(names)) if len(names) == 1 else None
