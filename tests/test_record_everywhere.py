"""What the application's own code records arrives alike in all ways in: one line, an exporter alone, a Collector."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import greenflash_otel as greenflash
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_runtime import start


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
    types = {one.external_id: one.type for one in stored.messages}
    messages = [
        (one.type, one.content, one.input, one.output, types.get(one.parent_external_id or ""))
        for one in sorted(stored.messages, key=lambda one: one.type)
    ]
    return stored.external_user_id, stored.properties, messages


def record_in_one_line(emulator: Emulator) -> str:
    start(emulator)
    id = record()
    assert greenflash.flush(10)
    return id


def record_to_an_exporter(emulator: Emulator) -> str:
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=emulator.base_url, outbox=":memory:"
    )
    id = record()
    assert greenflash.flush(10)
    exporter.shutdown()
    return id


def record_to_a_collector(emulator: Emulator) -> str:
    pipeline = Pipeline(Settings(PRODUCT, api_key="gf_test", base_url=emulator.base_url))
    with (
        Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0, grpc_port=0) as gateway,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gateway.url)
        greenflash.instrument(export="otlp", product_id=PRODUCT)
        id = record()
        greenflash.shutdown()
        assert pipeline.flush(10)
    pipeline.shutdown(5)
    return id


@pytest.mark.parametrize("way", [record_in_one_line, record_to_an_exporter, record_to_a_collector])
def test_everything_arrives(greenflash_emulator: Emulator, way: Callable[[Emulator], str]) -> None:
    """The same messages, parents and properties."""
    user, properties, messages = bodies_of(greenflash_emulator, way(greenflash_emulator))
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
