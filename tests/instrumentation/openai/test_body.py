"""The bytes of an answer: however they are cut and encoded, the same events and the same document."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.instrumentation.openai import body
from greenflash_otel.instrumentation.openai.body import JsonBody
from greenflash_otel.internal_errors import get_internal_errors
from greenflash_otel.json_values import JsonObject


class Events:
    """An assembly that only keeps what it was given."""

    def __init__(self) -> None:
        self.complete = False
        self.events: list[JsonObject] = []

    def add(self, event: JsonObject) -> None:
        self.events.append(event)

    def to_json(self) -> JsonObject:
        return {"events": self.events}


def read(*chunks: bytes, decode: Callable[[bytes], bytes] | None = None) -> tuple[JsonBody, list[Any]]:
    events = Events()
    answer = JsonBody(events, decode)
    for chunk in chunks:
        answer.receive_bytes(chunk)
    answer.finish()
    return answer, [event.get("n") for event in events.events]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'data: {"n":1}\n\ndata: {"n":2}\n\n', [1, 2], id="line feeds"),
        pytest.param(b'data: {"n":1}\r\n\r\ndata: {"n":2}\r\n\r\n', [1, 2], id="carriage returns too"),
        pytest.param(b'data:{"n":1}\r\rdata:{"n":2}\r\r', [1, 2], id="only carriage returns, no space"),
        pytest.param(
            b': keep-alive\n\nevent: e\nid: 7\ndata: {"n":1}\n\n', [1], id="comments and other fields"
        ),
        pytest.param(b'data: {\ndata: "n": 1}\n\n', [1], id="an event over several lines"),
        pytest.param(
            b'\xef\xbb\xbfdata: {"n":1}\n\n', [], id="a byte order mark spoils the first line, as for the SDK"
        ),
        pytest.param(b'data: {"n":1}\n\ndata: [DONE]\n\ndata: {"n":2}\n\n', [1], id="nothing after the end"),
        pytest.param(b'data: {"n":1}\n\ndata: {"n"', [1], id="cut in an event"),
        pytest.param(b'data: {"n":1}\n\ndata: {"n":2}', [1, 2], id="whole, but for the blank line"),
        pytest.param(
            b'data: {"n":1}\n\ndata: oops\n\ndata: {"n":3}\n\n', [1, 3], id="an event that is no JSON"
        ),
        pytest.param('data: {"n":"é€😀"}\n\n'.encode(), ["é€😀"], id="characters of several bytes"),
    ],
)
@pytest.mark.parametrize("batch_bytes", [1, 16, body.BATCH_BYTES])
def test_events(
    content: bytes, expected: list[Any], batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every way in which events are written, whole or byte by byte, in batches of any size."""
    monkeypatch.setattr(body, "BATCH_BYTES", batch_bytes)
    assert read(content)[1] == expected
    assert read(*[content[at : at + 1] for at in range(len(content))])[1] == expected


@given(st.lists(st.integers(0, 99), max_size=8), st.lists(st.integers(1, 7), min_size=1))
def test_any_cut_gives_the_same_events(numbers: list[int], sizes: list[int]) -> None:
    """Where the network cuts the stream makes no difference."""
    content = b"".join(b'data: {"n": %d}\r\n\r\n' % number for number in numbers)
    chunks: list[bytes] = []
    at = 0
    while at < len(content):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(content[at : at + size])
        at += size
    assert read(*chunks)[1] == numbers


@pytest.mark.parametrize(
    ("content", "complete", "begun", "malformed"),
    [
        pytest.param(b'{"a": 1}', True, True, False, id="document"),
        pytest.param(b'  \n{"a": 1}', True, True, False, id="white space before"),
        pytest.param(b'{"a": ', False, True, False, id="document that was cut"),
        pytest.param(b"", False, False, False, id="nothing"),
        pytest.param(b"<html></html>", False, False, False, id="web page"),
        pytest.param(b"data: [DONE]\n\n", True, False, False, id="only the end"),
        pytest.param(b'data: {"n":1}\n\n', False, True, False, id="events without an end"),
        pytest.param(b"data: oops\n\n", False, False, True, id="event that is no JSON"),
    ],
)
def test_what_came(content: bytes, complete: bool, begun: bool, malformed: bool) -> None:
    """Whether an answer is whole, has begun, or is broken."""
    answer, _ = read(content)
    assert (answer.complete, answer.begun, answer.malformed) == (complete, begun, malformed)


def test_document() -> None:
    """A JSON document is the answer itself."""
    assert read(b'{"a": ', b"1}")[0].to_json() == {"a": 1}


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("batch_bytes", [1, body.BATCH_BYTES])
def test_content_encoding(
    compress: Callable[[bytes], bytes], batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed events are decoded by a decoder of their own, also from a stream that was cut."""
    monkeypatch.setattr(body, "BATCH_BYTES", batch_bytes)
    content = compress(b'data: {"n":1}\n\n' + b'data: {"n":2}\n\n')
    decode = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    assert read(content[:9], content[9:], decode=decode)[1] == [1, 2]


def test_a_document_too_large_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A streamed document beyond the bound is counted and not kept."""
    monkeypatch.setattr(body, "MAX_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(body, "BATCH_BYTES", 10)
    before = get_internal_errors().get("capture an answer as large as this", 0)
    answer, _ = read(*[json.dumps({"text": "x" * 500}).encode()[at : at + 10] for at in range(0, 500, 10)])
    assert not answer.complete
    assert get_internal_errors()["capture an answer as large as this"] == before + 1
