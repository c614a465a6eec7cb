"""Applications whose calls of our functions are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import openai

from tests.instrumentation.openai.http import http


def client_answering(answer: Callable[[Any], Any]) -> openai.OpenAI:
    """A client whose server is a function."""
    transport = http.Client(transport=http.MockTransport(answer))
    return openai.OpenAI(api_key="sk-test", http_client=transport, max_retries=0)


class ChunkedStream(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]  # of either library
    """The body of an answer that comes in chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = list(chunks)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
