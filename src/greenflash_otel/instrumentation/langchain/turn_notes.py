"""What a turn learns from the runs in it while it goes on: its conversation, its calls, questions and bubbles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage

from greenflash_otel.instrumentation.langchain import operations
from greenflash_otel.instrumentation.langchain.config import complete_context
from greenflash_otel.instrumentation.langchain.message_forms import see_messages
from greenflash_otel.instrumentation.langchain.messages import is_message
from greenflash_otel.instrumentation.langchain.plain import get_entry, write_plain
from greenflash_otel.instrumentation.langchain.root_input import Given, find_messages, given_of
from greenflash_otel.instrumentation.langchain.root_io import question_of
from greenflash_otel.instrumentation.langchain.run_registry import Run, Turn
from greenflash_otel.instrumentation.langchain.running_config import read_configurable
from greenflash_otel.json_values import read_json_object, read_list
from greenflash_otel.model.operation import Operation
from greenflash_otel.semconv.formats.langchain import role_of, tool_calls_of

SEEN = 4
"""Steps of a streamed chain whose inputs are remembered until its end."""
PLACES = 8
"""Runs in which the conversation of a turn is looked for, if it was not named before."""

SINGLE = (str, int, float, type(None), BaseMessage)
"""What is one message at most."""

ATTEMPT = "retry:attempt:"
"""How the tag begins that `with_retry()` gives to what it tries again."""


def add_call_id(turn: Turn, operation: Operation) -> Operation:
    """Return a tool run with the id of the newest call that is like it, which LangChain reports only from 1.0 on."""
    tool = operation.tool
    if tool is None or tool.call_id is not None:
        return operation
    answers = [
        *(message for message, *_ in turn.state or ()),
        *(step.message for step in turn.steps if step.run.kind == "model"),
    ]
    calls = [*(call for message in answers for call in tool_calls_of(message)), *turn.calls]
    runs = [step.operation for step in turn.steps if step.run.kind == "tool"]
    ran = {run.tool.call_id for run in runs if run.tool}
    answered_ids = {run.tool.call_id for run in runs if run.tool and run.failure is None}
    like = [
        call.get("id")
        for call in reversed(calls)
        if (call.get("name"), write_plain(call.get("args"))) == (tool.name, tool.arguments)
    ]
    for done in (ran, answered_ids):  # a failed run is tried again only where no other call waits
        id = next((id for id in like if id not in done), None)
        if id is not None:
            return replace(operation, tool=replace(tool, call_id=id))
    return operation


def name_retried_call(parent: Run, tags: Sequence[str], operation: Operation) -> Operation:
    """Return a tool run that no model asked for, with a call id of its own if `with_retry()` made it.

    All attempts are runs for one call. The first has no tag, but the run around it has the name of the tool.
    """
    tool = operation.tool
    if tool is None or tool.call_id is not None:
        return operation
    is_node = parent.parent is not None and parent.parent.is_graph
    is_first = parent.kind == "chain" and parent.name == tool.name and not is_node
    if not is_first and not any(tag.startswith(ATTEMPT) for tag in tags):
        return operation
    return replace(operation, tool=replace(tool, call_id=f"retry-{parent.key:032x}"))


def look_for_conversation(turn: Turn, metadata: Mapping[str, Any]) -> None:
    """Complete to whom a turn belongs: a step's config says more than the root's."""
    configurable = read_configurable()
    if (thread_id := configurable.get("thread_id")) is not None:
        turn.names.add(str(thread_id))
    so_far = turn.conversation_context
    if turn.searched >= PLACES or (so_far.conversation_id and so_far.user_id and so_far.organization_id):
        return
    turn.searched += 1
    context = complete_context(complete_context(so_far, metadata), configurable)
    if context != so_far:
        turn.conversation_context = context
        turn.root.live.belongs_to(context)


def look_into(run: Run, inputs: Any) -> None:
    """Keep the calls that a node is given, and the state of the first one: it has the whole conversation."""
    turn = run.turn
    for entry in inputs if isinstance(inputs, (list, tuple)) else ():
        if isinstance(entry, Mapping) and entry.get("type") == "tool_call":
            turn.calls.append(entry)
    turn.calls += _list_last_calls(turn, inputs)
    if turn.state is None and run.parent is turn.root and turn.root.is_graph:
        messages = find_messages(inputs, turn.given.key)
        turn.state = None if messages is None else see_messages(messages)
        turn.fields = turn.fields or dict(read_json_object(inputs))
    note_seen(turn, inputs)


def _list_last_calls(turn: Turn, inputs: Any) -> Sequence[Mapping[str, Any]]:
    """Return the calls at the end of what a node is given: a node before it may have edited them."""
    is_list = isinstance(inputs, (list, tuple)) and inputs
    state = inputs if is_list else read_list(get_entry(inputs, turn.given.key or "messages"))
    return tool_calls_of(state[-1]) if state and is_message(state[-1]) else ()


def note_seen(turn: Turn, inputs: Any) -> None:
    """Keep what the first steps of a streamed chain are given: the application may change it meanwhile."""
    if not turn.root.is_graph and turn.given.is_empty and len(turn.seen) < SEEN:
        root_input = given_of(inputs)
        if not root_input.is_empty:
            turn.seen.append((inputs, root_input))


def recall_given(turn: Turn, inputs: Any) -> Given:
    """Return what a streamed chain was given, as it was when a step of it was given the same."""
    first = turn.seen[0][0] if turn.seen else None
    for seen, root_input in turn.seen:
        if seen is inputs:
            return root_input
    if isinstance(inputs, list) and isinstance(first, list) and first and len(first) <= len(inputs):
        return turn.seen[0][1]  # a model, which is given a copy of the list
    return given_of(inputs)


def note_questions(turn: Turn, error: BaseException) -> None:
    if not operations.is_control_flow(error):
        return
    interrupts = error.args[0] if error.args and isinstance(error.args[0], (list, tuple)) else ()
    for interrupt in interrupts:
        # LangGraph below 1.0 has another name for it.
        name = str(
            getattr(interrupt, "id", None) or getattr(interrupt, "interrupt_id", None) or id(interrupt)
        )
        turn.questions.setdefault(name, question_of(getattr(interrupt, "value", interrupt)))


def note_bubbles(turn: Turn, value: Any) -> None:
    """Keep the answers of a node that gave several: the user saw them all."""
    if type(value).__name__ == "Command":
        value = value.update
    if not _may_have_several(value):
        return
    messages = find_messages(value) or ()
    if sum(is_message(message) and role_of(message) == "assistant" for message in messages) > 1:
        turn.node_outputs.append(list(messages))


def _may_have_several(value: Any) -> bool:
    """Return whether a value may have several messages; nearly all nodes give one, and this costs far less to see."""
    for entry in value.values() if isinstance(value, Mapping) else (value,):
        if isinstance(entry, (list, tuple)):
            if len(entry) > 1:
                return True
        elif not isinstance(entry, SINGLE):
            return True
    return False
