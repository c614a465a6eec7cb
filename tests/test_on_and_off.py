"""On and off: by a setting, by what is not set, and what is printed for a person who develops."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the application's own provider, which is the global one, is given."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def use_everything() -> None:
    """Call all that an application may call."""
    with greenflash.conversation("chat-1", user_id="ada") as chat_1:
        chat_1.set_properties(channel="web")
        chat(["Hello."], ["Hi"])
        with greenflash.step("retrieval", query="returns") as step, greenflash.prompt("support"):
            step.output(["Within 30 days."])
        greenflash.record_message("assistant", "This is Bea.")
        assert greenflash.record_outcome("upgrade").conversation_id == "chat-1"
        greenflash.record_rating(True)
        greenflash.identify_user(name="Ada")
        greenflash.identify_organization("acme")
        assert chat_1.conversation_id == "chat-1"
    assert greenflash.lookup("chat-1") is None
    assert greenflash.flush(1)


@pytest.mark.parametrize(
    "settings",
    [{"GREENFLASH_ENABLED": "false", "GREENFLASH_API_KEY": "gf_test", "GREENFLASH_PRODUCT_ID": PRODUCT}, {}],
)
def test_off(
    greenflash_emulator: Emulator,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, str],
) -> None:
    """Nothing is captured, sent or made a span of; every function works. One line says so."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    greenflash.instrument()
    use_everything()
    run_with_handler()
    greenflash.shutdown()
    assert list(greenflash_emulator.requests()) == []
    assert spans.get_finished_spans() == ()
    [line] = [record for record in caplog.records if "captures nothing" in record.message]
    assert line.levelno == (logging.INFO if settings else logging.WARNING)
    assert greenflash.stats().accepted == 0


def run_with_handler() -> None:
    """A chain with the handler, which finds that everything is off."""
    RunnableLambda(str.upper).invoke("hello", {"callbacks": [GreenflashCallbackHandler()]})


def test_an_exporter_that_is_off(spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture) -> None:
    """It takes spans, keeps none, and is not the process's."""
    exporter = greenflash.GreenflashSpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("other").start_span("chat m", attributes={"gen_ai.operation.name": "chat"})
    span.end()
    assert exporter.force_flush(1000)
    assert exporter.stats().accepted == 0
    exporter.shutdown()
    assert caplog.text.count("captures nothing") == 1


def test_a_key_without_a_product() -> None:
    """That is a mistake: the conversations would belong nowhere."""
    with pytest.raises(greenflash.ConfigurationError, match="product_id is missing"):
        greenflash.instrument(api_key="gf_test")
    with pytest.raises(greenflash.ConfigurationError, match="product_id is missing"):
        greenflash.GreenflashSpanExporter(api_key="gf_test")


def test_a_product_without_a_key(caplog: pytest.LogCaptureFixture) -> None:
    """What is captured waits in the outbox."""
    greenflash.instrument(product_id=PRODUCT, outbox=":memory:")
    with greenflash.conversation("chat-1"):
        chat(["Hello."], ["Hi"])
    assert not greenflash.flush(5)
    assert greenflash.stats().pending == 2
    assert "there is no GREENFLASH_API_KEY" in caplog.text


def test_printing(greenflash_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each message and each outcome, redacted as it is sent."""
    secret: Any = lambda text, path: text.replace("4111", "…")  # noqa: E731
    start(greenflash_emulator, outbox=":memory:", print=True, redact=secret)
    with greenflash.conversation("chat-1"):
        chat(["Hello\nthere."], ["My card is 4111 " + "x" * 300])
        with greenflash.step("tool_call", name="look", input={"q": 1}) as step:
            step.output("found")
        greenflash.record_outcome("upgrade", "149.00")
        greenflash.record_rating(True)
    assert greenflash.flush(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("greenflash: chat-1  user_message  My card is … xxx")
    assert lines[0].endswith(" …")
    assert "greenflash: chat-1  assistant_message  Hello there." in lines
    assert "greenflash: chat-1  outcome  upgrade = 149.00" in lines
    assert any(line.startswith("greenflash: chat-1  rating  {") for line in lines)
    assert "4111" not in "".join(lines)
