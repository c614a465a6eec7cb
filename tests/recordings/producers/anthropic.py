"""Anthropic's client, with tools by hand."""

from __future__ import annotations

from typing import Any

from anthropic import Anthropic

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openllmetry": (
        "opentelemetry-instrumentation-anthropic",
        "opentelemetry.instrumentation.anthropic",
        "AnthropicInstrumentor",
    ),
    "openinference": (
        "openinference-instrumentation-anthropic",
        "openinference.instrumentation.anthropic",
        "AnthropicInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, True


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = Anthropic(api_key="k", base_url=address)
    tool = {"name": talk.TOOL, "description": talk.DESCRIPTION, "input_schema": talk.SCHEMA}
    said: list[Any] = []

    def ask(content: Any) -> None:
        said.append({"role": "user", "content": content})
        answer = client.messages.create(
            model="claude-sonnet-5", max_tokens=2048, system=talk.SYSTEM, messages=said, tools=[tool]
        )
        said.append(
            {
                "role": "assistant",
                "content": [block.model_dump(exclude_none=True) for block in answer.content],
            }
        )

    ask(talk.QUESTION)
    ask(
        [
            {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": text == talk.FAILED}
            for id, text in talk.RESULTS.items()
        ]
    )
    ask(talk.THANKS)
