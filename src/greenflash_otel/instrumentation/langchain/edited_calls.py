"""Tool calls that messages ask for, and those that a person, or a node, edited before they ran. Pure.

The edit of a call that was recorded is a call of its own, with the same call id: what ran, and what returned the
result. It shows in what its tool was given, wherever the edit was made: in the state, in middleware, by
`update_state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from greenflash_otel.instrumentation.langchain.plain import write_plain
from greenflash_otel.instrumentation.langchain.run_registry import Turn
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.model.operation import Message, ToolCall
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.semconv.formats.langchain import role_of, tool_calls_of

Arguments = Mapping[str, Any]


def list_requested_calls(state: Sequence[Any], known_to: int) -> Set[Any]:
    """Return the ids of the tool calls in what is new, and in the turn that it continues."""
    since = next((at for at in range(known_to - 1, -1, -1) if role_of(state[at]) == "user"), 0)
    return {call.get("id") for message in state[since:] for call in tool_calls_of(message)}


def split_edit(turn: Turn, messages: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return what is new in the input, and the call at its end that was recorded, and is edited since."""
    name = getattr(messages[-1], "id", None) if messages and tool_calls_of(messages[-1]) else None
    conversation_id = turn.conversation_context.conversation_id
    if name is None or conversation_id is None:
        return messages, []
    is_known = turn.source.instrumentation.ends.get((conversation_id, name)) is not None
    return (messages[:-1], messages[-1:]) if is_known else (messages, [])


def list_arguments(messages: Sequence[Any]) -> dict[str, Arguments]:
    """Return the arguments of each call that messages ask for, by its id; the last of an id counts."""
    return {
        call["id"]: call["args"] for message in messages for call in tool_calls_of(message) if call.get("id")
    }


def write_edited_call(step: Step | None, requested: Mapping[str, Arguments]) -> Message | None:
    """Return the call that a tool ran for, if it was given other arguments than were asked for.

    Arguments that were added do not count: graphs inject their state into tools.
    """
    tool = step.operation.tool if step is not None else None
    if step is None or tool is None or tool.call_id is None:
        return None
    ran, arguments = tool.arguments, requested.get(tool.call_id)
    if not isinstance(ran, Mapping) or not isinstance(arguments, Mapping):
        return None
    if all(name in ran and ran[name] == write_plain(value) for name, value in arguments.items()):
        return None
    return Message(
        "assistant", (ToolCall(tool.name, ran, tool.call_id),), at_ms=step.run.started_ns // NS_PER_MS
    )
