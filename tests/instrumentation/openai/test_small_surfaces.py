"""The surfaces beside chat: each is one operation, the same sync and async, and the result is the SDK's."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest

from greenflash_otel.instrumentation.openai import instrument
from greenflash_otel.model.operation import Media, Message, Operation, Other, Part, Text, Usage
from tests.instrumentation.openai.server import Reply, Server, document, events
from tests.instrumentation.openai.spans import Spans

pytestmark = [
    pytest.mark.usefixtures("no_faults"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),  # the SDK's, of translations
]

SOUND = b"not really a sound"
SOUND_DIGEST = "sha256:" + hashlib.sha256(SOUND).hexdigest()
SOUND_BASE64 = base64.b64encode(SOUND).decode()
VECTOR = base64.b64encode(struct.pack("<3f", 0.1, 0.2, 0.3)).decode()
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
TOKENS = {"type": "tokens", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def said(role: str, *parts: Part | str, finish_reason: str | None = None) -> tuple[Message, ...]:
    """One message."""
    return (
        Message(
            role,
            tuple(Text(part) if isinstance(part, str) else part for part in parts),
            finish_reason=finish_reason,
        ),
    )


@dataclass(frozen=True)
class Row:
    """A call, what the server answers, and the operation that is recorded."""

    call: Callable[[Any], Any]
    reply: Reply
    expected: Operation
    finish: str | None = None
    """How the application reads the result, if it has to: ``iterate``."""


COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "text": " there", "finish_reason": "stop", "logprobs": None}],
    "usage": USAGE,
}
EMBEDDED = {
    "object": "list",
    "model": "m-1",
    "data": [{"object": "embedding", "index": index, "embedding": VECTOR} for index in (0, 1)],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
MODERATED = {
    "id": "modr-1",
    "model": "m-1",
    "results": [
        {
            "flagged": True,
            "categories": {"violence": True, "hate": False},
            "category_scores": {},
            "category_applied_input_types": {},
        }
    ],
}
PICTURES = {"created": 1, "data": [{"b64_json": SOUND_BASE64, "revised_prompt": "A red cat"}], "size": "1x1"}
ANSWER: dict[str, Any] = {"request_model": "m", "response_model": "m-1"}


def piece(text: str, finish_reason: str | None = None, index: int = 0) -> dict[str, Any]:
    """A chunk of a streamed legacy completion."""
    choice = {"index": index, "text": text, "finish_reason": finish_reason, "logprobs": None}
    return {**COMPLETION, "choices": [choice], "usage": None}


ROWS: Mapping[str, Row] = {
    "completion": Row(
        lambda client: client.completions.create(model="m", prompt="Hello"),
        document(COMPLETION),
        Operation(
            "text_completion",
            input=said("user", "Hello"),
            output=said("assistant", " there", finish_reason="stop"),
            finish_reasons=("stop",),
            usage=Usage(3, 2),
            response_id="cmpl-1",
            **ANSWER,
        ),
    ),
    "streamed completion": Row(
        lambda client: client.completions.create(model="m", prompt="Hello", n=2, stream=True),
        events([piece(" th"), piece(" you", "stop", 1), piece("ere", "stop")]),
        Operation(
            "text_completion",
            input=said("user", "Hello"),
            output=(
                *said("assistant", " there", finish_reason="stop"),
                *said("assistant", " you", finish_reason="stop"),
            ),
            finish_reasons=("stop", "stop"),
            choice_count=2,
            streamed=True,
            response_id="cmpl-1",
            **ANSWER,
        ),
        finish="iterate",
    ),
    "batch of completions": Row(
        lambda client: client.completions.create(model="m", prompt=["Hello", "Hi"]),
        document(COMPLETION),
        Operation(
            "text_completion_batch",
            input=(*said("user", "Hello"), *said("user", "Hi")),
            output=said("assistant", " there", finish_reason="stop"),
            finish_reasons=("stop",),
            choice_count=2,
            usage=Usage(3, 2),
            response_id="cmpl-1",
            **ANSWER,
        ),
    ),
    "completion of tokens": Row(
        lambda client: client.completions.create(model="m", prompt=[1, 2, 3]),
        document(COMPLETION),
        Operation(
            "text_completion",
            input=said("user", Other("tokens", {"count": 3})),
            output=said("assistant", " there", finish_reason="stop"),
            finish_reasons=("stop",),
            usage=Usage(3, 2),
            response_id="cmpl-1",
            **ANSWER,
        ),
    ),
    "embeddings": Row(
        lambda client: client.embeddings.create(model="m", input=["Hello", "Hi"]),
        document(EMBEDDED),
        Operation(
            "embeddings",
            input=said("user", "Hello", "Hi"),
            usage=Usage(3),
            properties={"count": 2, "dimensions": 3},
            **ANSWER,
        ),
    ),
    "moderation": Row(
        lambda client: client.moderations.create(model="m", input="Hello"),
        document(MODERATED),
        Operation(
            "moderation",
            input=said("user", "Hello"),
            output=said("assistant", Other("moderation", {"flagged": True, "categories": ["violence"]})),
            response_id="modr-1",
            **ANSWER,
        ),
    ),
    "image": Row(
        lambda client: client.images.generate(model="m", prompt="A cat"),
        document(PICTURES),
        Operation(
            "image_generation",
            input=said("user", "A cat"),
            output=said("assistant", Media("image", digest=SOUND_DIGEST, size_bytes=len(SOUND)), "A red cat"),
            request_model="m",
            properties={"size": "1x1"},
        ),
    ),
    "edited image": Row(
        lambda client: client.images.edit(model="m", prompt="A cat", image=("cat.png", SOUND, "image/png")),
        document({"created": 1, "data": [{"url": "https://a.example/cat.png"}]}),
        Operation(
            "image_generation",
            input=said(
                "user",
                "A cat",
                Media(
                    "image",
                    file_id="cat.png",
                    mime_type="image/png",
                    digest=SOUND_DIGEST,
                    size_bytes=len(SOUND),
                ),
            ),
            output=said("assistant", Media("image", uri="https://a.example/cat.png")),
            request_model="m",
        ),
    ),
    "transcription": Row(
        lambda client: client.audio.transcriptions.create(model="m", file=("a.wav", SOUND)),
        document({"text": "Hello", "usage": TOKENS}),
        Operation(
            "transcription",
            input=said("user", Media("audio", file_id="a.wav", digest=SOUND_DIGEST, size_bytes=len(SOUND))),
            output=said("assistant", "Hello"),
            usage=Usage(3, 2),
            request_model="m",
        ),
    ),
    "transcription of an open file": Row(
        lambda client: client.audio.transcriptions.create(model="m", file=io.BytesIO(SOUND)),
        document({"text": "Hello", "usage": {"type": "duration", "seconds": 2}}),
        Operation(
            "transcription",
            input=said("user", Media("audio")),
            output=said("assistant", "Hello"),
            properties={"seconds": 2},
            request_model="m",
        ),
    ),
    "transcription as plain text": Row(
        lambda client: client.audio.transcriptions.create(model="m", file=SOUND, response_format="text"),
        Reply((b"Hello\n",), 200, {"content-type": "text/plain"}),
        Operation(
            "transcription",
            input=said("user", Media("audio", digest=SOUND_DIGEST, size_bytes=len(SOUND))),
            output=said("assistant", "Hello\n"),
            properties={"response_format": "text"},
            request_model="m",
        ),
    ),
    "translation": Row(
        lambda client: client.audio.translations.create(model="m", file=SOUND, prompt="A greeting"),
        document({"text": "Hello"}),
        Operation(
            "translation",
            system_instructions=(Text("A greeting"),),
            input=said("user", Media("audio", digest=SOUND_DIGEST, size_bytes=len(SOUND))),
            output=said("assistant", "Hello"),
            request_model="m",
        ),
    ),
    "speech": Row(
        lambda client: client.audio.speech.create(model="m", input="Hello", voice="alloy"),
        Reply((SOUND[:5], SOUND[5:]), 200, {"content-type": "audio/mpeg"}),
        Operation(
            "speech",
            input=said("user", "Hello"),
            output=said("assistant", Media("audio", digest=SOUND_DIGEST, size_bytes=len(SOUND))),
            properties={"voice": "alloy"},
            request_model="m",
        ),
    ),
}


async def play(row: Row, way: str, server: Server) -> None:
    """Make the call and read its result."""
    if way == "sync":
        with openai.OpenAI(api_key="k", base_url=server.url) as client:
            result = row.call(client)
            if row.finish:
                list(result)
        return
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as async_client:
        result = await row.call(async_client)
        if row.finish:
            _ = [chunk async for chunk in result]


def recorded(spans: Spans) -> Operation:
    """The only operation, without what depends on time or provider."""
    return replace(spans.only(), provider=None, time_to_first_chunk_s=None)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("name", ROWS)
async def test_what_is_recorded(name: str, way: str, spans: Spans) -> None:
    """One operation with what was asked and answered."""
    with Server(ROWS[name].reply) as server:
        await play(ROWS[name], way, server)
    assert recorded(spans) == ROWS[name].expected


@pytest.mark.parametrize("name", ROWS)
async def test_without_content(name: str, spans: Spans) -> None:
    """No word of what was asked or answered is on the span."""
    instrument(spans.tracer, capture_content=False)
    with Server(ROWS[name].reply) as server:
        await play(ROWS[name], "sync", server)
    (span,) = spans.all()
    assert not any(text in span.to_json() for text in ("Hello", "there", "A cat", "A red cat", "greeting"))


@pytest.mark.parametrize(
    "name", ["completion", "embeddings", "moderation", "image", "transcription", "speech"]
)
async def test_a_refused_call(name: str, spans: Spans) -> None:
    """The SDK's exception reaches the application, and the operation failed with it."""
    with Server(document({"error": {"message": "no"}}, 400)) as server, pytest.raises(openai.BadRequestError):
        await play(ROWS[name], "sync", server)
    operation = spans.only()
    assert (operation.ending, operation.failure and operation.failure.type) == ("failed", "BadRequestError")


