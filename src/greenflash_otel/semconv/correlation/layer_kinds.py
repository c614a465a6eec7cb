"""Compare two spans' operations, and unite them where both are one: model calls, tools, lookups, failures. Pure.

| kind                  | alike                                                                                |
|-----------------------|--------------------------------------------------------------------------------------|
| model call            | the same response id; else the same answer; else one says nothing of its answer, and |
|                       | their questions do not differ                                                        |
| tool                  | the same name, and neither its call id nor its arguments differ; within a span that  |
|                       | has the same arguments another id does not matter                                    |
| embedding, retrieval  | the same input, or one says nothing of it                                            |
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import (
    EMBEDDINGS,
    MAIN_CALLS,
    RETRIEVAL,
    Failure,
    Json,
    Operation,
    Reasoning,
    Text,
    ToolCall,
    ToolExecution,
    merge_context,
)
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.attributes import GENERAL

LOOKUPS = (EMBEDDINGS, RETRIEVAL)
LEAST_CUT = 64
"""Characters of an answer that was cut by which it is recognised."""
NAMESPACE = re.compile(r".*(?:[./:]|__)")
"""What may be before the name of a tool: a server, a module."""

Answer = tuple[str, tuple[str, ...], tuple[str, ...]]
"""The text, the tools that are requested, and what else there is if there is neither."""


def are_same(
    outer: Operation | None, inner: Operation | None, *, is_direct: bool, is_alike: bool = False
) -> bool:
    """Return whether two operations, one of which ran in the other, are one.

    Args:
        is_direct: Whether nothing else ran between them, so that one that says nothing is the other.
        is_alike: Whether something that names one of them also names the other.
    """
    if outer is None or inner is None:
        return False
    if outer.name == inner.name and outer.name in LOOKUPS:
        return not (outer.input and inner.input) or outer.input == inner.input
    if outer.tool and inner.tool:
        return _are_same_run(outer.tool, inner.tool, is_direct=is_direct, is_alike=is_alike)
    if not {outer.name, inner.name} <= MAIN_CALLS:
        return False
    if outer.response_id and inner.response_id:
        return outer.response_id == inner.response_id
    answer, same = summarise_answer(outer), summarise_answer(inner)
    if answer and same:
        return _do_answers_agree(answer, same)
    question, other = find_question(outer), find_question(inner)
    if is_direct:
        return not (question and other) or question == other
    return answer is same is None and question is not None and question == other


def have_failed_alike(answered_call: Operation | None, failed: Operation) -> bool:
    """Return whether a failed call without an answer may be a layer of another call, or an attempt within it."""
    if answered_call is None or answered_call.name not in MAIN_CALLS or failed.output:
        return False
    if answered_call.failure is None and summarise_answer(answered_call) is None:
        return False
    question, other = find_question(answered_call), find_question(failed)
    return (not (question and other) or question == other) and _may_be_same_model(answered_call, failed)


def are_halves(outer: Operation | None, inner: Operation) -> bool:
    """Return whether a call may be another one of which one layer does not say what was answered."""
    if outer is None or outer.name not in MAIN_CALLS or outer.failure or inner.failure:
        return False
    if summarise_answer(outer) and summarise_answer(inner):
        return False
    if not any((outer.input, outer.output)) or not any((inner.input, inner.output)):
        return False
    question, other = find_question(outer), find_question(inner)
    return (not (question and other) or question == other) and _may_be_same_model(outer, inner)


def is_failed_attempt(outer: Operation, inner: Operation, *, has_succeeded: bool) -> bool:
    """Return whether an inner operation is an attempt that failed before another one succeeded."""
    if inner.failure is None or outer.failure is not None:
        return False
    return has_succeeded or bool(outer.output)


def list_identities(operation: Operation | None) -> Iterator[object]:
    """Yield what two layers say alike of an operation, wherever they are recorded, besides its answer."""
    if operation is None:
        return
    if operation.name in LOOKUPS and operation.input:
        yield operation.name, repr([message.parts for message in operation.input])
    elif tool := operation.tool:
        name = read_plain_name(tool)
        if tool.call_id:
            yield "call", name, tool.call_id
        if _says_something(tool.arguments):
            yield "arguments", name, _write_canonical(tool.arguments)
    elif operation.response_id and operation.name in MAIN_CALLS:
        yield "response", operation.response_id


def read_plain_name(tool: ToolExecution) -> str:
    """Return the name of a tool without its server or module, which not every layer writes."""
    return NAMESPACE.sub("", tool.name) or tool.name


def summarise_answer(operation: Operation | None) -> Answer | None:
    """Return what a model call answered, as far as layers write it alike; None if it is not known."""
    if operation is None or operation.name not in MAIN_CALLS:
        return None
    parts = [part for message in operation.output for part in message.parts]
    text = smooth(" ".join(part.content for part in parts if isinstance(part, Text)))
    calls = tuple(
        f"{part.name} {_write_canonical(part.arguments)}" for part in parts if isinstance(part, ToolCall)
    )
    others = tuple(repr(part) for part in parts if not isinstance(part, (Text, ToolCall, Reasoning)))
    others = () if text or calls else others or tuple(map(repr, parts))
    return (text, calls, others) if text or calls or others else None


def unite(outer: Operation, inner: Operation, requested: Container[str], *, has_succeeded: bool) -> Operation:
    """Unite two layers of one operation: the fuller one, and what only the other knows.

    Args:
        requested: The ids and names by which models asked for tools.
        has_succeeded: Whether an attempt within the outer one is known to have succeeded.
    """
    if outer.tool and inner.tool:
        if is_failed_attempt(outer, inner, has_succeeded=has_succeeded):
            return outer
        tool = _unite_runs(outer.tool, inner.tool, requested)
        return _unite_endings(replace(registry.merge_operation(outer, inner), tool=tool), outer, inner)
    if outer.name not in MAIN_CALLS:
        return registry.merge_operation(outer, inner)
    if is_failed_attempt(outer, inner, has_succeeded=has_succeeded):
        context = merge_context(outer.conversation_context, inner.conversation_context)
        return replace(outer, conversation_context=context, input=outer.input or inner.input)
    fuller, other = (
        (inner, outer) if _count_answer_parts(inner) > _count_answer_parts(outer) else (outer, inner)
    )
    united = registry.merge_operation(fuller, other)
    if not other.input:  # nothing shows which of the messages its template is of
        united = replace(united, prompt=fuller.prompt)
    united = replace(united, streamed=outer.streamed or inner.streamed)
    return _unite_endings(united, outer, inner)


def _unite_endings(united: Operation, outer: Operation, inner: Operation) -> Operation:
    """Return an operation as its outer layer ended; as the inner one if only that failed."""
    ended = outer if outer.ending != "completed" or outer.failure else inner
    if ended is inner and inner.ending == "completed":
        return replace(united, ending="completed", failure=inner.failure)
    return replace(united, ending=ended.ending, failure=_unite_failures(outer.failure, inner.failure))


def _unite_failures(outer: Failure | None, inner: Failure | None) -> Failure | None:
    """Return what the outer layer says of a failure, and what only the inner one knows."""
    if outer is None or inner is None:
        return outer or inner
    is_general = outer.type in GENERAL or outer.type.isdigit()
    return Failure(inner.type if is_general else outer.type, outer.message or inner.message)


def _unite_runs(outer: ToolExecution, inner: ToolExecution, requested: Container[str]) -> ToolExecution:
    """Unite two layers of one run of a tool; its id and its name are those by which a model asked for it."""
    ids = [id for id in (outer.call_id, inner.call_id) if id]
    call_id = next((id for id in ids if id in requested), ids[0] if ids else None)
    name = next((name for name in (outer.name, inner.name) if name in requested), outer.name)
    written = [run.arguments for run in (outer, inner) if _says_something(run.arguments)]
    arguments = next(
        (of_run for of_run in written if isinstance(of_run, Mapping)), written[0] if written else None
    )
    return replace(
        outer,
        name=name,
        call_id=call_id,
        arguments=outer.arguments if arguments is None else arguments,
        result=inner.result if outer.result is None else outer.result,
        answered=outer.answered or inner.answered,
    )


def _are_same_run(outer: ToolExecution, inner: ToolExecution, *, is_direct: bool, is_alike: bool) -> bool:
    """Return whether two layers recorded one run of a tool."""
    is_same_id = outer.call_id is not None and outer.call_id == inner.call_id
    has_arguments = _says_something(outer.arguments) and _says_something(inner.arguments)
    is_given_same = has_arguments and _do_arguments_fit(outer.arguments, inner.arguments)
    if read_plain_name(outer) != read_plain_name(inner):
        return False
    if outer.call_id and inner.call_id and not is_same_id:
        return is_direct and is_given_same
    if has_arguments and not is_given_same:
        return is_same_id
    return is_direct or is_alike or is_same_id


def _do_answers_agree(answer: Answer, other: Answer) -> bool:
    """Return whether two layers have the same answer, or each a part of it."""
    texts = sorted((answer[0], other[0]), key=len)
    is_text_same = texts[0] == texts[1] or (len(texts[0]) >= LEAST_CUT and texts[1].startswith(texts[0]))
    if answer[0] and other[0] and not is_text_same:
        return False
    if answer[1] and other[1] and answer[1] != other[1]:
        return False
    return bool((answer[0] and other[0]) or (answer[1] and other[1]) or (answer[2] and answer[2] == other[2]))


def _do_arguments_fit(arguments: Json, other: Json) -> bool:
    """Return whether arguments are the same, also if one layer wraps them or adds some of its own."""
    arguments, other = _decode(arguments), _decode(other)
    if arguments == other:
        return True
    for outer, inner in ((arguments, other), (other, arguments)):
        if isinstance(outer, Mapping):
            if any(_decode(value) == inner for value in outer.values()):
                return True
            if isinstance(inner, Mapping) and inner and all(outer.get(name) == inner[name] for name in inner):
                return True
    return False


def _decode(value: Json) -> Json:
    return read_json(value) if isinstance(value, str) else value


def _says_something(value: Json) -> bool:
    return value is not None and value != "" and value != {}


def _write_canonical(value: Json) -> str:
    return json.dumps(_decode(value), sort_keys=True, default=repr)


def find_question(operation: Operation) -> str | None:
    """Return the last text that the user said to the model; None if there is none."""
    for message in reversed(operation.input):
        if message.role == "user":
            text = smooth(" ".join(part.content for part in message.parts if isinstance(part, Text)))
            if text:
                return text
    return None


def smooth(text: str) -> str:
    """Return a text with one space in place of any white space."""
    return " ".join(text.split())


def _count_answer_parts(operation: Operation) -> int:
    return sum(len(message.parts) for message in operation.output)


def _may_be_same_model(operation: Operation, other: Operation) -> bool:
    """Return whether two calls may be of one model, as far as both name it."""
    names = [
        {name for name in (call.request_model, call.response_model) if name} for call in (operation, other)
    ]
    return not all(names) or any(mine in its or its in mine for mine in names[0] for its in names[1])
