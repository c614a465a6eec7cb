"""Between the HTTP library and the SDK: what looks on there cannot be seen from outside."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from openai._models import FinalRequestOptions

from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.played_sync import CHAT, said
from tests.instrumentation.openai.replies import TEXT, chunks, completion
from tests.instrumentation.openai.server import Reply, Server, document, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")


def test_the_stream_is_of_its_own_kind(spans: Spans) -> None:
    """What the HTTP library checks of its streams still holds."""
    with Server(events(chunks())) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        with client.chat.completions.create(**CHAT, stream=True) as stream:
            assert isinstance(stream.response.stream, http.SyncByteStream)
            assert "".join(map(said, stream)) == TEXT
        assert stream.response.elapsed.total_seconds() > 0


def test_a_response_can_be_pickled_and_copied(spans: Spans) -> None:
    """Responses that were streamed pickle and copy as ever, and nothing of ours goes along."""
    with (
        Server(document(completion())) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
        client.chat.completions.with_streaming_response.create(**CHAT) as answer,
    ):
        answer.read()
        pickled = pickle.dumps(answer.http_response)
        assert b"greenflash" not in pickled
        assert pickle.loads(pickled).json()["id"] == "chatcmpl-1"  # noqa: S301 - pickled two lines above
        assert copy.deepcopy(answer.http_response).content == answer.http_response.content


def test_options_are_given_back(spans: Spans) -> None:
    """What carries the record through the SDK is out of its options again before anybody sees them."""
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=CHAT)
    before = options.post_parser
    with (
        Server(document(completion()), document(completion())) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
    ):
        answer = client.chat.completions.with_raw_response.create(**CHAT)
        assert isinstance(answer._options.post_parser, openai.NotGiven)
        client.request(object, options)
    assert options.post_parser is before
    assert len(spans.all()) == 2


def test_results_can_be_pickled_and_copied(spans: Spans) -> None:
    """So do the SDK's objects, which hold nothing of ours."""
    with (
        Server(events(chunks()), document(completion())) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
    ):
        results = [
            *client.chat.completions.create(**CHAT, stream=True),
            client.chat.completions.create(**CHAT),
        ]
    for result in results:
        assert copy.deepcopy(result) == result
        assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "identity": bytes,
    "GZIP, identity": gzip.compress,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encoded_streams(encoding: str, spans: Spans) -> None:
    """A compressed stream is passed on as it is, and read with a decoder of our own."""
    content = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks())
    packed = ENCODINGS[encoding](content)
    reply = Reply(
        (packed[:40], packed[40:]), 200, {"content-type": "text/event-stream", "content-encoding": encoding}
    )
    with Server(reply) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        assert "".join(map(said, client.chat.completions.create(**CHAT, stream=True))) == TEXT
    assert text_of(*spans.only().output) == TEXT


def test_raw_bytes_are_the_servers(spans: Spans) -> None:
    """Who reads the raw bytes gets them undecoded."""
    packed = gzip.compress(json.dumps(completion()).encode())
    reply = Reply((packed,), 200, {"content-type": "application/json", "content-encoding": "gzip"})
    with (
        Server(reply) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
        client.chat.completions.with_streaming_response.create(**CHAT) as answer,
    ):
        assert b"".join(answer.http_response.iter_raw()) == packed
    assert text_of(*spans.only().output) == TEXT


class Body:
    """A body that says when it is read, and when it was closed."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def pieces(self) -> Iterator[bytes]:
        try:
            for number, chunk in enumerate(chunks(finished=False)):
                self.log.append(f"read {number}")
                yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
        finally:
            self.log.append("closed")

    async def pieces_async(self) -> AsyncIterator[bytes]:
        for piece in self.pieces():
            yield piece


def client_for(content: Any, make: Any) -> Any:
    headers = {"content-type": "text/event-stream"}
    return make(
        transport=http.MockTransport(lambda request: http.Response(200, headers=headers, content=content))
    )


def test_nothing_is_read_ahead(spans: Spans) -> None:
    """The body is read when the application asks for the next chunk, and closed when it is done."""
    body = Body()
    with openai.OpenAI(api_key="k", http_client=client_for(body.pieces(), http.Client)) as client:
        stream = client.chat.completions.create(**CHAT, stream=True)
        assert body.log == []
        next(stream)
        assert body.log == ["read 0"]
        stream.close()
    assert spans.only().ending == "abandoned"


async def test_nothing_is_read_ahead_async(spans: Spans) -> None:
    """The same for an async client."""
    body = Body()
    async with openai.AsyncOpenAI(
        api_key="k", http_client=client_for(body.pieces_async(), http.AsyncClient)
    ) as client:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        assert body.log == []
        await stream.__anext__()
        assert body.log == ["read 0"]
        await stream.close()
    assert spans.only().ending == "abandoned"
