"""Recorded spans whose attributes were dropped, cut, retyped or nested wrongly.

They are read without a failure of ours, and nothing is told that they do not say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.model.operation import (
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv import registry
from tests.fidelity.corpus import OURS, recordings
from tests.fidelity.foreign import arrive

RECORDINGS = list(recordings(OURS))
READABLE = [
    span
    for recording in RECORDINGS
    for span in recording.spans
    if registry.recognises(span.attributes) and "truncated" not in recording.scenario
]

Change = Callable[[Any], Any]
"""What becomes of a value."""


def decoded(value: Any) -> Any:
    """JSON as the nested values that a newer SDK keeps."""
    try:
        return frozen(json.loads(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def frozen(value: Any) -> Any:
    """Tuples for lists."""
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return {name: frozen(entry) for name, entry in value.items()} if isinstance(value, dict) else value


def on_texts(change: Callable[[str], Any]) -> Change:
    """A change of texts alone."""
    return lambda value: change(value) if isinstance(value, str) else value


def inside(change: Change) -> Change:
    """A change of all values in JSON, which stays JSON."""

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(entry) for entry in value]
        if isinstance(value, dict):
            return {name: changed(entry) for name, entry in value.items()}
        return change(value)

    def apply(value: Any) -> Any:
        told = decoded(value)
        return value if isinstance(told, (str, int, float)) else json.dumps(changed(json.loads(value)))

    return on_texts(apply)


CHANGES: Mapping[str, Change] = {
    "as it is": lambda value: value,
    "nested values": decoded,
    "JSON of texts": on_texts(json.dumps),
    "JSON of all": lambda value: json.dumps(value, default=str),
    "a third": on_texts(lambda value: value[: len(value) // 3]),
    "all but the end": on_texts(lambda value: value[:-1]),
    "without the beginning": on_texts(lambda value: value[1:]),
    "texts for numbers": lambda value: value if isinstance(value, str) else str(value),
    "numbers for texts": on_texts(len),
    "empty": on_texts(lambda value: ""),
    "nothing": lambda value: None,
    "in a list": lambda value: [value],
    "in a list, as JSON": lambda value: json.dumps([value], default=str),
    "in an object": lambda value: {"content": value},
    "in an object, as JSON": lambda value: json.dumps({"messages": [value]}, default=str),
    "numbers within": inside(lambda value: 7),
    "null within": inside(lambda value: None),
    "lists within": inside(lambda value: [value]),
    "objects within": inside(lambda value: {"text": value}),
}
"""By name."""
SINGLE = ("nothing", "numbers for texts", "in an object", "null within", "a third")
"""Made of one attribute after the other too."""


def changed(span: SpanRecord, change: Change) -> SpanRecord:
    """A span all of whose attributes, and those of its events, were changed."""
    events = tuple(replace(event, attributes=with_change(event.attributes, change)) for event in span.events)
    return replace(span, attributes=with_change(span.attributes, change), events=events)


def with_change(attributes: Attributes, change: Change) -> Attributes:
    """Attributes whose values were changed; those of which nothing is left are dropped."""
    return {name: told for name, value in attributes.items() if (told := change(value)) is not None}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_any_change_of_all(change: Change) -> None:
    """The whole way to the requests nothing of ours fails."""
    before = internal_errors.get_internal_errors()
    for recording in RECORDINGS:
        arrive(replace(recording, spans=tuple(changed(span, change) for span in recording.spans)))
    assert internal_errors.get_internal_errors() == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_nothing_is_invented(change: Change) -> None:
    """Every text that is read stands in the span, before or after the change."""
    for span in READABLE:
        told = registry.read(changed(span, change))
        known = " ".join(texts_in([span.name, known_of(span), known_of(changed(span, change))]))
        for text in texts_of(told) if told else ():
            assert all(line.strip() in known for line in text.splitlines()), (span.name, text)


@pytest.mark.parametrize("name", SINGLE)
def test_a_change_of_one(name: str) -> None:
    """A span is read whichever of its attributes it is."""
    change = CHANGES[name]
    for span in READABLE:
        for name, value in span.attributes.items():
            left = {**span.attributes, name: change(value)}
            registry.read(replace(span, attributes=left if left[name] is not None else without(left, name)))


def without(attributes: Mapping[str, Any], name: str) -> Attributes:
    """All attributes but one."""
    return {entry: value for entry, value in attributes.items() if entry != name}


def known_of(span: SpanRecord) -> Any:
    """What a span says outside of its times and ids."""
    return [span.attributes, span.status_description, [event.attributes for event in span.events]]


def texts_in(value: Any) -> Iterator[str]:
    """All texts of a value, and of the JSON in them, with what they would be as JSON."""
    if isinstance(value, str):
        yield value
        told = decoded(value)
        yield from texts_in(told) if not isinstance(told, str) or told != value else ()
    elif isinstance(value, Mapping):
        yield json.dumps(value, default=str, ensure_ascii=False)
        yield from (text for pair in value.items() for entry in pair for text in texts_in(entry))
    elif isinstance(value, (list, tuple)):
        yield from (text for entry in value for text in texts_in(entry))
    elif value is not None:
        yield str(value)


def texts_of(operation: Operation) -> Iterator[str]:
    """What an operation says: the words of its messages, of its tool, and whose it is."""
    for message in (*operation.input, *operation.output, Message("system", operation.system_instructions)):
        for part in message.parts:
            yield from said(part)
    if tool := operation.tool:
        yield from leaves([tool.name if tool.name != "unknown" else "", tool.arguments, tool.result])
    yield from leaves(
        [operation.conversation_context.conversation_id, operation.conversation_context.user_id]
    )


def said(part: Part) -> Iterator[str]:
    match part:
        case Text(content) | Reasoning(content):
            yield content
        case ToolCall(name, arguments):
            yield from leaves([name if name != "unknown" else "", arguments])
        case ToolCallResponse(response) | ServerToolCallResponse(response):
            yield from leaves(response)
        case ServerToolCall(name, call):
            yield from leaves([name, call])
        case Other(_, fields):
            yield from leaves(fields)


def leaves(value: Any) -> Iterator[str]:
    """The texts in a value; of a digest nothing, which stands for bytes."""
    if isinstance(value, str):
        yield "" if value.startswith("sha256:") else value
    elif isinstance(value, Mapping):
        yield from (text for entry in value.values() for text in leaves(entry))
    elif isinstance(value, (list, tuple)):
        yield from (text for entry in value for text in leaves(entry))
