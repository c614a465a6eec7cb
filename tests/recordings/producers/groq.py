"""Groq's client, with tools by hand."""

from __future__ import annotations

from typing import Any

from groq import Groq

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openllmetry": (
        "opentelemetry-instrumentation-groq",
        "opentelemetry.instrumentation.groq",
        "GroqInstrumentor",
    ),
    "openinference": (
        "openinference-instrumentation-groq",
        "openinference.instrumentation.groq",
        "GroqInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, False


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = Groq(api_key="k", base_url=address)
    function = {"name": talk.TOOL, "description": talk.DESCRIPTION, "parameters": talk.SCHEMA}
    tool = {"type": "function", "function": function}
    said: list[Any] = [{"role": "system", "content": talk.SYSTEM}]

    def ask(*messages: Any) -> None:
        said.extend(messages)
        answer = client.chat.completions.create(model="llama-4", messages=said, tools=[tool])
        said.append(answer.choices[0].message.model_dump(exclude_none=True))

    ask({"role": "user", "content": talk.QUESTION})
    ask(*({"role": "tool", "tool_call_id": id, "content": text} for id, text in talk.RESULTS.items()))
    ask({"role": "user", "content": talk.THANKS})
