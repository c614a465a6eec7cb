"""To whom a run belongs that begins: to the turn around it, to one that is over, or to a turn of its own.

A task or thread takes the context along that it was started in, also beyond the end of the turn in it. A worker
then runs the agents of everybody in the context of the first. So a run belongs to whom it names itself;
what it inherited counts only where it names nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any
from uuid import UUID

from greenflash_otel.context import get_own_conversation_context, has_left_own_block
from greenflash_otel.instrumentation.langchain.callers import read_callers_configurable
from greenflash_otel.instrumentation.langchain.config import Source, complete_context, merge_contexts
from greenflash_otel.instrumentation.langchain.run_registry import (
    RUNS,
    EndedTurn,
    Run,
    Turn,
)
from greenflash_otel.instrumentation.langchain.running_config import read_configurable
from greenflash_otel.model.operation import ConversationContext, merge_context

NODE = "graph:step:"
"""How the tag begins that LangGraph gives to the steps of a graph: they have no config of their own."""
_NOBODY = ConversationContext()


def is_node(tags: Sequence[str]) -> bool:
    """Return whether a run is a step of a graph."""
    for tag in tags:  # noqa: SIM110 - a generator costs a call for each tag, in every run
        if tag.startswith(NODE):
            return True
    return False


def find_ended_turn(parent_id: UUID | None, parent: Run | None) -> EndedTurn | None:
    """Return the turn that a run is late for."""
    if parent is not None:
        return parent.turn.ended
    return RUNS.find_ended_running() if parent_id is None else RUNS.find_ended(parent_id)


def context_of_root(source: Source, metadata: Mapping[str, Any]) -> ConversationContext:
    """Return to whom a turn belongs that begins without another."""
    context = complete_context(source.conversation_context, metadata)
    context = complete_context(complete_context(context, read_callers_configurable()), read_configurable())
    return _within_blocks(source, context, has_left_own_block())


def context_of_late_root(
    source: Source, metadata: Mapping[str, Any], ended: EndedTurn
) -> ConversationContext | None:
    """Return to whom a run belongs that begins in a turn that is over; None where it names nobody else."""
    own = get_own_conversation_context()
    if not _is_same_block(own, ended.own_context) and (own.conversation_id or own.scope_id):
        return _within_blocks(source, complete_context(_NOBODY, metadata), False)
    context = _read_own_names(source, metadata, ended.names)
    return None if context is None else _within_blocks(source, context, True)


def _is_same_block(context: ConversationContext, other: ConversationContext) -> bool:
    """Return whether two contexts are of one block, which may have been given an id or properties meanwhile."""
    return _without_news(context) == _without_news(other)


def _without_news(context: ConversationContext) -> ConversationContext:
    """Return a context without what its block may be given after its beginning."""
    conversation_id = None if context.scope_id else context.conversation_id
    return replace(context, properties={}, prompt=None, conversation_id=conversation_id)


def context_of_other_user(
    source: Source, tags: Sequence[str], metadata: Mapping[str, Any], turn: Turn
) -> ConversationContext | None:
    """Return to whom a run belongs that begins in a turn of another user, as in a worker; None where it is a step."""
    user_id = turn.conversation_context.user_id
    if user_id is None or is_node(tags):
        return None
    context = _read_own_names(source, metadata, turn.names)
    if context is None or context.conversation_id is None or context.user_id in (None, user_id):
        return None
    return _within_blocks(source, context, True)


def names_in(*fields: Mapping[str, Any]) -> Set[str]:
    """Return every id that a config names, to know again what is inherited of it."""
    contexts = [complete_context(_NOBODY, field) for field in fields]
    ids = [
        id
        for context in contexts
        for id in (context.conversation_id, context.user_id, context.organization_id)
    ]
    return {id for id in ids if id is not None}


def _read_own_names(
    source: Source, metadata: Mapping[str, Any], inherited: Set[str]
) -> ConversationContext | None:
    """Return what a run says of itself beyond what it inherited.

    Whoever gives a ``configurable`` replaces the inherited one. Metadata adds up, so of that only what is new counts.
    """
    for context, is_whole in (
        (source.conversation_context, True),
        (complete_context(_NOBODY, read_callers_configurable()), True),
        (complete_context(_NOBODY, metadata), False),
    ):
        ids = (context.conversation_id, context.user_id)
        if any(id is not None and id not in inherited for id in ids):
            return context if is_whole else _remove_names(context, inherited)
    return None


def _remove_names(context: ConversationContext, inherited: Set[str]) -> ConversationContext:
    def new(id: str | None) -> str | None:
        return None if id in inherited else id

    return replace(
        context,
        conversation_id=new(context.conversation_id),
        user_id=new(context.user_id),
        organization_id=new(context.organization_id),
    )


def _within_blocks(source: Source, context: ConversationContext, is_inherited: bool) -> ConversationContext:
    """Return what a run says, below what the blocks of the application say, unless those are only inherited."""
    if is_inherited and (context.conversation_id or context.user_id):
        return context
    return merge_context(merge_contexts(source.conversation_context, get_own_conversation_context()), context)
