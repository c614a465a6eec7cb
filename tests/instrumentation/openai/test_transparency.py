"""Recorded traffic: the application and the server see the same with and without us, and we see it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.model.operation import Operation, ToolCall
from tests.instrumentation.openai.recordings import (
    OURS,
    Call,
    Seen,
    calls_in,
    paths,
    replay,
    replay_async,
)
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")

CONVERSATIONS = ("/chat/completions", "/responses")


def test_recordings_are_found() -> None:
    """The recordings in the repository are there."""
    assert len([path for path in paths() if path.is_relative_to(OURS)]) == 12


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
async def test_nothing_changes_and_everything_is_recorded(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Same request, same result or error, sync and async; one span per call, with the call's texts."""
    for call in calls_in(path):
        bare = [replay(call), await replay_async(call)]
        spans = Spans()
        instrument(spans.tracer)
        try:
            observed = [replay(call), await replay_async(call)]
            sent = 2 if observed[0].request else 0  # the SDK does not take every recorded body
            await spans.arrive(sent)  # openai 1.x leaves the response open when it raises on an event
        finally:
            uninstrument()
        for before, after in zip(bare, observed, strict=True):
            assert after.same_as(before)
            assert "APIConnectionError" not in str(after.error)  # the replay itself works
        recorded = spans.operations()
        assert len(recorded) == sent
        for seen, operation in zip(observed[:sent], recorded, strict=True):
            check(call, seen, operation)
            record_property("compared", call.surface)  # told at the end of the run


def check(call: Call, seen: Seen, operation: Operation) -> None:
    """The span tells what was asked and answered, as far as the SDK gave it to the application."""
    assert operation.request_model == call.body.get("model")
    assert operation.streamed == call.streams
    went_well = call.answered and seen.error is None
    if operation.ending == "pending":
        assert call.body["background"] is True
        assert not any("completed" in (result.get("status"), result.get("type")) for result in seen.results)
    else:
        assert (operation.ending == "completed") == went_well
    assert (operation.failure is None) == went_well
    if call.surface not in CONVERSATIONS:
        return
    assert sorted(given_texts(call.body)) == sorted(given_texts_of(operation))
    if went_well:
        oracle = chat_texts if call.surface == "/chat/completions" else response_texts
        assert [text_of(message) for message in operation.output] == oracle(seen.results)
        called = [
            part.id for message in operation.output for part in message.parts if isinstance(part, ToolCall)
        ]
        assert tool_call_ids(seen.results) <= set(called)


def given_texts(body: dict[str, Any]) -> Iterator[str]:
    """Every text in the messages or input items of a request, by its bare JSON; tool results apart."""
    given = body.get("messages") or body.get("input") or []
    if isinstance(given, str):
        yield given
        return
    for entry in given:
        if entry.get("role") in ("tool", "function", None):
            continue
        content = entry.get("content")
        if isinstance(content, str) and content:
            yield content
        for part in content if isinstance(content, list) else []:
            if part["type"] in ("text", "input_text", "output_text"):
                yield part["text"]


def given_texts_of(operation: Operation) -> Iterator[str]:
    for message in operation.input:
        for part in message.parts:
            if text := text_of(type(message)(message.role, (part,))):
                yield text


def chat_texts(results: list[Any]) -> list[str]:
    """The text of each choice, from the SDK's completion or chunks."""
    texts: dict[int, str] = {}
    for choice in choices_in(results):
        content = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        if isinstance(content, list):  # Mistral
            content = "".join(part.get("text", "") for part in content)
        texts[choice["index"]] = texts.get(choice["index"], "") + content
    return [text for _, text in sorted(texts.items())]


def response_texts(results: list[Any]) -> list[str]:
    """The text of a response; nothing if there is nothing to see in its output."""
    shown = [
        item
        for item in output_in(results)
        if item["type"] != "reasoning" or item["summary"] or item.get("content")
    ]
    parts = [part for item in shown if item["type"] == "message" for part in item["content"]]
    return ["".join(part.get("text", "") for part in parts)] if shown else []


def tool_call_ids(results: list[Any]) -> set[str]:
    """Ids of the tools that the model asked for."""
    said = [choice.get("delta") or choice.get("message") or {} for choice in choices_in(results)]
    calls = [call["id"] for message in said for call in message.get("tool_calls") or [] if call.get("id")]
    return {*calls, *(item["call_id"] for item in output_in(results) if item["type"] == "function_call")}


def choices_in(results: list[Any]) -> Iterator[dict[str, Any]]:
    for result in results:
        yield from result.get("choices") or []


def output_in(results: list[Any]) -> list[Any]:
    """The output of a response, or of the one in a stream's last event."""
    last = (results or [{}])[-1]
    output: list[Any] = last.get("response", last).get("output") or []
    return output
