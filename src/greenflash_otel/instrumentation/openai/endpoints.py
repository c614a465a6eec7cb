"""List the HTTP surfaces of the SDK that carry conversations: one row each. Pure.

A surface says how to read its request and its answer. It also says how to put a streamed answer together into
the form of a whole one. What has no row here is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from greenflash_otel.instrumentation.openai import (
    agents,
    audio,
    chat,
    completions,
    embeddings,
    images,
    moderations,
    responses,
    stored_responses,
)
from greenflash_otel.instrumentation.openai.answer import ModelAnswer
from greenflash_otel.instrumentation.openai.body import Assembly, Decode, JsonBody, ResponseBody
from greenflash_otel.instrumentation.openai.chat_stream import ChatAssembly
from greenflash_otel.instrumentation.openai.other_bodies import BytesBody, TextBody
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.instrumentation.openai.responses_stream import ResponseAssembly
from greenflash_otel.json_values import JsonObject
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    COMPACT,
    DECISION,
    DELETE_ITEMS,
    EMBEDDINGS,
    FETCH,
    Operation,
)

Listen = Callable[[int, "Decode | None"], ResponseBody]
"""Makes what takes in an answer's bytes, for so many choices, of this content encoding."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One HTTP surface."""

    method: str
    path: str
    """How the path of its URL ends, ``*`` for an id; what precedes it depends on the provider."""
    operation: str
    """``gen_ai.operation.name`` of what it does."""
    read_request: Callable[[CallRequest, Operation], Operation]
    read_answer: Callable[[JsonObject], ModelAnswer]
    listen: Listen


def make_body(assembly: Callable[[int], Assembly]) -> Listen:
    """Make the body of JSON that comes whole, or as server-sent events that ``assembly`` puts together."""
    return lambda choice_count, decode: JsonBody(assembly(choice_count), decode)


CHAT = make_body(ChatAssembly)
TEXT = make_body(completions.CompletionAssembly)
RESPONSE = make_body(ResponseAssembly)
WHOLE = make_body(embeddings.WholeAssembly)
IMAGE = make_body(images.ImageAssembly)


def make_transcript_body(choice_count: int, decode: Decode | None) -> ResponseBody:
    """Make the body of a transcript: JSON, events, or plain text."""
    return TextBody(JsonBody(audio.TextAssembly(choice_count)), decode)


SURFACES: tuple[Surface, ...] = (
    Surface("post", "/chat/completions", "chat", chat.read_request, chat.read_answer, CHAT),
    Surface(
        "post", "/completions", "text_completion", completions.read_request, completions.read_answer, TEXT
    ),
    Surface("post", "/embeddings", EMBEDDINGS, embeddings.read_request, embeddings.read_answer, WHOLE),
    Surface(
        "post",
        "/moderations",
        "moderation",
        moderations.read_moderation_request,
        moderations.read_moderation,
        WHOLE,
    ),
    Surface(
        "post", "/decisions", DECISION, moderations.read_decision_request, moderations.read_decision, WHOLE
    ),
    Surface(
        "post", "/images/generations", "image_generation", images.read_request, images.read_answer, IMAGE
    ),
    Surface("post", "/images/edits", "image_generation", images.read_request, images.read_answer, IMAGE),
    Surface("post", "/images/variations", "image_generation", images.read_request, images.read_answer, IMAGE),
    Surface(
        "post",
        "/audio/transcriptions",
        "transcription",
        audio.read_transcription_request,
        audio.read_text,
        make_transcript_body,
    ),
    Surface(
        "post",
        "/audio/translations",
        "translation",
        audio.read_transcription_request,
        audio.read_text,
        make_transcript_body,
    ),
    Surface("post", "/audio/speech", "speech", audio.read_speech_request, audio.read_speech, BytesBody),
    Surface("post", "/agents/sessions", "chat", agents.read_create, agents.read_session, agents.AgentBody),
    Surface(
        "post", "/agents/sessions/*/events", ADD_ITEMS, agents.read_input, agents.read_nothing, BytesBody
    ),
    Surface(
        "get",
        "/agents/sessions/*/events",
        "chat",
        agents.read_listening,
        agents.read_nothing,
        agents.AgentBody,
    ),
    Surface("post", "/responses", "chat", responses.read_request, responses.read_answer, RESPONSE),
    Surface(
        "post",
        "/responses/compact",
        COMPACT,
        stored_responses.read_compact,
        stored_responses.read_compacted,
        RESPONSE,
    ),
    Surface(
        "post",
        "/responses/*/cancel",
        FETCH,
        stored_responses.read_fetch,
        stored_responses.read_fetched,
        RESPONSE,
    ),
    Surface(
        "get", "/responses/*", FETCH, stored_responses.read_fetch, stored_responses.read_fetched, RESPONSE
    ),
    Surface(
        "delete",
        "/responses/*",
        DELETE_ITEMS,
        stored_responses.read_delete,
        stored_responses.read_deleted,
        RESPONSE,
    ),
    Surface(
        "post", "/conversations", ADD_ITEMS, stored_responses.read_add, stored_responses.read_added, RESPONSE
    ),
    Surface(
        "post",
        "/conversations/*/items",
        ADD_ITEMS,
        stored_responses.read_add,
        stored_responses.read_added,
        RESPONSE,
    ),
    Surface(
        "delete",
        "/conversations/*/items/*",
        DELETE_ITEMS,
        stored_responses.read_delete,
        stored_responses.read_deleted,
        RESPONSE,
    ),
)
"""In the order they are asked: of two whose paths fit, the longer one first."""


@lru_cache(maxsize=256)
def surface_of(method: str, url: str) -> tuple[Surface, tuple[str, ...]] | None:
    """Find the surface that a request goes to, and the ids in its path; None for one that we leave alone."""
    path = url.partition("?")[0].rstrip("/").split("/")
    for surface in SURFACES:
        if (
            surface.method == method.lower()
            and (ids := _match_ids(path, surface.path.split("/")[1:])) is not None
        ):
            return surface, ids
    return None


def _match_ids(path: Sequence[str], pattern: Sequence[str]) -> tuple[str, ...] | None:
    """Return what the end of ``path`` has for each ``*`` of ``pattern``; None if they do not fit."""
    end = path[-len(pattern) :]
    if len(end) < len(pattern):
        return None
    pairs = list(zip(end, pattern, strict=True))
    if any(want not in ("*", have) for have, want in pairs):
        return None
    return tuple(have for have, want in pairs if want == "*")
