"""Environment, release and named metadata become properties; what no setting names does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.test_message_properties import properties_of
from tests.test_runtime import chat, start
from tests.ways_in import WAYS, Way

EVERYWHERE = {"environment": "production", "release": "1.2"}


def assert_said_everywhere(emulator: Emulator, properties: dict[str, Any]) -> None:
    """Conversation, message and outcome say it."""
    stored = emulator.conversation("c")
    assert stored.properties == {"plan": "free", **properties}
    assert properties_of(emulator, "c", "environment", "release") == {"Hi": properties}
    assert [one.properties for one in stored.outcomes] == [{"seats": 5, **properties}]


def record() -> None:
    """A conversation with a message and an outcome."""
    with greenflash.conversation("c", properties={"plan": "free"}):
        greenflash.record_message("user", "Hi")
        greenflash.record_outcome("upgrade", properties={"seats": 5})


@WAYS
def test_the_settings_are_on_everything(
    greenflash_emulator: Emulator, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By environment variable: in a gateway's process the same."""
    monkeypatch.setenv("GREENFLASH_ENVIRONMENT", "production")
    monkeypatch.setenv("GREENFLASH_RELEASE", "1.2")
    way(greenflash_emulator, record)
    stored = greenflash_emulator.conversation("c")
    assert stored.properties == {"plan": "free", **EVERYWHERE}
    assert properties_of(greenflash_emulator, "c", "environment", "release") == {"Hi": EVERYWHERE}


@pytest.mark.parametrize("own_provider", [False, True])
def test_the_resource_says_it_where_no_setting_does(
    greenflash_emulator: Emulator, own_provider: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the environment, and that of a provider of the application."""
    said = {"deployment.environment.name": "production", "service.version": "1.2"}
    more: dict[str, Any] = {}
    if own_provider:
        more["tracer_provider"] = TracerProvider(resource=Resource(said))
    else:
        text = ",".join(f"{name}={value}" for name, value in said.items())
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", text)
    pipeline = start(greenflash_emulator, **more)
    record()
    assert pipeline.flush(10)
    assert_said_everywhere(greenflash_emulator, EVERYWHERE)


def test_a_setting_counts_before_the_resource(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the conversation says itself before both."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging,service.version=1.2")
    pipeline = start(greenflash_emulator, environment="production")
    record()
    with greenflash.conversation("own", properties={"release": "mine"}):
        chat(["Hello."], ["Hi"])
    assert pipeline.flush(10)
    assert_said_everywhere(greenflash_emulator, EVERYWHERE)
    assert greenflash_emulator.conversation("own").properties == {
        "environment": "production",
        "release": "mine",
    }


def ask(**more: Any) -> None:
    """A call of OpenAI with metadata."""
    client_saying(["Hello."]).chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Hi"}],
        metadata={"feature": "search", "secret": "s"},
        **more,
    )


@pytest.mark.parametrize("own_provider", [False, True])
def test_named_metadata_of_openai(greenflash_emulator: Emulator, own_provider: bool) -> None:
    """Nothing else of it, and what a block says counts more."""
    more: dict[str, Any] = {"tracer_provider": TracerProvider()} if own_provider else {}
    pipeline = start(greenflash_emulator, metadata_keys="feature, absent", **more)
    with greenflash.conversation("c"):
        ask()
    with greenflash.conversation("d", message_properties={"feature": "block"}):
        ask()
    assert pipeline.flush(10)
    names = ("feature", "secret", "absent")
    said = properties_of(greenflash_emulator, "c", *names)
    assert said == {"Hi": {"feature": "search"}, "Hello.": {"feature": "search"}}
    said = properties_of(greenflash_emulator, "d", *names)
    assert said == {"Hi": {"feature": "block"}, "Hello.": {"feature": "block"}}


def test_without_the_setting_nothing_of_it(greenflash_emulator: Emulator) -> None:
    """No request says it anywhere."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c"):
        ask()
    assert pipeline.flush(10)
    assert "search" not in json.dumps([one.body for one in greenflash_emulator.requests()])


@pytest.mark.parametrize("globally", [True, False])
def test_named_metadata_and_tags_of_langchain(greenflash_emulator: Emulator, globally: bool) -> None:
    """Of the call, by `instrument()` and by the handler; redacted as all else."""
    pytest.importorskip("langchain_core")
    from langchain_core.language_models import FakeListChatModel

    from greenflash_otel.langchain import GreenflashCallbackHandler

    pipeline = start(
        greenflash_emulator,
        frameworks=("langchain",) if globally else (),
        metadata_keys=("feature", "tags"),
        redact=lambda text, path: text.replace("Ada", "***"),
    )
    config: dict[str, Any] = {"metadata": {"feature": "for Ada", "secret": "s"}, "tags": ["beta"]}
    if not globally:
        config["callbacks"] = [GreenflashCallbackHandler()]
    with greenflash.conversation("c"):
        FakeListChatModel(responses=["Hello."]).invoke("Hi", config=config)  # type: ignore[arg-type]
    assert pipeline.flush(10)
    expected = {"feature": "for ***", "tags": ["beta"]}
    said = properties_of(greenflash_emulator, "c", "feature", "tags", "secret")
    assert said == {"Hi": expected, "Hello.": expected}


@pytest.mark.parametrize(
    "written",
    [
        {"metadata": '{"feature": "search", "secret": "s"}', "tag.tags": ("beta",)},
        {"langsmith.metadata.feature": "search", "langsmith.span.tags": "beta"},
        {"traceloop.association.properties.feature": "search", "langfuse.trace.tags": '["beta"]'},
    ],
)
def test_named_metadata_of_other_instrumentations(
    greenflash_emulator: Emulator, written: dict[str, Any]
) -> None:
    """As OpenInference, LangSmith and OpenLLMetry write it."""
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=greenflash_emulator.base_url,
        metadata_keys=("feature", "tags"),
    )
    provider = TracerProvider(resource=Resource({"service.version": "7"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("theirs").start_as_current_span("chat") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.conversation.id": "c",
                "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
                "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello."}]}]',
                **written,
            }
        )
    assert exporter.force_flush(10_000)
    exporter.shutdown()
    expected = {"feature": "search", "tags": ["beta"], "release": "7"}
    said = properties_of(greenflash_emulator, "c", "feature", "tags", "secret", "release")
    assert said == {"Hi": expected, "Hello.": expected}
