"""Calls without ids, as of OpenAI's old functions: a result hangs on the call of its name before it."""

from __future__ import annotations

from greenflash_otel.model.operation import Message, Operation, Text, ToolCall, ToolCallResponse
from tests.conversations.chats import named, told

ASKED = Message("user", (Text("Weather?"),))
SAID = Message("assistant", (Text("Mild everywhere."),))


def call(city: str, name: str = "weather") -> Message:
    """A call without an id."""
    return Message("assistant", (ToolCall(name, {"city": city}),))


def result(text: str, name: str = "weather") -> Message:
    """A result that has nothing but the name of its function."""
    return Message("function", (Text(text),), name=name)


def test_each_result_hangs_on_its_call() -> None:
    """The same function is called twice, another in between."""
    history = [ASKED]
    operations = []
    for asks, found in (
        (call("Oslo"), result("sunny")),
        (call("Bergen", "rain"), result("much", "rain")),
        (call("Bodø"), Message("tool", (ToolCallResponse("windy"),), name="weather")),
    ):
        operations.append(Operation("chat", input=tuple(history), output=(asks,)))
        history += [asks, found]
    items = told(named([*operations, Operation("chat", input=tuple(history), output=(SAID,))]))
    parents = {item.id: item for item in items}
    results = [item for item in items if item.type == "observation"]
    asked = [(parents[item.parent_id or ""].input or {}).get("city") for item in results]
    assert [(item.output or {})["result"] for item in results] == ["sunny", "much", "windy"]
    assert asked == ["Oslo", "Bergen", "Bodø"]
