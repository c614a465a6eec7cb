"""End the spans of a turn that is over, with what is recorded of it."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.langchain.run_registry import Step, Turn
from greenflash_otel.instrumentation.langchain.turn import AssembledTurn, assemble_turn
from greenflash_otel.instrumentation.turn_calls import close_turn
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import TURN, Operation
from greenflash_otel.semconv.correlation.pairing import name_calls
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
    assembled = AssembledTurn(Operation(TURN, turn.conversation_context))
    with guarded("record a turn"):
        assembled = assemble_turn(turn)
    for step in sorted(turn.steps, key=lambda one: one.end_ns):
        if step.run.invocation is not None:
            step.run.invocation.end(make_marks(step, assembled), end_ns=step.end_ns)
    operation = name_calls(assembled.operation)
    if not instrumentation.capture_content:
        operation = remove_content(operation)
    if instrumentation.history is not None:
        operation = instrumentation.history.shorten(operation)
    if root.invocation is not None:
        root.invocation.finish(operation, end_ns=turn.end_ns)


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
    """How a step counts: recorded by its turn, or a hidden step of it."""
    if step.is_interrupted or (assembled is not None and id(step) in assembled.steps):
        return {TOLD_BY_TURN: True}
    within = step.run.within_tool or step.operation.conversation_context.tool_call_id
    conversation_context = replace(step.run.turn.conversation_context, tool_call_id=within)
    about = attributes_of_context(conversation_context)
    marks = {name: value for name, value in about.items() if value is not None}
    if step.run.kind in ("model", "chain") or step.run.is_auxiliary:
        marks[INTERNAL] = True
    return marks
