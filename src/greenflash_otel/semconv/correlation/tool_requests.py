"""Recognise what a tool call asked for where no span says that it ran in the tool. Pure.

The spans of an agent that is used as a tool arrive before the tool's, and may name a session of their own.

| a span without a tool around it                        | ran in the tool call, if                                 |
|--------------------------------------------------------|----------------------------------------------------------|
| a model call of another conversation than an earlier   | its newest question is a text in the arguments of a call |
| call of its trace, whose parent is missing             | that the earlier one asked for, and nobody answered      |
| a tool                                                 | the call that asked for it ran in one                    |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from greenflash_otel.json_values import iterate_texts
from greenflash_otel.model.operation import (
    MAIN_CALLS,
    ConversationContext,
    Json,
    Operation,
    iterate_calls,
    iterate_results,
)
from greenflash_otel.semconv.correlation.layer_kinds import find_question, smooth
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.registry import OURS

LEAST_CONTAINED = 16
"""Characters of a text that is recognised within a longer question."""
BEFORE = 64
"""Calls of a trace that are looked at for the one that asked."""


def mark_requested(readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> list[Reading]:
    """Give what a tool call asked for the conversation and the id of that call."""
    recorded, traces = list(readings), defaultdict[str, list[int]](list)
    for place, reading in enumerate(readings):
        if reading.operation and reading.operation.name in MAIN_CALLS:
            traces[reading.span.trace_id].append(place)
    for place, reading in enumerate(readings):
        operation = reading.operation
        if operation is None or reading.span.scope == OURS or operation.conversation_context.tool_call_id:
            continue
        before = [recorded[at] for at in traces[reading.span.trace_id] if at != place]
        last = readings[around[place][-1]].span if around[place] else reading.span
        request = None
        if operation.tool:
            request = _find_request_of_tool(operation, before)
        elif last.parent_span_id is not None and operation.name in MAIN_CALLS:
            request = _find_request_of_agent(reading, operation, before[-BEFORE:])
        if request:
            context = replace(
                operation.conversation_context,
                conversation_id=request.conversation_id,
                tool_call_id=request.tool_call_id,
            )
            recorded[place] = replace(reading, operation=replace(operation, conversation_context=context))
    return recorded


def _find_request_of_tool(operation: Operation, calls: Sequence[Reading]) -> ConversationContext | None:
    """Find the tool call in which a call ran that asked for a tool."""
    call_id = operation.tool.call_id if operation.tool else None
    asking = (
        reading.operation.conversation_context
        for reading in calls
        if reading.operation and any(call.id == call_id for call in iterate_calls(reading.operation.output))
    )
    return next((context for context in asking if context.tool_call_id), None)


def _find_request_of_agent(
    reading: Reading, operation: Operation, calls: Sequence[Reading]
) -> ConversationContext | None:
    """Find the unanswered tool call of another conversation that has the question of a call in its arguments."""
    own, question = reading.conversation_context, find_question(operation)
    if own.conversation_id is None or question is None:
        return None
    earlier = [other for other in calls if other.span.start_ns < reading.span.start_ns]
    answered_ids = {
        result.id for other in earlier if other.operation for result in iterate_results(other.operation.input)
    }
    for other in reversed(earlier):
        if other.operation is None or other.span.end_ns > reading.span.start_ns:
            continue
        context, named = other.operation.conversation_context, other.conversation_context
        users = {context.user_id, own.user_id} - {None}
        if named.conversation_id == own.conversation_id or context.tool_call_id or len(users) > 1:
            continue
        if context.conversation_id == own.conversation_id:  # the only name of the trace so far
            context = replace(context, conversation_id=None)
        for call in iterate_calls(other.operation.output):
            if call.id and call.id not in answered_ids and _does_ask(call.arguments, question):
                return replace(context, tool_call_id=call.id)
    return None


def _does_ask(arguments: Json, question: str) -> bool:
    """Return whether a text in the arguments of a call is a question, or a part of it that is long enough."""
    texts = [smooth(text) for text in iterate_texts(arguments)]
    return any(
        text == question or (len(text) >= LEAST_CONTAINED and text in question) for text in texts if text
    )
