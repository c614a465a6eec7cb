"""Tool calls and their results, where producers left out what links them. Pure.

| what is missing                   | from where it is taken                                                 |
|-----------------------------------|------------------------------------------------------------------------|
| what links a result and its call  | the other results and calls of the same input: `pairing`               |
| the ids of the calls in an answer | the later input that resends the same calls                            |
| the call that a tool ran for      | the newest call of that name and with these arguments, if it has any;  |
|                                   | also if the tool's span names another id than the call                 |
| any id of a call                  | a hash of the call: `model.call_ids`                                   |
| the calls that results answer, or | the answer that made the calls: `resent`                               |
| what was said next to them        |                                                                        |
| that calls and results have       | an answer asks for as many tools as the next input begins with results |
| different ids                     | of, to calls that nobody made                                          |

Links are made only between model calls that arrive together, and only where there is one way to make them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.call_ids import is_made
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
from greenflash_otel.semconv.correlation.pairing import name_answer, pair_calls
from greenflash_otel.semconv.correlation.resent import restore_answers

AHEAD = 64
"""Model calls that are looked at for what another one left out."""


def link_calls(operations: Sequence[Operation]) -> list[Operation]:
    """Link the tool calls and results of model calls, which come in the order of their times."""
    recorded = list(
        restore_answers(replace(operation, input=pair_calls(operation.input)) for operation in operations)
    )
    for place, operation in enumerate(recorded):
        later = recorded[place + 1 : place + 1 + AHEAD]
        calls = list(iterate_calls(operation.output))
        if any(call.id is None for call in calls):
            operation = _copy_resend(operation, _find_resend(calls, operation, later))
        elif ids := _find_ids_of_results(calls, recorded[:place], later):
            operation = _rename_calls(operation, ids)
        recorded[place] = replace(operation, output=_name_answers(operation))
    return recorded


def _name_answers(operation: Operation) -> tuple[Message, ...]:
    """Give the calls of an answer, or of each of several answers to choose from, ids if they have none."""
    if operation.choice_count < 2:
        return name_answer(operation.input, operation.output)
    return tuple(
        answer for message in operation.output for answer in name_answer(operation.input, (message,))
    )


class ToolRequests:
    """The calls for which no tool ran yet, in the traces and conversations of their answers."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._known_ids = {
            call.id
            for operation in operations
            for call in iterate_calls((*operation.input, *operation.output))
            if call.id
        }
        self._answers = defaultdict[str, list[list[ToolCall]]](list)
        self._ran = set[str | None]()
        self._failed = defaultdict[str, list[ToolCall]](list)
        """Calls whose tool failed: it may run once more."""

    def add(self, groups: Iterable[str | None], operation: Operation) -> None:
        """Add the calls of an answer."""
        if calls := list(iterate_calls(operation.output)):
            for group in filter(None, groups):
                self._answers[group].append(calls)

    def take(
        self, groups: Sequence[str | None], operation: Operation, later: Iterable[Operation]
    ) -> ToolCall | None:
        """Find the call that a tool ran for; None if none fits.

        No other tool ran for it, unless that failed: then this one is another attempt.

        Args:
            later: Model calls whose inputs may have the call, if its answer has not arrived.
        """
        tool = operation.tool
        if tool is None:
            return None
        failed = [self._failed[group] for group in filter(None, groups)]
        call = self._take_new(groups, tool, later)
        if call is None and tool.call_id not in self._known_ids:
            call = _find_call(tool, failed, is_repeat=True)
        if call and operation.failure:
            for calls in failed:
                calls.append(call)
        return call

    def _take_new(
        self, groups: Iterable[str | None], tool: ToolExecution, later: Iterable[Operation]
    ) -> ToolCall | None:
        """Find a call for which no other tool ran."""
        is_known = tool.call_id in self._known_ids
        for group in filter(None, groups):
            if call := _find_call(tool, self._answers[group], is_known=is_known):
                for calls in self._answers[group]:
                    calls[:] = [waiting_call for waiting_call in calls if waiting_call is not call]
                self._ran.add(call.id)
                return call
        if is_known:
            return None
        resent = [list(iterate_calls([message])) for operation in later for message in operation.input]
        call = _find_call(tool, [[call for call in calls if call.id not in self._ran] for calls in resent])
        self._ran.add(call.id if call else None)
        return call


