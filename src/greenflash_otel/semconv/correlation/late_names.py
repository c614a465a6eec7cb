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
    known = list(readings)
    by_span_id = {one.span.span_id: one for one in known}
    # A name from beside a call does not count: a span that it ran in may still bring another one.
    roots = [one for one in known if not one.span.parent_span_id]
    shared = find_shared_contexts(roots).get(roots[0].span.trace_id) if roots else None
    callers = [one for one in known if _asks_for_tools(one)]
    found: set[Key] = set()
    for one in sorted(known, key=_is_tool):
        if one.operation is None or one.is_ours:
            continue
        if may_lack_name(one) or callers:
            above, missing = _find_enclosing(one, by_span_id)
            if missing is None:
                continue
            named, outer = _find_naming(one, above, callers)
            if _is_tool(named) and _is_of_recorded_call(named, missing, callers, found, by_span_id):
                continue
            is_named = not may_lack_name(named) or _is_named(named, outer, shared)
            if is_named and (named is not one or not may_run_in_tool(one, by_span_id)):
                continue
            found |= {one.key, *(outer.key for outer in above if not outer.is_ours)}
    if found:
        found |= {one.key for one in known if one.operation is None and _names_something(one)}
    if any(one.key in found and one.operation and one.operation.name in MAIN_CALLS for one in known):
        # A run says what the calls in it say: it is recorded only if none does.
        found |= {one.key for one in known if one.operation and one.operation.name == RUN and not one.is_ours}
    return found


def may_lack_name(one: Reading) -> bool:
    """Return whether a span describes an operation of another instrumentation that does not name both."""
    return one.operation is not None and not one.is_ours and not _is_named(one, (), None)


def may_run_in_tool(one: Reading, by_span_id: Mapping[str, Reading]) -> bool:
    """Return whether a span may be of an agent that is a tool of another conversation, whatever it names.

    That is so while a call of its trace awaits what a tool returns, and names another conversation.
    """
    if one.operation is None or one.is_ours or one.operation.conversation_context.scope_id is not None:
        return False
    before = [
        other
        for other in by_span_id.values()
        if other.span.end_ns <= one.span.start_ns and not other.is_ours and _asks_for_tools(other)
    ]
    own = _find_conversation(one, by_span_id) if before else None
    others = [other for other in before if _find_conversation(other, by_span_id) != own]
    if not others:
        return False
    done = {id for other in (one, *by_span_id.values()) for id in _list_finished(other)}
    calls = [call for other in others if other.operation for call in iterate_calls(other.operation.output)]
    return any(call.id and not done & {call.id, call.name} for call in calls)


def _find_conversation(one: Reading, by_span_id: Mapping[str, Reading]) -> str | None:
    around = [
        one.conversation_context,
        *(outer.conversation_context for outer in _find_enclosing(one, by_span_id)[0]),
    ]
    if one.operation:
        around.insert(0, one.operation.conversation_context)
    return next((context.conversation_id for context in around if context.conversation_id), None)


def _find_naming(
    one: Reading, above: Sequence[Reading], callers: Iterable[Reading]
) -> tuple[Reading, Sequence[Reading]]:
    """Find the span that decides whether an operation is named, and those around that.

    It is the outermost tool that the operation ran in, if a call asked for it: an agent in a tool names its own.
    """
    for place in reversed(range(len(above))):
        outer = above[place].operation
        tool = outer.tool if outer else None
        if tool and any(
            tool.call_id == call.id or tool.name == call.name
            for caller in callers
            if caller.operation
            for call in iterate_calls(caller.operation.output)
        ):
            return above[place], above[place + 1 :]
    return one, above


def _list_finished(one: Reading) -> Iterator[str | None]:
    """Yield by which ids and names the tools are known that have returned something."""
    operation = one.operation
    if operation is None:
        return
    given = with_whole_input(operation).input
    yield from (result.id for result in iterate_results(given) if result.id)
    if operation.tool:
        yield from (operation.tool.call_id, operation.tool.name)


def _asks_for_tools(one: Reading) -> bool:
    return one.operation is not None and any(iterate_calls(one.operation.output))


def _is_tool(one: Reading) -> bool:
    return one.operation is not None and one.operation.tool is not None


def _is_of_recorded_call(
    one: Reading,
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
    tool = one.operation.tool if one.operation else None
    named = []
    for caller in callers:
        above, its_missing = _find_enclosing(caller, by_span_id)
        if caller.key not in unnamed and its_missing == missing and not any(map(_is_tool, above)):
            named.append(caller)
    if tool is None or len({_find_conversation(caller, by_span_id) for caller in named}) != 1:
        return False
    return any(
        tool.call_id == call.id or (tool.call_id is None and tool.name == call.name)
        for caller in named
        if caller.operation
        for call in iterate_calls(caller.operation.output)
    )


def _find_enclosing(one: Reading, by_span_id: Mapping[str, Reading]) -> tuple[list[Reading], str | None]:
    """Find the known spans that a span ran in, the nearest first, and the id of the next one, if it is missing."""
    above = list(find_ancestors(one, by_span_id))
    parent_id = (above[-1] if above else one).span.parent_span_id
    return above, parent_id if parent_id and parent_id not in by_span_id else None


def _is_named(one: Reading, above: Iterable[Reading], shared: ConversationContext | None) -> bool:
    """Return whether a span, those that it ran in, or the root of its trace name a conversation and a user."""
    operation, context = one.operation, one.conversation_context
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


def _names_something(one: Reading) -> bool:
    return bool(one.conversation_context.conversation_id or one.conversation_context.user_id)
