"""What the application's own code records arrives alike in all ways in: one line, an exporter alone, a Collector."""

from __future__ import annotations

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.ways_in import WAYS, Way


def record() -> str:
    """Record some of everything; return the id of the conversation."""
    with greenflash.conversation(user_id="ada") as chat:
        id = chat.conversation_id
        chat.set_properties(channel="web")
        greenflash.record_message("user", "May I return it?")
        with greenflash.step("chain", name="answer"), greenflash.step("retrieval", query="returns") as step:
            step.output(["Within 30 days."])
        with greenflash.step("tool_call", name="look", input={"q": 1}) as step:
            step.output({"a": 2})
        with pytest.raises(KeyError), greenflash.step("callback", name="after", input={"q": 1}):
            raise KeyError("k")
        greenflash.record_message("assistant", "Yes.", properties={"author": "Bea"})
        chat.set_properties(topic="returns")
    return id


def bodies_of(emulator: Emulator, id: str) -> tuple[object, ...]:
    """What is there of a conversation, but for ids and times, sorted by type."""
    stored = emulator.conversation(id)
    types = {message.external_id: message.type for message in stored.messages}
    messages = [
        (entry.type, entry.content, entry.input, entry.output, types.get(entry.parent_external_id or ""))
        for entry in sorted(stored.messages, key=lambda message: message.type)
    ]
    return stored.external_user_id, stored.properties, messages


@WAYS
def test_everything_arrives(greenflash_emulator: Emulator, way: Way) -> None:
    """The same messages, parents and properties."""
    ids: list[str] = []
    way(greenflash_emulator, lambda: ids.append(record()))
    user, properties, messages = bodies_of(greenflash_emulator, ids[0])
    assert (user, properties) == ("ada", {"channel": "web", "topic": "returns"})
    failed = {"error": {"type": "KeyError", "message": "'k'"}}
    assert messages == [
        ("assistant_message", "Yes.", None, None, "user_message"),
        ("callback", None, {"q": 1}, failed, "user_message"),
        ("chain_end", None, None, {}, "chain_start"),
        ("chain_start", None, {"name": "answer"}, None, "user_message"),
        ("observation", None, None, {"a": 2}, "tool_call"),
        (
            "retrieval",
            None,
            {"query": "returns"},
            {"documents": [{"content": "Within 30 days."}]},
            "chain_start",
        ),
        ("tool_call", None, {"q": 1}, None, "user_message"),
        ("user_message", "May I return it?", None, None, None),
    ]
