"""`step`: hidden steps of the application's own code, from the call to Greenflash."""

from __future__ import annotations

from typing import Any, get_args

import openai
import pytest
from langchain_core.documents import Document

import greenflash_otel as greenflash
from greenflash_otel import record_steps
from greenflash_otel.emulator.stored import StoredMessage
from greenflash_otel.testing import Emulator
from tests.chat import completion
from tests.instrumentation.openai.http import http
from tests.test_runtime import chat, start


def client_answering(*bodies: dict[str, Any]) -> openai.OpenAI:
    """A client that is answered with these bodies, one per call."""
    answers = iter(bodies)
    transport = http.Client(transport=http.MockTransport(lambda _: http.Response(200, json=next(answers))))
    return openai.OpenAI(api_key="sk-test", http_client=transport, max_retries=0)


def messages_of(emulator: Emulator, id: str = "c") -> list[StoredMessage]:
    assert greenflash.flush(10)
    return list(emulator.conversation(id).messages)


def bodies_of(emulator: Emulator) -> dict[str, dict[str, Any]]:
    """The messages as they were sent, by their ids."""
    assert greenflash.flush(10)
    return {
        message["externalMessageId"]: message
        for request in emulator.requests()
        if request.path == "/messages"
        for message in request.body["messages"]
    }


def by_type(emulator: Emulator, type: str) -> list[dict[str, Any]]:
    return [body for body in bodies_of(emulator).values() if body["messageType"] == type]


def test_a_retrieval_is_the_context_of_the_answer(greenflash_emulator: Emulator) -> None:
    """It hangs on the question it was made for, also if it ran before the question was asked."""
    start(greenflash_emulator)
    documents = [
        Document("Within 30 days.", metadata={"page": 2}),
        "In any shop.",
        {"text": "Free of charge."},
    ]
    with greenflash.conversation("c"):
        with greenflash.step("retrieval", query="returns", properties={"index": "faq"}) as step:
            step.output(documents)
        chat(["Yes."], ["May I return my bike?"])
    assert [message.type for message in messages_of(greenflash_emulator)] == [
        "user_message",
        "retrieval",
        "assistant_message",
    ]
    question, retrieval, answer = bodies_of(greenflash_emulator).values()
    assert retrieval["parentExternalMessageId"] == question["externalMessageId"]
    assert retrieval["input"] == {"query": "returns"}
    assert retrieval["output"]["documents"][0] == {"content": "Within 30 days.", "metadata": {"page": 2}}
    assert retrieval["properties"]["index"] == "faq"
    assert answer["context"].startswith("Within 30 days.\n\nIn any shop.")


@pytest.mark.parametrize("type", get_args(record_steps.StepType))
def test_every_type_arrives_as_what_it_is(greenflash_emulator: Emulator, type: Any) -> None:
    """A chain has a start and an end, a tool call a result; the input and the output are objects."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        chat(["Yes."], ["May I?"])
        with greenflash.step(type, name="look", input={"a": 1}) as step:
            step.output({"b": 2})
    sent = [body for body in bodies_of(greenflash_emulator).values() if "content" not in body]
    wanted = {"chain": ["chain_start", "chain_end"], "tool_call": ["tool_call", "observation"]}
    assert [message["messageType"] for message in sent] == wanted.get(type, [type])
    assert sent[0]["input"].items() >= {"a": 1}.items()
    output = sent[-1]["output"]
    assert output == {"b": 2} or output == {"documents": [{"b": 2}]}


def test_an_error_is_recorded_and_passes(greenflash_emulator: Emulator) -> None:
    """A tool that fails is a tool error; the exception is the application's own."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        chat(["Yes."], ["May I?"])
        with pytest.raises(KeyError), greenflash.step("tool_call", name="look", input={"a": 1}):
            raise KeyError("b")
        with pytest.raises(ValueError, match="no memory"), greenflash.step("memory_read", query="ada"):
            raise ValueError("no memory")
    [failed] = by_type(greenflash_emulator, "tool_error")
    assert (failed["toolName"], failed["output"]["error"]["type"]) == ("look", "KeyError")
    [read] = by_type(greenflash_emulator, "memory_read")
    assert read["output"]["error"] == {"type": "ValueError", "message": "no memory"}


