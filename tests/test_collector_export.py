"""``instrument(export="otlp")``: spans to a Collector, of which a gateway makes conversations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

import greenflash_otel as greenflash
from greenflash_otel.collector import make_exporter
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_process import say

GENERAL = "OTEL_EXPORTER_OTLP_PROTOCOL"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def pipeline(greenflash_emulator: Emulator) -> Iterator[Pipeline]:
    made = Pipeline(Settings(PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url))
    yield made
    made.shutdown(5)


@pytest.fixture
def gateway(pipeline: Pipeline) -> Iterator[Gateway]:
    """For two products: one that our resource names, and one that would get all else."""
    other = Pipeline(Settings("00000000-0000-0000-0000-000000000001", api_key="none"))
    desk = OtlpReceiver([Tenant("00000000-0000-0000-0000-000000000001", other), Tenant(PRODUCT, pipeline)])
    with Gateway(desk, port=0, grpc_port=0) as running:
        yield running
    assert other.stats().accepted == 0
    other.shutdown(0)


@pytest.mark.parametrize("protocol", ["", "http/protobuf", "grpc"])
def test_the_whole_way(
    protocol: str,
    gateway: Gateway,
    pipeline: Pipeline,
    greenflash_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A talk and its outcome, by either protocol, where OpenTelemetry's variables say."""
    url = f"http://127.0.0.1:{gateway.grpc_port}" if protocol == "grpc" else gateway.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv(GENERAL, protocol)
    greenflash.instrument(export="otlp", product_id=PRODUCT)
    with greenflash.conversation("c", user_id="ada"):
        say("ho", "hi")
        greenflash.record_outcome("upgrade", 9)
    assert greenflash.flush()
    assert str(greenflash.stats()) == "accepted 2 = delivered 2 + pending 0 + rejected 0 + lost 0"
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("c")
    assert [message.content for message in stored.messages] == ["hi", "ho"]
    assert [(outcome.value, outcome.external_user_id) for outcome in stored.outcomes] == [("9", "ada")]


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What the exporter gives up is counted, told, and no success."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        pipeline = greenflash.instrument(export="otlp")
        say("ho", "hi")
        assert not pipeline.flush()
    assert pipeline.stats().lost == {"the Collector": 1}
    assert "did not take spans" in caplog.text


def test_limits_of_the_environment(
    gateway: Gateway, pipeline: Pipeline, greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that is cut off still tells what was said before the cut."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gateway.url)
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "200")
    greenflash.instrument(export="otlp", product_id=PRODUCT)
    with greenflash.conversation("c"):
        say("ho", "hi " * 1000)
    assert greenflash.flush()
    assert pipeline.flush(10)
    [asked, answer] = greenflash_emulator.conversation("c").messages
    assert answer.content == "ho"
    assert 0 < len(str(asked.content)) < 200


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, OverHttp),
        ({GENERAL: "grpc"}, OverGrpc),
        (
            {GENERAL: "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            OverHttp,
        ),
    ],
)
def test_protocols(environment: dict[str, str], kind: type[Any]) -> None:
    """As OpenTelemetry's variables say; the one for traces counts first."""
    exporter = make_exporter(environment)
    assert isinstance(exporter, kind)
    exporter.shutdown()


def test_protocols_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what to write or to install."""
    with pytest.raises(greenflash.ConfigurationError, match="write http/protobuf or grpc"):
        make_exporter({GENERAL: "carrier-pigeon"})
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with pytest.raises(greenflash.ConfigurationError, match="otlp-proto-grpc"):
        make_exporter({GENERAL: "grpc"})


def test_a_disabled_sdk(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_SDK_DISABLED`` turns everything off, and asks for no setting."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE ")
    pipeline = greenflash.instrument(base_url=greenflash_emulator.base_url)
    with greenflash.conversation("c"):
        say("ho", "hi")
        greenflash.record_outcome("upgrade")
    assert pipeline.flush(5)
    assert greenflash_emulator.requests() == ()
