"""An OpenAI client whose server is a function: each call is answered with the next of some texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import openai

from tests.instrumentation.openai.http import http


def client_saying(texts: Iterable[str]) -> openai.OpenAI:
    """A client that is answered with ``texts``, one per call."""
    answers = iter(texts)

    def answer(request: Any) -> Any:
        return http.Response(200, json=completion(next(answers), json.loads(request.content)["model"]))

    transport = http.Client(transport=http.MockTransport(answer))
    return openai.OpenAI(api_key="sk-test", http_client=transport, max_retries=0)


def completion(text: str, model: str) -> dict[str, Any]:
    """A chat completion as the API answers it."""
    return {
        "id": f"chatcmpl-{abs(hash(text))}",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
