"""What is left out of an answer that asked for tools where it is sent back, or put in another order. Pure.

OpenAI's older instrumentation of OpenTelemetry leaves out what was said next to the calls, OpenLIT the whole
message; then a history does not look like the answers that it is made of. smolagents leaves out the calls, if a
tool failed: its result has no id. Put in are answers to calls that arrive together with it, or came a moment ago.
Where the resend has more than the answer, `align` finds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from greenflash_otel.model.operation import (
    Message,
    Operation,
    Part,
    Text,
    ToolCallResponse,
    iterate_calls,
    iterate_results,
)
from greenflash_otel.model.roles import ASSISTANT
from greenflash_otel.semconv.correlation.pairing import pair_calls

Answers = Mapping[str, Message]
"""Answers by the id of each call in them."""
WrittenAnswers = Mapping[tuple[Part, ...], Message]
"""Answers with calls by what was said next to the calls."""


def restore_answers(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Put answers as they were into the inputs of later calls; calls come in the order of their times."""
    answers: dict[str, Message] = {}
    written: dict[tuple[Part, ...], Message] = {}
    for operation in operations:
        if answers:
            messages = tuple(_restore(_restore_calls(operation.input, written), answers))
            operation = replace(operation, input=messages)
        yield operation
        for message in operation.output:
            ids = [*_ids_of_calls(message)]
            answers |= dict.fromkeys(ids, message)
            if ids and (texts := _list_texts(message)):
                written[texts] = message


def _restore_calls(messages: Sequence[Message], written: WrittenAnswers) -> Sequence[Message]:
    """Put calls back next to what was said with them, where a result without a call follows."""
    restored = list(messages)
    for at, message in enumerate(messages[:-1]):
        if message.role != ASSISTANT or any(iterate_calls([message])):
            continue
        result = next(iterate_results([messages[at + 1]]), None)
        answer = written.get(_list_texts(message)) if result is not None and result.id is None else None
        if answer is not None and _is_contained(message, answer):
            restored[at] = replace(message, parts=answer.parts)
            restored[at + 1] = _name_last_call(messages[at + 1], answer)
    return messages if restored == list(messages) else pair_calls(restored)


def _name_last_call(message: Message, answer: Message) -> Message:
    """Let a result that comes for all calls of an answer be that of the call after which they ended."""
    last_id = [*_ids_of_calls(answer)][-1]
    parts = message.parts
    if len(parts) == 1 and isinstance(parts[0], ToolCallResponse):
        return replace(message, parts=(replace(parts[0], id=last_id),))
    return message


def _list_texts(message: Message) -> tuple[Part, ...]:
    return tuple(part for part in message.parts if isinstance(part, Text))


def _restore(messages: Sequence[Message], answers: Answers) -> Sequence[Message]:
    earlier_ids = {id for message in messages for id in _ids_of_calls(message)}
    restored: list[Message] = []
    is_after_question = False
    for message in messages:
        is_after_question = is_after_question or message.role == "user"
        ids = [*_ids_of_calls(message)]
        answered = answers.get(ids[0]) if ids else None
        missing = (answers[id] for id in _ids_of_results(message) if id in answers and id not in earlier_ids)
        if answered and _lacks_only_own(ids, answered, earlier_ids) and _is_contained(message, answered):
            if restored and _is_rest_of(restored[-1], message, answered):
                restored.pop()
            message = replace(message, parts=answered.parts)
            earlier_ids |= {*_ids_of_calls(answered)}
        elif is_after_question and (answer := next(missing, None)):  # else the input continues after it
            earlier_ids |= {*_ids_of_calls(answer)}
            if restored and restored[-1].role == "assistant" and _is_contained(restored[-1], answer):
                restored.pop()
            restored.append(answer)
        restored.append(message)
    return restored


def _lacks_only_own(ids: Sequence[str], answer: Message, earlier_ids: Set[str]) -> bool:
    """Return whether calls are all of an answer, or those that are left of it: nothing else has the others."""
    return all(id in ids or id not in earlier_ids for id in _ids_of_calls(answer))


def _is_contained(message: Message, answer: Message) -> bool:
    """Return whether a message says nothing that an answer did not say."""
    return all(part in answer.parts for part in message.parts)


def _is_rest_of(before: Message, message: Message, answer: Message) -> bool:
    """Return whether the message before has what a message lacks of an answer."""
    lacks = [part for part in answer.parts if part not in message.parts]
    return before.role == ASSISTANT and bool(lacks) and list(before.parts) == lacks


def _ids_of_calls(message: Message) -> Iterator[str]:
    return (call.id for call in iterate_calls([message]) if call.id)


def _ids_of_results(message: Message) -> Iterator[str]:
    return (result.id for result in iterate_results([message]) if result.id)
