"""An answer in the background that is polled while it is in progress, from a server that only reports its status."""

from __future__ import annotations

import openai
import pytest

import greenflash_otel as greenflash
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import message_item, response
from tests.instrumentation.openai.spans import Spans

STATUSES = ("queued", "in_progress", "in_progress")


@pytest.mark.parametrize("fetch", ["retrieve", "cancel"])
def test_the_answer_is_recorded_when_it_is_there(spans: Spans, fetch: str) -> None:
    """A response is fetched while it is in progress only if it is made in the background."""
    done = response("completed", [message_item()])
    bodies = iter([*map(response, STATUSES), done, done])
    transport = http.MockTransport(lambda request: http.Response(200, json=next(bodies)))
    responses = openai.OpenAI(api_key="sk-test", http_client=http.Client(transport=transport)).responses
    with greenflash.conversation("T"):
        id = responses.create(model="m", input="Write a poem.", background=True).id
        for _ in STATUSES[1:]:
            responses.retrieve(id)
        getattr(responses, fetch)(id)
        responses.retrieve(id)
    [items] = spans.conversations().values()
    assert [item.type for item in items] == ["user_message", "assistant_message"]
