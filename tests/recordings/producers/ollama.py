"""Ollama's client, with tools by hand. Its calls have no ids."""

from __future__ import annotations

from typing import Any

from ollama import Client

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openllmetry": (
        "opentelemetry-instrumentation-ollama",
        "opentelemetry.instrumentation.ollama",
        "OllamaInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, True


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = Client(host=address)
    function = {"name": talk.TOOL, "description": talk.DESCRIPTION, "parameters": talk.SCHEMA}
    said: list[Any] = [{"role": "system", "content": talk.SYSTEM}]

    def ask(*messages: Any) -> None:
        said.extend(messages)
        answer = client.chat(
            model="llama4", messages=said, tools=[{"type": "function", "function": function}]
        )
        said.append(answer.message.model_dump(exclude_none=True))

    ask({"role": "user", "content": talk.QUESTION})
    ask(*({"role": "tool", "tool_name": talk.TOOL, "content": text} for text in talk.RESULTS.values()))
    ask({"role": "user", "content": talk.THANKS})
