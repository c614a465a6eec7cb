"""Our instrumentations through OpenTelemetry's tools: alone, and beside `instrument()`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from greenflash_otel import instrumentors
from greenflash_otel.instrumentors import OpenAIInstrumentor
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_process import say

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture
def seen() -> Iterator[InMemorySpanExporter]:
    """What ends up in a provider that somebody else set up and our instrumentor was given."""
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor: Any = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


def test_they_are_found() -> None:
    """Each by its name, which ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` takes."""
    names = {"greenflash-openai": "OpenAIInstrumentor", "greenflash-langchain": "LangChainInstrumentor"}
    for name, loaded in names.items():
        (found,) = entry_points(group="opentelemetry_instrumentor", name=name)
        assert found.load() is getattr(instrumentors, loaded)


@pytest.mark.parametrize(
    ("environment", "captured"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp, greenflash"}, True),
        ({"OTEL_TRACES_EXPORTER": "greenflash", CONTENT: "NO_CONTENT"}, False),
        ({"OTEL_TRACES_EXPORTER": "greenflash", CONTENT: "EVENT_ONLY"}, False),
        ({CONTENT: "span_only"}, True),
        ({CONTENT: "SPAN_AND_EVENT"}, True),
        ({CONTENT: "true"}, True),
        ({CONTENT: "false"}, False),
        ({CONTENT: "false", "GREENFLASH_CAPTURE_CONTENT": "on"}, True),
    ],
)
def test_content(
    environment: dict[str, str],
    captured: bool,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """What was said is on spans where that was asked for, or where they go to Greenflash."""
    for name in ("OTEL_TRACES_EXPORTER", CONTENT, "GREENFLASH_CAPTURE_CONTENT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen: InMemorySpanExporter = request.getfixturevalue("seen")
    say("ho", "hi")
    (span,) = seen.get_finished_spans()
    assert ('"hi"' in str((span.attributes or {})["gen_ai.input.messages"])) is captured


def test_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """It is told, and keeps nobody else from instrumenting."""
    monkeypatch.setenv("GREENFLASH_SAMPLE_RATE", "some")
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        seen: InMemorySpanExporter = request.getfixturevalue("seen")
    say("ho", "hi")
    assert seen.get_finished_spans() == ()
    assert "GREENFLASH_SAMPLE_RATE" in caplog.text


def test_then_instrument(seen: InMemorySpanExporter, greenflash_emulator: Emulator) -> None:
    """The application's own word counts: the call is told once, where it says."""
    greenflash.instrument(api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url)
    with greenflash.conversation("c"):
        say("ho", "hi")
    assert greenflash.flush(10)
    assert [message.content for message in greenflash_emulator.conversation("c").messages] == ["hi", "ho"]
    assert seen.get_finished_spans() == ()


def test_after_instrument(greenflash_emulator: Emulator, request: pytest.FixtureRequest) -> None:
    """It stays as it is."""
    greenflash.instrument(api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url)
    seen: InMemorySpanExporter = request.getfixturevalue("seen")
    with greenflash.conversation("c"):
        say("ho", "hi")
    assert greenflash.flush(10)
    assert len(greenflash_emulator.conversation("c").messages) == 2
    assert seen.get_finished_spans() == ()


PROGRAM = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()  # what the package opentelemetry-distro does
import greenflash_otel as greenflash
from tests.test_process import say
with greenflash.conversation("c", user_id="ada"):
    say("ho", "hi")
    greenflash.record_outcome("upgrade", 9)
"""


def test_without_a_line_of_code(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """``OTEL_TRACES_EXPORTER=greenflash opentelemetry-instrument python …`` is all it takes."""
    environment = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "greenflash",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai",  # that of other packages
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": greenflash_emulator.base_url,
        "GREENFLASH_OUTBOX": str(tmp_path / "outbox"),
    }
    tool = Path(sys.executable).with_name("opentelemetry-instrument")
    done = subprocess.run(
        [tool, sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    stored = greenflash_emulator.conversation("c")
    assert [message.content for message in stored.messages] == ["hi", "ho"]
    assert [outcome.value for outcome in stored.outcomes] == ["9"]
