"""What is left out of an answer that asked for tools where it is sent back, or put in another order. Pure.

OpenAI's older instrumentation of OpenTelemetry leaves out what was said next to the calls, OpenLIT the whole
message; then a history does not look like the answers that it is made of. Put in are answers to calls that
arrive together with it, or came a moment ago. Where the resend has more than the answer, `align` finds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from greenflash_otel.model.operation import Message, Operation, iterate_calls, iterate_results

Answers = Mapping[str, Message]
"""Answers by the id of each call in them."""


def restore_answers(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Put answers as they were into the inputs of later calls; calls come in the order of their times."""
    answers: dict[str, Message] = {}
    for operation in operations:
        yield replace(operation, input=tuple(_restore(operation.input, answers))) if answers else operation
        for message in operation.output:
            answers |= dict.fromkeys(_ids_of_calls(message), message)


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


def _ids_of_calls(message: Message) -> Iterator[str]:
    return (call.id for call in iterate_calls([message]) if call.id)


def _ids_of_results(message: Message) -> Iterator[str]:
    return (result.id for result in iterate_results([message]) if result.id)
