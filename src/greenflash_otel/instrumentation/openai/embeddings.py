"""Embeddings: the texts that were embedded, and of the vectors only how many and how long. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_failure
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Json, Message, Operation, Other, Part, Text
from greenflash_otel.semconv.usage import read_usage

BYTES_PER_NUMBER = 4
"""Vectors come as base64 of 32-bit floats, which the SDK asks for where the application does not choose."""


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what is to be embedded."""
    input = request.body.get("input")
    texts = [input] if isinstance(input, str) else read_list(input)
    if texts and all(read_count(token) is not None for token in texts):
        texts = [texts]
    parts = tuple(_read_text(text) for text in texts)
    return replace(operation, input=(Message("user", parts),) if parts else ())


def read_answer(body: JsonObject) -> ModelAnswer:
    """Return how many vectors came, and how long they are."""
    vectors = [read_json_object(entry).get("embedding") for entry in read_list(body.get("data"))]
    properties: dict[str, Json] = {"count": len(vectors)} if vectors else {}
    if vectors and (dimensions := _measure_length(vectors[0])):
        properties["dimensions"] = dimensions
    return ModelAnswer(
        usage=read_usage(body.get("usage")),
        response_model=read_str(body.get("model")),
        properties=properties,
        failure=read_failure(body.get("error")),
    )


class WholeAssembly:
    """For an answer that is never streamed: what comes in events all the same is passed over."""

    complete = False

    def __init__(self, _choice_count: int) -> None:
        self._error: object = None

    def add(self, event: JsonObject) -> None:
        """Take in an event."""
        self._error = event.get("error") or self._error

    def to_json(self) -> JsonObject:
        """Return what is known of the answer."""
        return {"error": self._error} if self._error else NOTHING


def _read_text(content: object) -> Part:
    return Text(content) if isinstance(content, str) else Other("tokens", {"count": len(read_list(content))})


def _measure_length(vector: object) -> int | None:
    if isinstance(vector, str):
        try:
            return len(base64.b64decode(vector)) // BYTES_PER_NUMBER
        except (binascii.Error, ValueError):
            return None
    return len(read_list(vector)) or None