def test_speech_that_is_streamed_to_the_application(spans: Spans) -> None:
    """Nothing is read before the application reads it; what it left is no whole sound."""
    reply = Reply((SOUND, "hold"), 200, {"content-type": "audio/mpeg"})
    with Server(reply) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        create = client.audio.speech.with_streaming_response.create
        with create(model="m", input="Hello", voice="alloy") as response:
            sound = response.iter_bytes(len(SOUND))
            assert next(sound) == SOUND
            assert not spans.all()
    operation = spans.only()
    assert operation.ending == "abandoned"
    assert operation.output == said("assistant", Media("audio", digest=SOUND_DIGEST, size_bytes=len(SOUND)))


def test_a_picture_in_the_making(spans: Spans) -> None:
    """Of a streamed picture the whole one counts, not the parts before it."""
    part = {"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0}
    whole = {"type": "image_generation.completed", "b64_json": SOUND_BASE64, "usage": TOKENS}
    reply = events([part, whole], b"")
    with Server(reply) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        generate: Any = client.images.generate
        try:
            stream = generate(model="m", prompt="A cat", stream=True)
        except TypeError:
            pytest.skip("this SDK does not stream pictures")
        assert len(list(stream)) == 2
    operation = spans.only()
    assert (operation.ending, operation.usage) == ("completed", Usage(3, 2))
    assert operation.output == said("assistant", Media("image", digest=SOUND_DIGEST, size_bytes=len(SOUND)))


def test_a_transcript_in_the_making(spans: Spans) -> None:
    """A streamed transcript is put together; left early, it is what had come."""
    pieces = [{"type": "transcript.text.delta", "delta": text} for text in ("Hel", "lo")]
    done = {"type": "transcript.text.done", "text": "Hello", "usage": TOKENS}
    replies = (events([*pieces, done], b""), events(pieces[:1], "hold"))
    with Server(*replies) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        create: Any = client.audio.transcriptions.create
        try:
            list(create(model="m", file=SOUND, stream=True))
        except TypeError:
            pytest.skip("this SDK does not stream transcripts")
        with create(model="m", file=SOUND, stream=True) as stream:
            next(iter(stream))
    whole, left = spans.operations()
    assert (whole.ending, whole.output, whole.usage) == ("completed", said("assistant", "Hello"), Usage(3, 2))
    assert (left.ending, left.output) == ("abandoned", said("assistant", "Hel"))


def test_decisions(spans: Spans) -> None:
    """What was judged, the questions, and each answer."""
    body = {
        "object": "decision",
        "model": "m-1",
        "answers": [{"type": "predicate", "name": "polite", "probability": 0.9}],
        "usage": {**TOKENS, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}},
    }
    question = {"type": "predicate", "name": "polite", "question": "Is it polite?"}
    with Server(document(body)) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        if not hasattr(client, "decisions"):
            pytest.skip("this SDK has no decisions")
        decisions: Any = client.decisions
        decisions.create(model="m", input="Hello", questions=[question])
    operation = spans.only()
    assert (operation.name, operation.usage) == ("decision", Usage(3, 2, 0))
    assert operation.input[0] == said("user", "Hello")[0]
    assert operation.input[1].parts == (Other("questions", {"questions": [question]}),)
    assert operation.output[0].parts == (
        Other("answer", {"kind": "predicate", "name": "polite", "probability": 0.9}),
    )
