"""Speech from text and text from speech: the words; of the sound only digest and size. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, pick_fields, read_failure
from greenflash_otel.instrumentation.openai.files import read_file
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import JsonObject, read_count, read_json_object, read_str
from greenflash_otel.model.operation import Json, Media, Message, Operation, Part, Text
from greenflash_otel.semconv.usage import read_usage


def read_transcription_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that writes down, or translates, a sound."""
    prompt = read_str(request.body.get("prompt"))
    parts: tuple[Part, ...] = tuple(read_file("audio", file) for file in request.files)
    return replace(
        operation,
        system_instructions=(Text(prompt),) if prompt else (),
        input=(Message("user", parts),) if parts else (),
        properties={**pick_fields(request.body, "language", "response_format")},
    )


def read_text(body: JsonObject) -> ModelAnswer:
    """Read what was heard."""
    text, usage = read_str(body.get("text")), read_json_object(body.get("usage"))
    properties: dict[str, Json] = pick_fields(body, "language", "duration") | pick_fields(usage, "seconds")
    return ModelAnswer(
        output=(Message("assistant", (Text(text),)),) if text else (),
        usage=read_usage(usage) if usage.get("type") != "duration" else None,
        properties=properties,
        failure=read_failure(body.get("error")),
    )


class TextAssembly:
    """A transcript in the making."""

    def __init__(self, _choice_count: int) -> None:
        self._deltas: list[str] = []
        self._done: JsonObject | None = None
        self._error: object = None

    @property
    def complete(self) -> bool:
        """Whether the whole transcript has come."""
        return self._done is not None

    def add(self, event: JsonObject) -> None:
        """Take in the next event."""
        if event.get("type") == "transcript.text.done":
            self._done = event
        elif event.get("type") == "transcript.text.delta":
            self._deltas.append(read_str(event.get("delta")) or "")
        else:
            self._error = event.get("error") or self._error

    def to_json(self) -> JsonObject:
        """Return the body of the answer so far."""
        body: dict[str, Any] = {"text": "".join(self._deltas), **(self._done or {})}
        return {**body, "error": self._error} if self._error else body


def read_speech_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that says a text."""
    text, style = read_str(request.body.get("input")), read_str(request.body.get("instructions"))
    return replace(
        operation,
        system_instructions=(Text(style),) if style else (),
        input=(Message("user", (Text(text),)),) if text else (),
        properties=pick_fields(request.body, "voice", "response_format"),
    )


def read_speech(body: JsonObject) -> ModelAnswer:
    """Read the sound, as a `BytesBody` describes it."""
    size_bytes = read_count(body.get("size_bytes"))
    sound = Media("audio", digest=read_str(body.get("digest")), size_bytes=size_bytes)
    return ModelAnswer(
        output=(Message("assistant", (sound,)),) if size_bytes else (),
        failure=read_failure(body.get("error")),
    )