def test_steps_in_a_chain_hang_on_it(greenflash_emulator: Emulator) -> None:
    """Also a chain in a chain."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        with (
            greenflash.step("workflow", name="support"),
            greenflash.step("chain", name="search"),
            greenflash.step("retrieval", query="returns") as step,
        ):
            step.output("Within 30 days.")
        chat(["Yes."], ["May I return my bike?"])
    [workflow], [chain] = (
        by_type(greenflash_emulator, "workflow"),
        by_type(greenflash_emulator, "chain_start"),
    )
    [retrieval], [end] = by_type(greenflash_emulator, "retrieval"), by_type(greenflash_emulator, "chain_end")
    assert chain["parentExternalMessageId"] == workflow["externalMessageId"]
    assert retrieval["parentExternalMessageId"] == chain["externalMessageId"]
    assert end["parentExternalMessageId"] == chain["externalMessageId"]
    assert [message.type for message in messages_of(greenflash_emulator)] == [
        "user_message",
        "workflow",
        "chain_start",
        "retrieval",
        "chain_end",
        "assistant_message",
    ]


def test_the_result_of_a_tool_that_a_model_asked_for(greenflash_emulator: Emulator) -> None:
    """With the id of the call it belongs to that call; model calls in the tool are hidden."""
    start(greenflash_emulator)
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": "x"}'}}
    asking = completion("", "m")
    asking["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    asking["choices"][0]["finish_reason"] = "tool_calls"
    client = client_answering(asking, completion("x is 1", "m"), completion("It is 1.", "m"))
    history: list[Any] = [{"role": "user", "content": "What is x?"}]
    with greenflash.conversation("c"):
        client.chat.completions.create(model="m", messages=history)
        with greenflash.step("tool_call", name="look", call_id="call_1", input={"q": "x"}) as step:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Find x"}])
            step.output("1")
        history += [
            asking["choices"][0]["message"],
            {"role": "tool", "tool_call_id": "call_1", "content": "1"},
        ]
        client.chat.completions.create(model="m", messages=history)
    types = [message.type for message in messages_of(greenflash_emulator)]
    assert sorted(types) == sorted(["user_message", "tool_call", "llm", "observation", "final_response"])
    [called], [hidden] = by_type(greenflash_emulator, "tool_call"), by_type(greenflash_emulator, "llm")
    assert hidden["parentExternalMessageId"] == called["externalMessageId"]


async def test_async_blocks_and_decorators(greenflash_emulator: Emulator) -> None:
    """A decorated function keeps its signature; its argument and its result are recorded."""
    start(greenflash_emulator)

    @greenflash.step("retrieval")
    def search(query: str) -> list[str]:
        return [f"about {query}"]

    @greenflash.step("tool_call", name="weather")
    async def look(city: str, *, days: int = 1) -> str:
        return f"sun in {city}"

    async with greenflash.conversation("c"):
        assert search("returns") == ["about returns"]
        chat(["Yes."], ["May I?"])
        assert await look("Rome", days=2) == "sun in Rome"
        async with greenflash.step("embedding", query="returns", model="small") as step:
            step.output({"count": 3})
    [found], [called] = by_type(greenflash_emulator, "retrieval"), by_type(greenflash_emulator, "tool_call")
    assert (found["input"], found["output"]) == (
        {"query": "returns"},
        {"documents": [{"content": "about returns"}]},
    )
    assert called["input"] == {"city": "Rome", "days": 2}
    [embedded] = by_type(greenflash_emulator, "embedding")
    assert (embedded["model"], embedded["output"]) == ("small", {"count": 3})


def test_what_must_not_be_recorded_is_not(greenflash_emulator: Emulator) -> None:
    """`redact` applies, and with ``capture_content=False`` no text is recorded."""
    start(greenflash_emulator, redact=lambda text, path: text.replace("secret", "…"))
    with greenflash.conversation("c"), greenflash.step("tool_call", name="t", input={"a": "secret"}) as step:
        step.output("a secret")
    assert "secret" not in str(bodies_of(greenflash_emulator))
    greenflash.shutdown()
    start(greenflash_emulator, capture_content=False)
    with greenflash.conversation("d"):
        with greenflash.step("task", name="secret", query="secret") as step:
            step.output("a secret")
        with pytest.raises(ValueError), greenflash.step("callback"):
            raise ValueError("secret")
    assert [message.type for message in messages_of(greenflash_emulator, "d")] == ["task", "callback"]
    assert "secret" not in str(bodies_of(greenflash_emulator))


def test_bad_arguments_are_repaired_or_an_error(
    greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Their originals are in the properties; the code in the block runs."""
    start(greenflash_emulator)
    bad: Any = 7
    with greenflash.conversation("c"), greenflash.step(bad, name=bad, properties=bad) as step:
        step.output(object())
    [task] = by_type(greenflash_emulator, "task")
    assert set(task["properties"]["greenflash_original"]) == {"type", "name", "properties"}
    assert [record.message.startswith("step() repaired") for record in caplog.records] == [True]
    with pytest.raises(greenflash.InvalidStepError, match="type"):
        greenflash.step(bad, strict=True)


def test_a_step_that_runs_when_the_process_ends_is_recorded(greenflash_emulator: Emulator) -> None:
    """As far as it came; its block then ends as usual."""
    start(greenflash_emulator)
    with greenflash.conversation("c"), greenflash.step("task", name="import") as step:
        step.output({"rows": 3})
        greenflash.shutdown()
    [task] = by_type(greenflash_emulator, "task")
    assert (task["output"], task["properties"]["ending"]) == ({"rows": 3}, "abandoned")


def test_without_instrument_nothing_happens() -> None:
    """The code runs."""
    with greenflash.step("retrieval", query="x") as step:
        step.output(["y"])
