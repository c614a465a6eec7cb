"""Which spans still wait for a name that an outer span may give them. Pure.

Outer spans end last, so they arrive last: often only they name the conversation and the user. A call that
lacks a name has to wait while a span that it ran in is missing. It need not wait if its spans are known up to
the root: then nothing names it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from greenflash_otel.model.long_input import with_whole_input
from greenflash_otel.model.operation import (
    MAIN_CALLS,
    ConversationContext,
    ToolCall,
    iterate_calls,
    iterate_results,
    merge_context,
)
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.correlation.reading import Key, Reading, find_ancestors
from greenflash_otel.semconv.correlation.surroundings import find_shared_contexts


def find_unnamed(readings: Iterable[Reading]) -> set[Key]:
    """Find the spans of one trace that have to wait: for a name, or with a call that waits for one.

    Args:
        readings: All that is known of the trace, in the order in which it arrived.
    """
    all_readings = list(readings)
    by_span_id = {reading.span.span_id: reading for reading in all_readings}
    # A name from beside a call does not count: a span that it ran in may still bring another one.
    roots = [reading for reading in all_readings if not reading.span.parent_span_id]
    shared = find_shared_contexts(roots).get(roots[0].span.trace_id) if roots else None
    callers = [reading for reading in all_readings if _asks_for_tools(reading)]
    unnamed: set[Key] = set()
    for reading in sorted(all_readings, key=_is_tool):
        if reading.operation is None or reading.is_ours:
            continue
        if may_lack_name(reading) or callers:
            above, missing = _find_enclosing(reading, by_span_id)
            if missing is None:
                continue
            named, outer = _find_naming(reading, above, callers)
            if _is_tool(named) and _is_of_recorded_call(named, missing, callers, unnamed, by_span_id):
                continue
            is_named = not may_lack_name(named) or _is_named(named, outer, shared)
            if is_named and (named is not reading or not may_run_in_tool(reading, by_span_id)):
                continue
            unnamed |= {reading.key, *(outer.key for outer in above if not outer.is_ours)}
    if unnamed:
        unnamed |= {
            reading.key for reading in all_readings if reading.operation is None and _names_something(reading)
        }
    if any(
        reading.key in unnamed and reading.operation and reading.operation.name in MAIN_CALLS
        for reading in all_readings
    ):
        # A run says what the calls in it say: it is recorded only if none does.
        unnamed |= {
            reading.key
            for reading in all_readings
            if reading.operation and reading.operation.name == RUN and not reading.is_ours
        }
    return unnamed


def may_lack_name(reading: Reading) -> bool:
    """Return whether a span describes an operation of another instrumentation that does not name both."""
    return reading.operation is not None and not reading.is_ours and not _is_named(reading, (), None)


def may_run_in_tool(reading: Reading, by_span_id: Mapping[str, Reading]) -> bool:
    """Return whether a span may be of an agent that is a tool of another conversation, whatever it names.

    That is so while a call of its trace awaits what a tool returns, and names another conversation.
    """
    if (
        reading.operation is None
        or reading.is_ours
        or reading.operation.conversation_context.scope_id is not None
    ):
        return False
    before = [
        other
        for other in by_span_id.values()
        if other.span.end_ns <= reading.span.start_ns and not other.is_ours and _asks_for_tools(other)
    ]
    own = _find_conversation(reading, by_span_id) if before else None
    others = [other for other in before if _find_conversation(other, by_span_id) != own]
    if not others:
        return False
    done = {id for other in (reading, *by_span_id.values()) for id in _list_finished(other)}
    return any(call.id and not done & {call.id, call.name} for call in _iterate_requested(others))


def _find_conversation(reading: Reading, by_span_id: Mapping[str, Reading]) -> str | None:
    around = [
        reading.conversation_context,
        *(outer.conversation_context for outer in _find_enclosing(reading, by_span_id)[0]),
    ]
    if reading.operation:
        around.insert(0, reading.operation.conversation_context)
    return next((context.conversation_id for context in around if context.conversation_id), None)


def _find_naming(
    reading: Reading, above: Sequence[Reading], callers: Iterable[Reading]
) -> tuple[Reading, Sequence[Reading]]:
    """Find the span that decides whether an operation is named, and those around that.

    It is the outermost tool that the operation ran in, if a call asked for it: an agent in a tool names its own.
    """
    for place in reversed(range(len(above))):
        outer = above[place].operation
        tool = outer.tool if outer else None
        if tool and any(
            tool.call_id == call.id or tool.name == call.name for call in _iterate_requested(callers)
        ):
            return above[place], above[place + 1 :]
    return reading, above


def _list_finished(reading: Reading) -> Iterator[str | None]:
    """Yield by which ids and names the tools are known that have returned something."""
    operation = reading.operation
    if operation is None:
        return
    messages = with_whole_input(operation).input
    yield from (result.id for result in iterate_results(messages) if result.id)
    if operation.tool:
        yield from (operation.tool.call_id, operation.tool.name)


def _asks_for_tools(reading: Reading) -> bool:
    return any(_iterate_requested((reading,)))


def _iterate_requested(callers: Iterable[Reading]) -> Iterator[ToolCall]:
    """Yield the calls that the answers of model calls ask for."""
    for caller in callers:
        if caller.operation:
            yield from iterate_calls(caller.operation.output)


def _is_tool(reading: Reading) -> bool:
    return reading.operation is not None and reading.operation.tool is not None


def _is_of_recorded_call(
    reading: Reading,
    missing: str,
    callers: Iterable[Reading],
    unnamed: Container[Key],
    by_span_id: Mapping[str, Reading],
) -> bool:
    """Return whether a tool ran for a call that has its names, so that it belongs where that does.

    Args:
        missing: The span around the tool that has not arrived.
        unnamed: The calls that wait themselves.
    """
    tool = reading.operation.tool if reading.operation else None
    named = []
    for caller in callers:
        above, its_missing = _find_enclosing(caller, by_span_id)
        if caller.key not in unnamed and its_missing == missing and not any(map(_is_tool, above)):
            named.append(caller)
    if tool is None or len({_find_conversation(caller, by_span_id) for caller in named}) != 1:
        return False
    return any(
        tool.call_id == call.id or (tool.call_id is None and tool.name == call.name)
        for call in _iterate_requested(named)
    )


def _find_enclosing(reading: Reading, by_span_id: Mapping[str, Reading]) -> tuple[list[Reading], str | None]:
    """Find the known spans that a span ran in, the nearest first, and the id of the next one, if it is missing."""
    above = list(find_ancestors(reading, by_span_id))
    parent_id = (above[-1] if above else reading).span.parent_span_id
    return above, parent_id if parent_id and parent_id not in by_span_id else None


def _is_named(reading: Reading, above: Iterable[Reading], shared: ConversationContext | None) -> bool:
    """Return whether a span, those that it ran in, or the root of its trace name a conversation and a user."""
    operation, context = reading.operation, reading.conversation_context
    if operation is not None:
        context = merge_context(operation.conversation_context, context)
        if context.scope_id is not None:  # it ran in `conversation()`, which names what it wants to
            return True
    for outer in above:
        context = merge_context(context, outer.conversation_context)
    if shared is not None:
        context = merge_context(context, shared)
    provider_id = operation.provider_conversation_id if operation else None
    return bool((context.conversation_id or provider_id) and context.user_id)


def _names_something(reading: Reading) -> bool:
    return bool(reading.conversation_context.conversation_id or reading.conversation_context.user_id)
