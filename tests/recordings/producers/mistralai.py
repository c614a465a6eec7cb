"""Mistral's client, with tools by hand."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-mistralai",
        "openinference.instrumentation.mistralai",
        "MistralAIInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, False


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = Mistral(api_key="k", server_url=address)
    function = {"name": talk.TOOL, "description": talk.DESCRIPTION, "parameters": talk.SCHEMA}
    tool = {"type": "function", "function": function}
    said: list[Any] = [{"role": "system", "content": talk.SYSTEM}]

    def ask(*messages: Any) -> None:
        said.extend(messages)
        answer = client.chat.complete(model="mistral-large-latest", messages=said, tools=[tool])
        said.append(answer.choices[0].message.model_dump(exclude_none=True))

    ask({"role": "user", "content": talk.QUESTION})
    ask(
        *(
            {"role": "tool", "tool_call_id": id, "name": talk.TOOL, "content": text}
            for id, text in talk.RESULTS.items()
        )
    )
    ask({"role": "user", "content": talk.THANKS})
