"""Images that are made or changed: the prompt, and of a picture its digest and size. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, pick_fields, read_failure
from greenflash_otel.instrumentation.openai.files import read_file
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Media, Message, Operation, Part, Text
from greenflash_otel.semconv.formats.media import make_media
from greenflash_otel.semconv.usage import read_usage


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with the prompt and the pictures it is about."""
    prompt = read_str(request.body.get("prompt"))
    pictures = tuple(read_file("image", file) for file in request.files)
    parts: tuple[Part, ...] = (*((Text(prompt),) if prompt else ()), *pictures)
    return replace(
        operation,
        input=(Message("user", parts),) if parts else (),
        choice_count=read_count(request.body.get("n")) or 1,
    )


def read_answer(body: JsonObject) -> ModelAnswer:
    """Read the pictures, each with the prompt that the provider made of the one it was given."""
    entries = [read_json_object(entry) for entry in read_list(body.get("data"))]
    return ModelAnswer(
        output=tuple(Message("assistant", _read_picture(entry)) for entry in entries),
        usage=read_usage(body.get("usage")),
        properties=pick_fields(body, "size", "quality", "output_format"),
        failure=read_failure(body.get("error")),
    )


class ImageAssembly:
    """Pictures in the making. The partial ones are passed over."""

    def __init__(self, choice_count: int) -> None:
        self._expected = choice_count
        self._pictures: list[JsonObject] = []
        self._head: dict[str, Any] = {}

    @property
    def complete(self) -> bool:
        """Whether every picture has come."""
        return len(self._pictures) >= self._expected

    def add(self, event: JsonObject) -> None:
        """Take in the next event."""
        if (read_str(event.get("type")) or "").endswith(".completed"):
            self._pictures.append(event)
            self._head |= {name: event[name] for name in ("usage", "size", "quality") if event.get(name)}
        elif error := event.get("error"):
            self._head["error"] = error

    def to_json(self) -> JsonObject:
        """Return the body of the answer so far."""
        return {**NOTHING, **self._head, "data": self._pictures}


def _read_picture(entry: JsonObject) -> tuple[Part, ...]:
    content, url = read_str(entry.get("b64_json")), read_str(entry.get("url"))
    picture = make_media(content) if content else Media("image", uri=url)
    prompt = read_str(entry.get("revised_prompt"))
    return (picture, Text(prompt)) if prompt else (picture,)
