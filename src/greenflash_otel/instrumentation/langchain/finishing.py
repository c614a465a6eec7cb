"""End the spans of a turn that is over, with what is recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.langchain.run_registry import Turn
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.instrumentation.langchain.turn import AssembledTurn
from greenflash_otel.instrumentation.langchain.unread_turn import UnreadTurn
from greenflash_otel.instrumentation.turn_calls import close_turn
from greenflash_otel.semconv.genai import INTERNAL, TOLD_BY_TURN, Attribute, attributes_of_context


def finish(turn: Turn) -> None:
    """End the spans of a turn that is over."""
    instrumentation, root = turn.source.instrumentation, turn.root
    if not instrumentation.active:
        close_turn(turn.conversation_context.turn_id)
        turn.discard()
        return
    if root.kind != "chain":
        _finish_alone(turn)
        return
    unread = UnreadTurn(turn)
    if root.invocation is not None and root.invocation.is_read_later and unread.can_wait():
        _finish_later(turn, unread)
        return
    for step, invocation in _list_ended(turn):
        invocation.end(make_marks(step, unread.assemble()), end_ns=step.end_ns)
    operation = unread.read()
    if root.invocation is not None:
        root.invocation.finish(operation, end_ns=turn.end_ns)


def _finish_later(turn: Turn, unread: UnreadTurn) -> None:
    """End the spans, for which another thread puts the turn together."""
    for step, invocation in _list_ended(turn):
        invocation.finish_later(partial(_read_marks, step, unread), 0, end_ns=step.end_ns)
    if turn.root.invocation is not None:
        turn.root.invocation.finish_later(unread.read, unread.size_bytes, end_ns=turn.end_ns)


def _list_ended(turn: Turn) -> list[tuple[Step, Invocation]]:
    """Return the steps of a turn that have spans, with what owns these, in the order of their ends."""
    steps = sorted(turn.steps, key=lambda step: step.end_ns)
    return [(step, step.run.invocation) for step in steps if step.run.invocation is not None]


def _read_marks(step: Step, unread: UnreadTurn) -> Mapping[str, Attribute]:
    return make_marks(step, unread.assemble())


def _finish_alone(turn: Turn) -> None:
    """End a turn that is one model call, tool or retriever: a step that no chain reports."""
    root = turn.root
    for step in turn.steps:
        if step.run is not root and step.run.invocation is not None:
            step.run.invocation.end(end_ns=step.end_ns)
    if root.invocation is not None and root.kind == "parser" and len(turn.steps) <= 1:
        root.invocation.discard()  # it asked nobody
    elif root.invocation is not None:
        root.invocation.end(end_ns=turn.end_ns)


def make_marks(step: Step, assembled: AssembledTurn | None) -> dict[str, Attribute]:
    """Return how a step counts: recorded by its turn, or a hidden step of it."""
    if step.is_interrupted or (assembled is not None and id(step) in assembled.steps):
        return {TOLD_BY_TURN: True}
    within = step.run.within_tool or step.begun.conversation_context.tool_call_id
    conversation_context = replace(step.run.turn.conversation_context, tool_call_id=within)
    about = attributes_of_context(conversation_context)
    marks = {name: value for name, value in about.items() if value is not None}
    if step.run.kind in ("model", "chain") or step.run.is_auxiliary:
        marks[INTERNAL] = True
    return marks
