"""The HTTP surfaces of the SDK that carry conversations: one row each. Pure.

A surface says how to read its request and its answer, and how to put a streamed answer together into
the form of a whole one. What has no row here is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from greenflash_otel.instrumentation.openai import chat, responses
from greenflash_otel.instrumentation.openai.answer import Answer
from greenflash_otel.instrumentation.openai.body import Assembly
from greenflash_otel.instrumentation.openai.chat_stream import ChatAssembly
from greenflash_otel.instrumentation.openai.plain import JsonObject
from greenflash_otel.instrumentation.openai.responses_stream import ResponseAssembly
from greenflash_otel.operations import Operation


@dataclass(frozen=True, slots=True)
class Surface:
    """One HTTP surface."""

    method: str
    path: str
    """How the path of its URL ends; what stands before depends on the provider."""
    read_request: Callable[[JsonObject, Operation], Operation]
    read_answer: Callable[[JsonObject], Answer]
    assemble: Callable[[int], Assembly]
    """Makes an empty assembly for a streamed answer with so many choices."""


SURFACES: tuple[Surface, ...] = (
    Surface("post", "/chat/completions", chat.read_request, chat.read_answer, ChatAssembly),
    Surface("post", "/responses", responses.read_request, responses.read_answer, ResponseAssembly),
)


def surface_of(method: str, url: str) -> Surface | None:
    """The surface that a request goes to; None for any that we leave alone."""
    path = url.partition("?")[0].rstrip("/")
    for surface in SURFACES:
        if path.endswith(surface.path) and method.lower() == surface.method:
            return surface
    return None
