"""Frameworks on the OpenAI SDK, as they are released; installed for `make test-newest`, elsewhere skipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import completion
from tests.instrumentation.openai.http import http

pytest_plugins = ["greenflash_otel.testing.plugin"]


def client_of(answer: Callable[[Any], Any]) -> openai.AsyncOpenAI:
    """A client whose server is a function of the request's body."""

    def respond(request: Any) -> Any:
        return http.Response(200, json=answer(json.loads(request.content)))

    transport = http.AsyncClient(transport=http.MockTransport(respond))
    return openai.AsyncOpenAI(api_key="sk-test", http_client=transport, max_retries=0)


def calling(name: str, arguments: Any) -> dict[str, Any]:
    """A chat completion that asks for a tool."""
    whole = completion("", "gpt-4o")
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_1", "type": "function", "function": function}
    whole["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    return whole


async def test_an_agent_as_a_tool_of_the_agents_sdk(greenflash_emulator: Emulator) -> None:
    """openai-agents: what the agents say to each other is below the call."""
    agents = pytest.importorskip("agents", reason="openai-agents is not installed; make test-newest has it")

    def answer(body: Any) -> Any:
        if body["messages"][0]["content"] == "EXPERT":
            return completion("The policy is 30 days.", "gpt-4o")
        if body["messages"][-1]["role"] == "user":
            return calling("ask_expert", {"input": "What is the policy?"})
        return completion("You get it back.", "gpt-4o")

    greenflash.instrument(
        base_url=greenflash_emulator.base_url,
        api_key="gf_test",
        product_id="00000000-0000-0000-0000-000000000000",
    )
    agents.set_tracing_disabled(True)
    model = agents.OpenAIChatCompletionsModel("gpt-4o", client_of(answer))
    expert = agents.Agent(name="expert", instructions="EXPERT", model=model)
    tools = [expert.as_tool("ask_expert", "Ask.")]
    desk = agents.Agent(name="desk", instructions="DESK", model=model, tools=tools)
    with greenflash.conversation("T"):
        await agents.Runner.run(desk, "I want my money back")
    greenflash.flush(10)
    items = greenflash_emulator.conversation("T").messages
    assert [item.content for item in items if item.content] == ["I want my money back", "You get it back."]