def _find_call(
    tool: ToolExecution,
    answers: Sequence[Sequence[ToolCall]],
    *,
    is_known: bool = False,
    is_repeat: bool = False,
) -> ToolCall | None:
    """Find the call that a tool ran for in the newest answer that has one; of calls alike it is the first.

    Args:
        is_known: Whether some call has the id of the tool; only that decides then.
        is_repeat: Whether a tool ran for the calls before; then the arguments decide.
    """
    calls = [call for answer in reversed(answers) for call in answer]
    named = [call for call in calls if call.name == tool.name]
    same = [call for call in named if _is_given(tool.arguments, call.arguments)]
    if is_known:
        with_id = [call for call in calls if call.id == tool.call_id]
        repeated = [call for call in same if is_made(call.id)]  # several calls of an answer had the same id
        both = [call for call in with_id if call in same]
        return next(iter((*both, *repeated, *with_id)), None)
    if same or is_repeat or (tool.call_id and tool.arguments is not None):
        return next(iter(same), None)  # an id of its own and other arguments: no message tells of this tool
    return named[0] if len(named) == 1 else None


def _is_given(run_arguments: Json, arguments: Json) -> bool:
    """Return whether what a tool got are the arguments of a call, alone or as a function has them."""
    if isinstance(run_arguments, Mapping) and isinstance(run_arguments.get("kwargs"), Mapping):
        run_arguments = run_arguments["kwargs"]
    values = list(arguments.values()) if isinstance(arguments, Mapping) else []
    return run_arguments == arguments or (len(values) == 1 and run_arguments == values[0])


def find_result(operations: Iterable[Operation], call_id: str) -> Json:
    """Find what models were given that a tool answered; None for nothing, or several things."""
    recorded = [
        result.response
        for operation in operations
        for result in iterate_results(operation.input)
        if result.id == call_id
    ]
    return recorded[0] if recorded and all(response == recorded[0] for response in recorded) else None


def _find_resend(
    calls: Sequence[ToolCall], operation: Operation, later: Iterable[Operation]
) -> Message | None:
    """Find the message of a later input that has the same calls, with ids; None if none has.

    Those that the operation was given itself are of calls that were made before.
    """
    signatures = [(call.name, call.arguments) for call in calls]
    before = {call.id for call in iterate_calls(operation.input)}
    for following in later:
        for message in following.input:
            resent = list(iterate_calls([message]))
            new = all(call.id and not is_made(call.id) and call.id not in before for call in resent)
            if new and [(call.name, call.arguments) for call in resent] == signatures:
                return message
    return None


def _copy_resend(operation: Operation, message: Message | None) -> Operation:
    """Give an answer the ids with which it is sent back, and what was said, if it has only calls."""
    if message is None:
        return operation
    alone = len(operation.output) == 1 and all(
        isinstance(part, ToolCall) for part in operation.output[0].parts
    )
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
    ids = [result.id for result in begins_with if result.id]
    call_ids = {
        call.id
        for operation in (*earlier, *later)
        for call in iterate_calls((*operation.input, *operation.output))
    }
    call_ids |= {call.id for call in calls}
    return ids if len(ids) == len(calls) and not call_ids & set(ids) else ()


def _find_leading_results(operation: Operation) -> Iterator[ToolCallResponse]:
    """Find the results that an input begins with; only one that names what it continues does."""
    for message in operation.input:
        if message.role not in SYSTEM_ROLES:
            if any(not isinstance(part, ToolCallResponse) for part in message.parts):
                return
            yield from iterate_results([message])


def _is_answered(call: ToolCall, later: Iterable[Operation]) -> bool:
    return any(result.id == call.id for operation in later for result in iterate_results(operation.input))


def _rename_calls(operation: Operation, ids: Sequence[str]) -> Operation:
    left = list(ids)

    def name_part(part: Part) -> Part:
        return replace(part, id=left.pop(0)) if isinstance(part, ToolCall) else part

    return replace(operation, output=tuple(_change_parts(message, name_part) for message in operation.output))


def _change_parts(message: Message, change: Callable[[Part], Part]) -> Message:
    return replace(message, parts=tuple(change(part) for part in message.parts))
