"""A new endpoint of OpenAI is one row, whatever its operation is called."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

import greenflash_otel as greenflash
from greenflash_otel.instrumentation.openai import endpoints, images
from greenflash_otel.instrumentation.openai.endpoints import WHOLE, Surface, surface_of
from tests.instrumentation.openai.server import Server, document
from tests.instrumentation.openai.spans import Spans

VIDEOS = Surface("post", "/videos", "video_generation", images.read_request, images.read_answer, WHOLE)
"""The name of the operation occurs nowhere in the package."""
CHAT = {
    "id": "c-1",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Here."}, "finish_reason": "stop"}],
}


@pytest.fixture
def _has_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Add the row for the time of a test."""
    monkeypatch.setattr(endpoints, "SURFACES", (VIDEOS, *endpoints.SURFACES))
    surface_of.cache_clear()
    yield
    surface_of.cache_clear()


@pytest.mark.usefixtures("_has_row", "no_faults")
def test_its_operation_becomes_a_hidden_step(spans: Spans) -> None:
    """It hangs on the question it was made for, and says what it is called."""
    replies = document({"data": [{"url": "https://example.org/cat.mp4"}]}), document(CHAT)
    with (
        Server(*replies) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
        greenflash.conversation("chat-42"),
    ):
        client.post("/videos", body={"model": "m", "prompt": "A cat"}, cast_to=object)
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "A cat"}])
    question, step, answer = spans.conversations()["chat-42"]
    assert [item.type for item in (question, step, answer)] == ["user_message", "llm", "assistant_message"]
    assert (step.parent_id, (step.properties or {})["operation"]) == (question.id, "video_generation")
