"""Count the calls of our functions on the application's thread, and the applications that they are counted in."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import openai

import greenflash_otel
from tests.instrumentation.openai.http import http

OURS = str(Path(greenflash_otel.__file__).parent)


class OurCalls:
    """The Python calls of functions of ours that this thread makes within the block, by function."""

    def __init__(self) -> None:
        self.by_function: Counter[str] = Counter()

    def __enter__(self) -> OurCalls:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.by_function.values())

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS):
            self.by_function[f"{code.co_filename[len(OURS) + 1 :]}:{code.co_name}"] += 1


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
