"""The scenarios of `scenarios`, played by a sync application. ``client`` is an ``openai.OpenAI``."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import MESSAGES, PIECES, TEXT, chunks
from tests.instrumentation.openai.server import Server

CHAT: Any = {"model": "gpt-4o", "messages": MESSAGES}
RESPONSE: Any = {"model": "gpt-4o", "input": "Hi"}


class Word(pydantic.BaseModel):
    """What the application wants an answer parsed into."""

    word: str


def said(chunk: Any) -> str:
    """The text of a chunk."""
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def read_two(stream: Any) -> None:
    """Read as far as the server gets before it holds."""
    for number, chunk in enumerate(stream):
        assert said(chunk) == PIECES[number]
        if number == 1:
            break


def whole(client: Any, server: Server) -> None:
    assert client.chat.completions.create(**CHAT).choices[0].message.content == TEXT


def streamed(client: Any, server: Server) -> None:
    assert "".join(map(said, client.chat.completions.create(**CHAT, stream=True))) == TEXT


def left_and_dropped(client: Any, server: Server) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True)
    read_two(stream)
    del stream
    gc.collect()


def dropped_unread(client: Any, server: Server) -> None:
    client.chat.completions.create(**CHAT, stream=True)
    gc.collect()


def left_and_resumed(client: Any, server: Server) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True)
    for chunk in stream:
        assert said(chunk) == PIECES[0]
        break
    assert "".join(map(said, stream)) == PIECES[1]


def left_in_with(client: Any, server: Server) -> None:
    with client.chat.completions.create(**CHAT, stream=True) as stream:
        read_two(stream)


def closed(client: Any, server: Server) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True)
    read_two(stream)
    stream.close()


def helper(client: Any, server: Server) -> None:
    with helper_of(client).stream(**CHAT) as stream:
        assert stream.get_final_completion().choices[0].message.content == TEXT


def helper_left(client: Any, server: Server) -> None:
    with helper_of(client).stream(**CHAT) as stream:
        for event in stream:
            if event.type == "content.delta" and event.snapshot == TEXT:
                break


def helper_raises(client: Any, server: Server) -> None:
    with (
        pytest.raises(openai.LengthFinishReasonError),
        helper_of(client).stream(**CHAT, response_format=Word) as stream,
    ):
        for _ in stream:
            pass


def helper_of(client: Any) -> Any:
    """Where ``stream`` and ``parse`` are: out of beta since openai 1.92."""
    return (
        client.chat.completions if hasattr(client.chat.completions, "parse") else client.beta.chat.completions
    )


def responses(client: Any, server: Server) -> None:
    assert client.responses.create(**RESPONSE).output_text == TEXT


def responses_streamed(client: Any, server: Server) -> None:
    deltas = [
        event.delta
        for event in client.responses.create(**RESPONSE, stream=True)
        if event.type.endswith("text.delta")
    ]
    assert deltas == list(PIECES)


def responses_helper_left(client: Any, server: Server) -> None:
    with client.responses.stream(**RESPONSE) as stream:
        for event in stream:
            if event.type == "response.output_text.delta" and event.snapshot == TEXT:
                break


def error_in_stream(client: Any, server: Server) -> None:
    with pytest.raises(openai.APIError, match="overloaded"):
        for _ in client.chat.completions.create(**CHAT, stream=True):
            pass
    gc.collect()  # openai 1.x leaves the response open


def nonsense_in_stream(client: Any, server: Server) -> None:
    with pytest.raises(json.JSONDecodeError):
        for _ in client.chat.completions.create(**CHAT, stream=True):
            pass
    gc.collect()  # as above


def connection_cut(client: Any, server: Server) -> None:
    with pytest.raises((openai.APIConnectionError, http.RemoteProtocolError)):
        for _ in client.chat.completions.create(**CHAT, stream=True):
            pass


def refused(client: Any, server: Server) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**CHAT)


def out_of_order(client: Any, server: Server) -> None:
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=0).chat.completions.create(**CHAT)


def retried(client: Any, server: Server) -> None:
    whole(client.with_options(max_retries=1), server)
    assert server.bodies[0] == server.bodies[1]


def not_json(client: Any, server: Server) -> None:
    assert client.chat.completions.create(**CHAT) == "<html>sorry</html>"


def parsed(client: Any, server: Server) -> None:
    assert helper_of(client).parse(**CHAT, response_format=Word).choices[0].message.parsed == Word(word="hi")


def parse_finds_it_too_long(client: Any, server: Server) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        helper_of(client).parse(**CHAT, response_format=Word)


def parse_finds_it_invalid(client: Any, server: Server) -> None:
    with pytest.raises(pydantic.ValidationError):
        helper_of(client).parse(**CHAT, response_format=Word)


def raw(client: Any, server: Server) -> None:
    answer = client.chat.completions.with_raw_response.create(**CHAT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.parse() is answer.parse()
    assert answer.parse().choices[0].message.content == TEXT


def raw_streamed(client: Any, server: Server) -> None:
    answer = client.chat.completions.with_raw_response.create(**CHAT, stream=True)
    stream = answer.parse()
    assert isinstance(stream, openai.Stream)
    assert answer.parse() is stream
    assert "".join(map(said, stream)) == TEXT


def raw_body(client: Any, server: Server) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        assert not answer.http_response.is_stream_consumed
        assert json.loads(b"".join(answer.iter_bytes()))["id"] == "chatcmpl-1"


def raw_body_not_read(client: Any, server: Server) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        assert answer.http_response.num_bytes_downloaded == 0


def raw_lines(client: Any, server: Server) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert len(lines) == 5


def raw_responses_streamed(client: Any, server: Server) -> None:
    with client.responses.with_streaming_response.create(**RESPONSE, stream=True) as answer:
        kinds = [event.type for event in answer.parse()]
    assert kinds[-1] == "response.completed"


def interrupted_pieces() -> Iterator[bytes]:
    """A stream that the user interrupts, as with Ctrl-C."""
    for chunk in chunks(finished=False):
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    raise KeyboardInterrupt


def cancelled_in_create(client: Any, server: Server) -> None:
    def answer(request: Any) -> Any:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        client.copy(http_client=http.Client(transport=http.MockTransport(answer))) as other,
    ):
        other.chat.completions.create(**CHAT)


def cancelled_between_chunks(client: Any, server: Server) -> None:
    def answer(request: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=interrupted_pieces())

    with (
        pytest.raises(KeyboardInterrupt),
        client.copy(http_client=http.Client(transport=http.MockTransport(answer))) as other,
    ):
        list(other.chat.completions.create(**CHAT, stream=True))
