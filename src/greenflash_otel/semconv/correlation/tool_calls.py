"""Tool calls and their results, where producers left out what links them. Pure.

| what is missing                   | from where it is taken                                                 |
|-----------------------------------|------------------------------------------------------------------------|
| the id of a result, or its call's | the calls before it in the same input, in their order                  |
| the ids of the calls in an answer | the later input that resends the same calls                            |
| the call that a tool ran for      | the newest call of that name and with these arguments, if it has any   |
| the calls that results answer, or | the answer that made the calls: `resent`                               |
| what was said next to them        |                                                                        |
| that calls and results have       | an answer asks for as many tools as the next input begins with results |
| different ids                     | of, to calls that nobody made                                          |

Links are made only between model calls that arrive together, and only where there is one way to make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import (
    Json,
    Message,
    Operation,
    Part,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    iterate_calls,
    iterate_results,
)
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.semconv.correlation.resent import restore_answers

AHEAD = 64
"""Model calls that are looked at for what another one left out."""


def link_calls(operations: Sequence[Operation]) -> list[Operation]:
    """Link the tool calls and results of model calls, which come in the order of their times."""
    given = (
        replace(one, input=pair_results(one.input)) if _needs_ids(one.input) else one for one in operations
    )
    recorded = list(restore_answers(given))
    for place, operation in enumerate(recorded):
        later = recorded[place + 1 : place + 1 + AHEAD]
        calls = list(iterate_calls(operation.output))
        if any(call.id is None for call in calls):
            recorded[place] = _copy_resend(operation, _find_resend(calls, operation, later))
        elif ids := _find_ids_of_results(calls, recorded[:place], later):
            recorded[place] = _rename_calls(operation, ids)
    return recorded


def find_call_id(tool: ToolExecution, calls: Sequence[ToolCall]) -> str | None:
    """Find by which id a model asked for what a tool ran; the tool's own if no call fits.

    A framework may write another id on its span than the model gave the call. Then the arguments have to be the same.
    """
    call = find_call_for(tool, calls)
    is_same = call is not None and (tool.call_id is None or _is_given(tool.arguments, call.arguments))
    return call.id if call is not None and call.id and is_same else tool.call_id


def find_call_for(tool: ToolExecution, calls: Sequence[ToolCall]) -> ToolCall | None:
    """Find the call that a tool ran for, among those that were made before; None if none fits.
    fits.

    What it was given is compared where the call's arguments can be recognised in it.
    """
    named = [call for call in calls if call.name == tool.name]
    same = [call for call in named if _is_given(tool.arguments, call.arguments)]
    return next(reversed(same), named[0] if len(named) == 1 else None)


def _is_given(given: Json, arguments: Json) -> bool:
    """Return whether what a tool got are the arguments of a call, alone or as a function has them."""
    if isinstance(given, Mapping) and isinstance(given.get("kwargs"), Mapping):
        given = given["kwargs"]
    values = list(arguments.values()) if isinstance(arguments, Mapping) else []
    return given == arguments or (len(values) == 1 and given == values[0])


def find_result(operations: Iterable[Operation], call_id: str) -> Json:
    """Find what models were given that a tool answered; None for nothing, or several things."""
    recorded = [
        one.response
        for operation in operations
        for one in iterate_results(operation.input)
        if one.id == call_id
    ]
    return recorded[0] if recorded and all(one == recorded[0] for one in recorded) else None


def pair_results(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Give results the ids of the calls before them, in their order."""
    made, waiting = {call.id for call in iterate_calls(messages)}, list[str]()

    def name_part(part: Part) -> Part:
        if isinstance(part, ToolCall) and part.id:
            waiting.append(part.id)
        elif isinstance(part, ToolCallResponse) and part.id not in made and waiting:
            return replace(part, id=waiting.pop(0))
        elif isinstance(part, ToolCallResponse) and part.id in waiting:
            waiting.remove(part.id)
        return part

    found = []
    for message in messages:
        if message.role == "user" and not any(iterate_results([message])):
            waiting.clear()
        found.append(_change_parts(message, name_part))
    return tuple(found)


def _needs_ids(messages: Iterable[Message]) -> bool:
    """Return whether there are results that answer none of the calls."""
    made = {call.id for call in iterate_calls(messages)}
    return any(one.id is None or (made and one.id not in made) for one in iterate_results(messages))


def _find_resend(
    calls: Sequence[ToolCall], operation: Operation, later: Iterable[Operation]
) -> Message | None:
    """Find the message of a later input that has the same calls, with ids; None if none has.

    Those that the operation was given itself are of calls that were made before.
    """
    asked = [(call.name, call.arguments) for call in calls]
    before = {call.id for call in iterate_calls(operation.input)}
    for following in later:
        for message in following.input:
            resent = list(iterate_calls([message]))
            new = all(call.id and call.id not in before for call in resent)
            if new and [(call.name, call.arguments) for call in resent] == asked:
                return message
    return None


def _copy_resend(operation: Operation, message: Message | None) -> Operation:
    """Give an answer the ids with which it is sent back, and what was said, if it has only calls."""
    if message is None:
        return operation
    alone = len(operation.output) == 1 and all(isinstance(one, ToolCall) for one in operation.output[0].parts)
    if alone:
        return replace(operation, output=(replace(operation.output[0], parts=message.parts),))
    return _rename_calls(operation, [call.id for call in iterate_calls([message]) if call.id])


def _find_ids_of_results(
    calls: Sequence[ToolCall], earlier: Iterable[Operation], later: Sequence[Operation]
) -> Sequence[str]:
    """Find the ids of the results that the next call begins with, if nobody made their calls."""
    following = next(iter(later), None)
    if not calls or following is None or any(_is_answered(call, later) for call in calls):
        return ()
    begins_with = list(_find_leading_results(following))
    ids = [one.id for one in begins_with if one.id]
    made = {call.id for one in (*earlier, *later) for call in iterate_calls((*one.input, *one.output))}
    made |= {call.id for call in calls}
    return ids if len(ids) == len(calls) and not made & set(ids) else ()


def _find_leading_results(operation: Operation) -> Iterator[ToolCallResponse]:
    """Find the results that an input begins with; only one that names what it continues does."""
    for message in operation.input:
        if message.role not in SYSTEM_ROLES:
            if any(not isinstance(part, ToolCallResponse) for part in message.parts):
                return
            yield from iterate_results([message])


def _is_answered(call: ToolCall, later: Iterable[Operation]) -> bool:
    return any(one.id == call.id for operation in later for one in iterate_results(operation.input))


def _rename_calls(operation: Operation, ids: Sequence[str]) -> Operation:
    left = list(ids)

    def name_part(part: Part) -> Part:
        return replace(part, id=left.pop(0)) if isinstance(part, ToolCall) else part

    return replace(operation, output=tuple(_change_parts(message, name_part) for message in operation.output))


def _change_parts(message: Message, change: Callable[[Part], Part]) -> Message:
    return replace(message, parts=tuple(change(part) for part in message.parts))
