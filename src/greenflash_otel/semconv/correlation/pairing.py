"""Which result answers which call, among the messages of one model call. Pure.

Results that follow each other are paired together, with the calls that wait for results. The first rule counts:

| a result                                       | answers                                                       |
|------------------------------------------------|---------------------------------------------------------------|
| that has the id of a waiting call              | that call                                                     |
| whose number differs from that of a call, as   | that call                                                     |
| the numbers of all results next to it do       |                                                               |
| that repeats an answered call's result         | that call: it is left out, and adds what it knows             |
| that names a tool                              | the first waiting call of that name                           |
| of which nothing is known, or another id       | the first waiting call                                        |
| after which no call waits                      | what its id says; it is left out if it says nothing new       |

A call without an id gets one that is made, and so does one whose id another call of the same answer has. A
question of the user ends the waiting.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from greenflash_otel.model.call_ids import is_made, make_call_id
from greenflash_otel.model.operation import (
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
    iterate_results,
)
from greenflash_otel.model.roles import TOOL

NUMBERED = re.compile(r"(.*?)(\d{1,18})")

Place: TypeAlias = tuple[int, int]
"""Of a part: its message, and where in that."""
_PlacedResult: TypeAlias = tuple[Place, ToolCallResponse]


@dataclass(slots=True)
class _WaitingCall:
    """A call that no result answered yet."""

    name: str
    written_id: str | None
    """As the producer wrote it."""
    id: str


def pair_calls(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Give calls and results ids by which each result is found below its call."""
    is_paired = not _has_tools(messages) or _is_paired(messages)
    return tuple(messages) if is_paired else tuple(_Pairing().pair(messages))


def name_answer(history: Sequence[Message], answer: Sequence[Message]) -> tuple[Message, ...]:
    """Give the calls of an answer the ids that they have where the history with it is resent."""
    if not _has_tools(answer):
        return tuple(answer)
    return pair_calls((*history, *answer))[len(pair_calls(history)) :]


def name_calls(operation: Operation) -> Operation:
    """Return an operation whose calls all have ids, and whose results have those of their calls.

    Where all have ids, nothing changes: what a call of our own capture says is right.
    """
    output = (operation.output[0],) if operation.choice_count > 1 and operation.output else operation.output
    if not any(_lacks_id(message) for message in (*operation.input, *output)):
        return operation
    paired = pair_calls((*operation.input, *output))
    if len(paired) != len(operation.input) + len(output):
        return operation
    at = len(operation.input)
    return replace(operation, input=paired[:at], output=(*paired[at:], *operation.output[len(output) :]))


def _lacks_id(message: Message) -> bool:
    return any(isinstance(part, (ToolCall, ToolCallResponse)) and part.id is None for part in message.parts)


def _is_paired(messages: Iterable[Message]) -> bool:
    """Return whether each call has an id of its own, and each result that of a call of its turn; nearly all do."""
    calls, answered_ids = set[str](), set[str]()
    for message in messages:
        if message.role == "user" and not any(iterate_results([message])):
            calls.clear()
            answered_ids.clear()
        for part in message.parts:
            if isinstance(part, ToolCall):
                if part.id is None or part.id in calls:
                    return False
                calls.add(part.id)
            elif isinstance(part, ToolCallResponse):
                if part.id not in calls or part.id in answered_ids:
                    return False
                answered_ids.add(part.id)
            elif message.role == TOOL:
                return False
    return True


def _has_tools(messages: Iterable[Message]) -> bool:
    return any(
        message.role == TOOL or any(isinstance(part, (ToolCall, ToolCallResponse)) for part in message.parts)
        for message in messages
    )


