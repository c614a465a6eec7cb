"""Turns what LangChain reports of its runs into spans.

A run begins as a span with its place in the trace; its result is written when it ends. The spans of a turn
are recorded together when the turn ends, each with its own time, the root's last: only then is it known
which message the user saw. One lock guards the runs; it is free while content is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context

from greenflash_otel.context import get_own_conversation_context
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.langchain import operations
from greenflash_otel.instrumentation.langchain.belonging import (
    context_of_late_root,
    context_of_other_user,
    context_of_root,
    find_ended_turn,
    is_node,
    names_in,
)
from greenflash_otel.instrumentation.langchain.callers import is_stream_left, read_callers_configurable
from greenflash_otel.instrumentation.langchain.config import Source, describe_messages
from greenflash_otel.instrumentation.langchain.finishing import finish, make_marks
from greenflash_otel.instrumentation.langchain.out_of_talk import add_judgement
from greenflash_otel.instrumentation.langchain.prompts import find_prompt
from greenflash_otel.instrumentation.langchain.root_input import given_of
from greenflash_otel.instrumentation.langchain.root_io import copy_outputs
from greenflash_otel.instrumentation.langchain.run_context import (
    Live,
    enter,
    enter_run,
    leave_runs,
    parent_of,
)
from greenflash_otel.instrumentation.langchain.run_registry import OUT_OF_TALK, RUNS, Kind, Run, Turn
from greenflash_otel.instrumentation.langchain.running_config import read_configurable
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.instrumentation.langchain.turn_notes import (
    add_call_id,
    look_for_conversation,
    look_into,
    name_retried_call,
    note_bubbles,
    note_questions,
    note_seen,
    recall_given,
)
from greenflash_otel.instrumentation.langchain.unread_call import UnreadCall, copy_messages
from greenflash_otel.instrumentation.selection import select_recorded
from greenflash_otel.instrumentation.turn_calls import open_turn
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import (
    CHAIN,
    TASK,
    TURN,
    WORKFLOW,
    ConversationContext,
    Ending,
    Operation,
)
from greenflash_otel.model.prompt_templates import merge_prompts
from greenflash_otel.semconv.formats.langchain import read_object


@dataclass(frozen=True, slots=True)
class BegunRun:
    """What LangChain says of a run that begins, and where its spans go."""

    source: Source
    kind: Kind
    id: UUID
    parent_id: UUID | None
    name: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]


def begin(begun: BegunRun, inputs: Any, operation: Operation | None) -> Run | None:
    """Note that a run has begun; None if it is recorded already, or nobody wants it recorded.

    Args:
        operation: The step that it is; None for a chain, which only groups others.
    """
    tidy()
    if not begun.source.instrumentation.active or RUNS.is_known(begun.id):
        return None
    parent = parent_of(begun.parent_id)
    run, is_known = None, False
    if parent is None or parent.turn.ended is not None:
        run = _begin_late(begun, parent, operation)
        is_known = run is None and RUNS.find_ended(begun.id) is not None
    if run is None and not is_known:
        run = _begin_in_time(begun, parent, operation, inputs)
    if run is None:
        return None
    RUNS.add(run, begun.id)
    if run.parent is None:
        open_operations.watch(run.turn)
        run.turn.given = given_of(inputs)
        if begun.kind == "chain":
            open_turn(begun.id.hex)
    elif begun.kind == "chain":
        look_into(run, inputs)
    enter(run.live)
    return run


def _begin_in_time(
    begun: BegunRun, parent: Run | None, operation: Operation | None, inputs: Any
) -> Run | None:
    if parent is None:
        return _begin_turn(begun, operation, context_of_root(begun.source, begun.metadata), leave_runs())
    if begun.kind == "chain":
        other = context_of_other_user(begun.source, begun.tags, begun.metadata, parent.turn)
        if other is not None:
            return _begin_turn(begun, operation, other, leave_runs())
    return _begin_step(parent, begun, operation, inputs)


def _begin_late(begun: BegunRun, parent: Run | None, operation: Operation | None) -> Run | None:
    """Begin what comes after the end of its turn: a turn of its own, or a hidden step; a chain only groups those."""
    ended = find_ended_turn(begun.parent_id, parent)
    if ended is None:
        return None
    own = context_of_late_root(begun.source, begun.metadata, ended)
    if own is not None:
        return _begin_turn(begun, operation, own, leave_runs())
    if begun.kind == "chain":
        RUNS.remember_late(begun.id, ended)
        return None
    around = trace.set_span_in_context(ended.span, leave_runs())
    return _begin_turn(begun, operation, ended.conversation_context, around)


def _begin_turn(
    begun: BegunRun,
    operation: Operation | None,
    conversation_context: ConversationContext,
    around: Context,
) -> Run | None:
    source = begun.source
    conversation_context = describe_messages(source, conversation_context, begun.metadata, begun.tags)
    if begun.kind == "chain" or not conversation_context.internal:
        turn_id = begun.id.hex if begun.kind == "chain" else None
        conversation_context = replace(conversation_context, turn_id=turn_id)
    if begun.kind in OUT_OF_TALK:
        conversation_context = replace(conversation_context, internal=True)
    turn = Turn(source, conversation_context, own_context=get_own_conversation_context())
    turn.names.update(names_in(begun.metadata, read_callers_configurable(), read_configurable()))
    operation = replace(operation or Operation(TURN), conversation_context=conversation_context)
    invocation = Invocation.start(source.instrumentation.tracer(), operation, around)
    if not invocation.recording:
        return None
    live = Live(invocation.span, conversation_context, begun.kind, begun.id.int)
    run = Run(begun.id.int, begun.kind, begun.name, None, turn, live, time.time_ns(), operation, invocation)
    if operation.tool is not None:
        run.tool_call_id = operation.tool.call_id
    turn.root, turn.finish, turn.interrupt = run, finish, interrupt
    return run


def _begin_step(parent: Run, begun: BegunRun, operation: Operation | None, inputs: Any) -> Run:
    turn = parent.turn
    if not parent.is_graph and is_node(begun.tags):
        parent.is_graph = True
    look_for_conversation(turn, begun.metadata)
    run = Run(begun.id.int, begun.kind, begun.name, parent, turn, parent.live, time.time_ns())
    within = run.within_tool
    if operation is None and turn.source.instrumentation.chains:
        operation = operations.make_chain(TASK if is_node(begun.tags) else CHAIN, begun.name, inputs)
    if operation is not None:
        operation = name_retried_call(parent, begun.tags, add_call_id(turn, operation))
        own_context = replace(turn.conversation_context, tool_call_id=within)
        own_context = describe_messages(turn.source, own_context, begun.metadata, begun.tags)
        run.operation = replace(operation, conversation_context=own_context)
        context = enter_run(parent.live)
        run.invocation = Invocation.start(turn.source.instrumentation.tracer(), run.operation, context)
        if operation.tool is not None:
            run.tool_call_id = within = operation.tool.call_id or f"run-{begun.id.hex}"
    span = run.invocation.span if run.invocation is not None else parent.live.span
    conversation_context = replace(turn.conversation_context, tool_call_id=within, internal=True)
    run.live = Live(span, conversation_context, begun.kind, run.key)
    return run


def note_chunk(id: UUID, content: Any = None) -> None:
    """Note that a model has begun to answer, and what it says: nobody reports when its stream is left open."""
    run = RUNS.get(id)
    if run is None or run.invocation is None:
        return
    if run.first_chunk_s is None:
        run.live.answering = True
        run.first_chunk_s = time.perf_counter() - run.invocation.started_s
    if content is not None:
        run.chunks.append(content)


def end(id: UUID, value: Any = None, error: BaseException | None = None, inputs: Any = None) -> None:
    """Note that a run has ended, with what it gave or with an exception.

    Args:
        value: What it returned; of a model that failed, what it had said by then.
        inputs: What a streamed chain turned out to be given.
    """
    run = RUNS.get(id)
    if run is None:
        return
    turn, end_ns = run.turn, time.time_ns()
    if error is not None:
        note_questions(turn, error)
    if run.parent is None:
        _end_root(run, value, error, inputs, end_ns)
    elif run.kind == "chain" and not run.is_graph:
        note_bubbles(turn, value)
    if run.operation is not None and not run.is_turn:
        _add(_step_of(run, value, error, end_ns))
    run.chunks.clear()
    if (over := RUNS.close(run)) is not None:
        finish(over)


def _end_root(run: Run, value: Any, error: BaseException | None, inputs: Any, end_ns: int) -> None:
    turn = run.turn
    turn.end_ns, turn.outputs = end_ns, copy_outputs(value) if turn.open > 1 else value
    turn.answered = error is None
    if error is not None:
        turn.ending, turn.failure = operations.ending_of(error)
    elif run.kind == "chain" and is_stream_left():
        turn.ending = "abandoned"
    if inputs is not None and run.kind == "chain":
        turn.given = recall_given(turn, inputs)
    if run.kind == "chain":
        _end_answers(turn, value, end_ns)


def _end_answers(turn: Turn, value: Any, end_ns: int) -> None:
    """End the models whose answers the turn has in part: what they might still say, nobody reads."""
    for other in RUNS.list_open(turn):
        if not other.chunks or other.is_auxiliary:
            continue
        if turn.ending != "completed" or operations.is_beginning(value, other.chunks):
            _break_off(other, "cancelled" if turn.ending == "cancelled" else "abandoned", end_ns)
            RUNS.close(other)


def _add(step: Step) -> None:
    """Write a step, and add it to its turn; one that is late for that is a hidden step by itself."""
    _write(step)
    if RUNS.add_step(step):
        return
    invocation, turn = step.run.invocation, step.run.turn
    if invocation is None or not turn.source.instrumentation.active:
        return
    if step.operation.ending in ("cancelled", "abandoned") and not step.operation.output:
        invocation.discard()  # nobody saw anything of it, and its turn says how it ended
        return
    invocation.end(make_marks(step, None), end_ns=step.end_ns)


def _step_of(run: Run, value: Any, error: BaseException | None, end_ns: int) -> Step:
    operation, message = run.operation, None
    assert operation is not None  # noqa: S101 - asked before
    if run.kind == "model":
        value = value if error is None else operations.assemble_broken_off(value, run.chunks)
        if value is not None:
            operation, message = _add_answer(run, operation, value)
    elif error is None and run.kind == "tool":
        operation = operations.add_result(operation, value)
        message = operations.result_of(value, run.tool_call_id)
        run.tool_call_id = operations.call_id_of(operation) or run.tool_call_id  # news below LangChain 1.0
    elif error is None and run.kind == "decision":
        operation = add_judgement(operation, value)
    elif error is None and run.kind in ("chain", "parser"):
        operation = operations.add_chain_output(operation, value)
    elif error is None and run.kind == "store":
        operation = operations.add_store_result(operation, value)
    elif error is None:
        operation = operations.add_found_documents(operation, value)
    if run.kind == "chain" and run.is_graph:
        operation = replace(operation, name=WORKFLOW)
    if error is not None:
        ending, failure = operations.ending_of(error)
        operation = replace(operation, ending=ending, failure=failure)
    is_interrupted = error is not None and operations.is_control_flow(error)
    return Step(run, operation, end_ns, message, is_interrupted, run.unread)


def _add_answer(run: Run, operation: Operation, value: Any) -> tuple[Operation, Any]:
    """Return a model's operation with its answer, as far as that is read now, and LangChain's message of it."""
    answers = operations.answers_of(value)
    if run.unread is None:
        operation = operations.add_answer(operation, value, run.first_chunk_s)
    else:
        run.unread.add_answers(answers)
        operation = operations.add_facts_of_answer(operation, answers, value, run.first_chunk_s)
    return operation, answers[0] if answers else None


def _write(step: Step) -> None:
    """Write a step to its span, which ends with the turn."""
    instrumentation, invocation = step.run.turn.source.instrumentation, step.run.invocation
    capture_content = instrumentation.capture_content
    if step.unread is not None and invocation is not None:
        invocation.write_later(partial(_read_step, step, capture_content), step.unread.measure())
        return
    operation = step.operation
    if step.run.parent is None:
        history = instrumentation.history
        operation = select_recorded(operation, capture_content=capture_content, history=history)
    elif not capture_content:
        operation = remove_content(operation)
    if invocation is not None:
        invocation.write(operation)


def _read_step(step: Step, capture_content: bool) -> Operation:
    return step.operation if capture_content else remove_content(step.operation)


def interrupt(turn: Turn, runs: Sequence[Run]) -> None:
    """Note how far those runs have come which go on when their turn is given up."""
    end_ns = time.time_ns()
    turn.end_ns = turn.end_ns or end_ns
    for run in runs:
        with guarded("end a step"):
            _break_off(run, "abandoned", end_ns)


def _break_off(run: Run, ending: Ending, end_ns: int) -> None:
    """End a step in the middle, with what its model had said."""
    if run.operation is None or run.is_turn:
        return
    operation, message = run.operation, None
    if (so_far := operations.assemble_so_far(run.chunks)) is not None:
        operation, message = _add_answer(run, operation, so_far)
    _add(Step(run, replace(operation, ending=ending), end_ns, message, unread=run.unread))


def tidy() -> None:
    """End what goes on for nobody: cancelled calls, dropped streams, turns in which nothing happens."""
    now_s = time.monotonic()
    if not RUNS.is_untidy(now_s):
        return
    for run in RUNS.list_lost():
        _end_lost(run)
    for turn in RUNS.list_idle(now_s):
        RUNS.give_up(turn)


def _end_lost(run: Run) -> None:
    turn, end_ns = run.turn, time.time_ns()
    if run.parent is None:
        turn.end_ns = end_ns
    _break_off(run, "cancelled", end_ns)
    if (over := RUNS.close(run)) is not None:
        finish(over)


def begin_model(begun: BegunRun, messages: Sequence[Any], parameters: Mapping[str, Any]) -> None:
    """Begin the run of a chat model."""
    nested = parent_of(begun.parent_id) is not None
    assembled = operations.select_since_last_answer(messages) if nested else messages
    prompt, template = find_prompt(messages)
    template = merge_prompts(get_own_conversation_context().prompt, template)
    run = begin(begun, None, operations.make_model_call(begun.metadata, parameters, template))
    if run is not None:
        if nested:
            note_seen(run.turn, messages)
        run.prompt, run.prompt_template = prompt, template
        _note_input(run, assembled)


def _note_input(run: Run, messages: Sequence[Any]) -> None:
    """Note what a model is given. In a turn, the thread that reads its span reads that too, where only we do."""
    if run.parent is not None and run.invocation is not None and run.invocation.is_read_later:
        run.unread = UnreadCall(copy_messages(messages))
    elif run.operation is not None:
        run.operation = replace(run.operation, input=tuple(map(read_object, messages)))
