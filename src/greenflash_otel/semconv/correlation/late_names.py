"""Which spans still wait for a name that an outer span may give them. Pure.

Outer spans end last, so they arrive last: often only they name the conversation and the user. A call that
lacks a name has to wait while a span that it ran in is missing. It need not wait if its spans are known up to
the root: then nothing names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from greenflash_otel.model.operation import ConversationContext, merge_context
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
    found: set[Key] = set()
    for one in known:
        if may_lack_name(one):
            above, is_whole = _find_enclosing(one, by_span_id)
            if not is_whole and not _is_named(one, above, shared):
                found |= {one.key, *(outer.key for outer in above if not outer.is_ours)}
    if found:
        found |= {one.key for one in known if one.operation is None and _names_something(one)}
    return found


def may_lack_name(one: Reading) -> bool:
    """Return whether a span describes an operation of another instrumentation that does not name both."""
    return one.operation is not None and not one.is_ours and not _is_named(one, (), None)


def _find_enclosing(one: Reading, by_span_id: Mapping[str, Reading]) -> tuple[list[Reading], bool]:
    """Find the known spans that a span ran in, the nearest first, and whether they reach up to the root."""
    above = list(find_ancestors(one, by_span_id))
    parent_id = (above[-1] if above else one).span.parent_span_id
    return above, not parent_id or parent_id in by_span_id


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
