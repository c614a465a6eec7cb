"""Find the model call or the tool run that each message of a turn comes from. Pure.

| a message                         | comes from                                                            |
|-----------------------------------|-----------------------------------------------------------------------|
| that a step returned              | that step                                                             |
| of a model, otherwise             | the newest call whose answer has its id, else the newest one that     |
|                                   | said the same, and that no other message comes from                   |
| of a tool, for a call with an id  | the newest run for that call: tools are tried again                   |
| of a tool, for one without        | the first run of that tool with this result, which no other message   |
|                                   | comes from: some servers give all calls an empty id                   |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from greenflash_otel.instrumentation.langchain.messages import is_message, likeness_of
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.semconv.formats.langchain import role_of


def find_steps(messages: Sequence[Any], models: Sequence[Step], tools: Sequence[Step]) -> list[Step | None]:
    """Return the step of each message; None for what no step made."""
    steps, used_ids = list[Step | None](), set[int]()
    for message in messages:
        is_result = role_of(message) == "tool"
        step = (
            find_tool_step(tools, message, used_ids) if is_result else _find_model(models, message, used_ids)
        )
        used_ids.add(id(step))
        steps.append(step)
    return steps


def find_tool_step(tools: Sequence[Step], message: Any, used_ids: Collection[int] = ()) -> Step | None:
    """Return the run that a result comes from, but none of those that other messages come from."""
    call_id = getattr(message, "tool_call_id", None)
    if call_id:
        runs = [step for step in reversed(tools) if step.run.tool_call_id == call_id]
        return next((step for step in runs if step.message is message), runs[0] if runs else None)
    unnamed = [step for step in tools if step.operation.tool and not step.operation.tool.call_id]
    same = [step for step in unnamed if step.message is message]
    return next((step for step in (*same, *_list_alike(unnamed, message)) if id(step) not in used_ids), None)


def _find_model(models: Sequence[Step], message: Any, used_ids: Collection[int]) -> Step | None:
    name = getattr(message, "id", None)
    for step in reversed(models):
        if step.message is message or (name and getattr(step.message, "id", None) == name):
            return step
    newest_first = [*reversed(models)]
    return next((step for step in _list_alike(newest_first, message) if id(step) not in used_ids), None)


def _list_alike(steps: Sequence[Step], message: Any) -> Iterator[Step]:
    """Yield the steps whose message says the same, and is of the same tool."""
    likeness: int | None = None
    for step in steps:
        if is_message(step.message) and _name_of(step.message) == _name_of(message):
            likeness = likeness_of(message) if likeness is None else likeness
            if likeness_of(step.message) == likeness:
                yield step


def _name_of(message: Any) -> Any:
    return getattr(message, "name", None) if role_of(message) == "tool" else None