class _Pairing:
    """Reads messages in order; `_parts` has each part as it becomes, None for one that is left out."""

    def __init__(self) -> None:
        self._parts: dict[Place, Part | None] = {}
        self._question = ""
        self._made = Counter[str]()
        self._waiting: list[_WaitingCall] = []
        self._answered: dict[str, Place] = {}
        """Where the result of each call is, by the id of the call."""
        self._block: set[str | None] = set()
        """Ids of the calls that no result came after."""
        self._results: list[_PlacedResult] = []
        """Those that follow each other."""

    def pair(self, messages: Sequence[Message]) -> Iterator[Message]:
        for at, message in enumerate(messages):
            if message.role == "user" and not any(iterate_results([message])):
                self._begin_turn(message)
            for place, part in enumerate(message.parts):
                self._read_part((at, place), _read_result(part, message))
        self._pair_results()
        for at, message in enumerate(messages):
            places = ((at, place) for place in range(len(message.parts)))
            parts = tuple(paired_part for place in places if (paired_part := self._parts[place]))
            if parts or not message.parts:
                yield message if parts == message.parts else replace(message, parts=parts)

    def _begin_turn(self, message: Message) -> None:
        self._pair_results()
        self._question = "\n".join(part.content.rstrip() for part in message.parts if isinstance(part, Text))
        self._made.clear()
        self._waiting.clear()
        self._answered.clear()
        self._block.clear()

    def _read_part(self, place: Place, part: Part) -> None:
        self._parts[place] = part
        if isinstance(part, ToolCallResponse):
            self._results.append((place, part))
        elif isinstance(part, ToolCall):
            self._pair_results()
            self._parts[place] = self._add_call(part)

    def _add_call(self, call: ToolCall) -> ToolCall:
        id = call.id
        if id is None or is_made(id) or id in self._block:
            key = make_call_id(self._question, call.name, call.arguments, 0)
            number = self._made[key]
            self._made[key] += 1
            id = make_call_id(self._question, call.name, call.arguments, number)
        else:
            self._waiting = [waiting_call for waiting_call in self._waiting if waiting_call.id != id]
        self._block.add(id)
        self._answered.pop(id, None)
        self._waiting.append(_WaitingCall(call.name, call.id, id))
        return replace(call, id=id) if id != call.id else call

    def _pair_results(self) -> None:
        """Pair the results that follow each other."""
        results, self._results = self._results, []
        if not results:
            return
        self._block.clear()
        numbers = _match_numbers(results, self._waiting)
        for find in (partial(_find_by_id, numbers), _find_by_name, _find_first):
            left = list[_PlacedResult]()
            for result in results:
                if (call := find(result[1], self._waiting)) is not None:
                    self._answer(call, result)
                elif not self._merge_repeated(result):
                    left.append(result)
            results = left
        for place, part in results:
            if any(self._says_the_same(part, id) for id in self._answered):
                self._parts[place] = None

    def _answer(self, call: _WaitingCall, result: _PlacedResult) -> None:
        place, part = result
        self._waiting.remove(call)
        self._answered[call.id] = place
        self._parts[place] = replace(part, id=call.id) if part.id != call.id else part

    def _says_the_same(self, result: ToolCallResponse, answered_id: str) -> bool:
        """Return whether a result of no waiting call repeats an answered call's, without its id."""
        first = self._parts[self._answered[answered_id]]
        return isinstance(first, ToolCallResponse) and first.response == result.response

    def _merge_repeated(self, result: _PlacedResult) -> bool:
        """Add what a repeated result knows to the result that it repeats; return whether it repeats one."""
        place, again = result
        at = self._answered.get(again.id or "")
        first = self._parts[at] if at else None
        if at is None or not isinstance(first, ToolCallResponse):
            return False
        if self._waiting and first.response != again.response:
            return False  # another call's, under a wrong id
        self._parts[place] = None
        self._parts[at] = replace(
            first,
            response=first.response or again.response,
            failed=first.failed or again.failed,
            name=first.name or again.name,
        )
        return True


def _read_result(part: Part, message: Message) -> Part:
    """Return what a tool said as its result, with the name that the message has."""
    if message.role == TOOL and isinstance(part, Text):
        part = ToolCallResponse(part.content)
    if isinstance(part, ToolCallResponse) and message.role == TOOL and message.name and not part.name:
        return replace(part, name=message.name)
    return part


def _find_by_id(
    numbers: Mapping[str, str], result: ToolCallResponse, waiting: Iterable[_WaitingCall]
) -> _WaitingCall | None:
    if result.id is None:
        return None
    call_id = numbers.get(result.id, result.id)
    matching = [call for call in waiting if call.written_id == call_id]
    return _find_by_name(result, matching) or next(iter(matching), None)


def _find_by_name(result: ToolCallResponse, waiting: Iterable[_WaitingCall]) -> _WaitingCall | None:
    return next((call for call in waiting if call.name == result.name), None)


def _find_first(result: ToolCallResponse, waiting: Iterable[_WaitingCall]) -> _WaitingCall | None:
    return next(iter(waiting), None)


def _match_numbers(results: Iterable[_PlacedResult], waiting: Iterable[_WaitingCall]) -> Mapping[str, str]:
    """Return the id of the call for the id of each result, if the producer counts both from other numbers."""
    ids = {part.id for _, part in results if part.id}
    calls = {_split_number(call.written_id): call.written_id for call in waiting if call.written_id}
    if ids <= {*calls.values()}:
        return {}
    places = {id: _split_number(id) for id in ids}
    text, number = min(places.values(), default=("", 0))
    shifts = (other - number for stem, other in calls if stem == text)
    for shift in sorted(shifts, key=abs):
        matched = {id: calls.get((stem, at + shift)) for id, (stem, at) in places.items()}
        if all(matched.values()):
            return {id: call_id for id, call_id in matched.items() if call_id}
    return {}


def _split_number(id: str) -> tuple[str, int]:
    """Return an id as its text and the number at its end."""
    match = NUMBERED.fullmatch(id)
    return (match[1], int(match[2])) if match else (id, 0)
