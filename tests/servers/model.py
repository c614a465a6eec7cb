"""A model that answers in words, one every tenth of a second, in the process of the application that asks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai

from tests.chat import completion
from tests.instrumentation.openai.http import http

PACE_S = 0.1
STORY = "Tell me a story."
"""What is asked for. The story has as many words as ``max_tokens`` says."""


def _events(words: int) -> Iterator[bytes]:
    for number in range(words):
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None}],
        }
        yield f"data: {json.dumps(chunk)}\n\n".encode()
    yield b"data: [DONE]\n\n"


class _Slow(http.SyncByteStream):  # type: ignore[misc]  # of httpx or httpx2
    def __init__(self, words: int) -> None:
        self._words = words

    def __iter__(self) -> Iterator[bytes]:
        for event in _events(self._words):
            yield event
            time.sleep(PACE_S)


class _SlowAsync(http.AsyncByteStream):  # type: ignore[misc]
    def __init__(self, words: int) -> None:
        self._words = words

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in _events(self._words):
            yield event
            await asyncio.sleep(PACE_S)


def _answer(request: Any, slow: Any) -> Any:
    asked = json.loads(request.content)
    if asked.get("stream"):
        return http.Response(
            200, headers={"content-type": "text/event-stream"}, stream=slow(asked["max_tokens"])
        )
    return http.Response(200, json=completion("It is short.", "gpt-4o-mini"))


def client() -> openai.OpenAI:
    """A client of that model."""
    transport = http.MockTransport(lambda request: _answer(request, _Slow))
    return openai.OpenAI(api_key="sk-test", http_client=http.Client(transport=transport))


def async_client() -> openai.AsyncOpenAI:
    """Its twin."""
    transport = http.MockTransport(lambda request: _answer(request, _SlowAsync))
    return openai.AsyncOpenAI(api_key="sk-test", http_client=http.AsyncClient(transport=transport))


def asked(**more: Any) -> dict[str, Any]:
    """The request for a story."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": STORY}], **more}
