"""Names that arrive late at a gateway, in a file, or at the exporter of an application."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from greenflash_otel import GreenflashSpanExporter
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.collector.running import until
from tests.conftest import PRODUCT
from tests.semconv.test_late_names import CALL, HTTP_CLIENT, ROOT, make_turn

SAID = ["Which plan?", "Team."]


def list_texts(emulator: Emulator) -> dict[str, list[str]]:
    """Return what arrived, by conversation."""
    return {
        str(conversation.external_id): [str(message.content) for message in conversation.messages]
        for conversation in emulator.conversations()
    }


def write_json(*spans: SpanRecord) -> dict[str, Any]:
    """Write spans as a request in JSON."""
    written = [
        {
            "traceId": span.trace_id,
            "spanId": span.span_id,
            **({"parentSpanId": span.parent_span_id} if span.parent_span_id else {}),
            "name": span.name,
            "startTimeUnixNano": str(span.start_ns),
            "endTimeUnixNano": str(span.end_ns),
            "attributes": [
                {"key": name, "value": {"stringValue": value}} for name, value in span.attributes.items()
            ],
        }
        for span in spans
    ]
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "example"}, "spans": written}]}]}


def send(gateway: Gateway, span: SpanRecord, *, as_protobuf: bool = False) -> None:
    """Send a span in a request of its own, which has to be acknowledged."""
    kind, content = "application/json", json.dumps(write_json(span)).encode()
    if as_protobuf:
        request = ExportTraceServiceRequest()
        json_format.ParseDict(write_json(), request)
        made = request.resource_spans[0].scope_spans[0].spans.add()
        made.trace_id, made.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
        made.parent_span_id = bytes.fromhex(span.parent_span_id or "")
        made.name, made.start_time_unix_nano, made.end_time_unix_nano = span.name, span.start_ns, span.end_ns
        for name, value in span.attributes.items():
            made.attributes.add(key=name).value.string_value = str(value)
        kind, content = "application/x-protobuf", request.SerializeToString()
    response = httpx.post(f"{gateway.url}/v1/traces", content=content, headers={"content-type": kind})
    assert response.status_code == 200


@contextmanager
def running(emulator: Emulator, outbox: Path, **settings: Any) -> Iterator[tuple[Gateway, Pipeline]]:
    """Run a gateway on an outbox; stop it as an operator does."""
    pipeline = Pipeline(
        Settings(PRODUCT, api_key="gf_test", base_url=emulator.base_url, outbox=str(outbox), **settings)
    )
    pipeline.resume()
    try:
        with Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0) as gateway:
            yield gateway, pipeline
    finally:
        pipeline.shutdown(settle=False)


@pytest.mark.parametrize("as_protobuf", [False, True], ids=["JSON", "protobuf"])
def test_span_by_span(as_protobuf: bool, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The call waits until the root names it, and is counted meanwhile."""
    with running(greenflash_emulator, tmp_path) as (gateway, pipeline):
        send(gateway, CALL, as_protobuf=as_protobuf)
        send(gateway, HTTP_CLIENT, as_protobuf=as_protobuf)
        assert pipeline.deliver_ready(10)
        assert list_texts(greenflash_emulator) == {}
        assert pipeline.stats().waiting == 2
        assert "greenflash_items_waiting" in httpx.get(f"{gateway.url}/metrics").text
        send(gateway, ROOT, as_protobuf=as_protobuf)
        assert pipeline.deliver_ready(10)
        assert list_texts(greenflash_emulator) == {"sess-7": SAID}
        assert pipeline.stats().waiting == 0


def test_a_parent_that_never_comes(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The time passes also if nothing else arrives."""
    with running(greenflash_emulator, tmp_path, name_wait_s=0.05) as (gateway, _):
        send(gateway, CALL)
        until(lambda: list(list_texts(greenflash_emulator).values()) == [SAID], "the call arrives")


def test_a_gateway_that_is_started_again(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What waits when it stops waits on, for the name that the next one gets."""
    with running(greenflash_emulator, tmp_path) as (gateway, _):
        send(gateway, CALL)
    with running(greenflash_emulator, tmp_path) as (gateway, pipeline):
        assert list_texts(greenflash_emulator) == {}
        send(gateway, HTTP_CLIENT)
        send(gateway, ROOT)
        assert pipeline.deliver_ready(10)
    assert list_texts(greenflash_emulator) == {"sess-7": SAID}


def test_a_gateway_to_which_nothing_comes_any_more(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What an earlier one left is recorded when its time is over."""
    with running(greenflash_emulator, tmp_path) as (gateway, _):
        send(gateway, CALL)
    with running(greenflash_emulator, tmp_path, name_wait_s=0.05):
        until(lambda: list(list_texts(greenflash_emulator).values()) == [SAID], "the call arrives")


@pytest.mark.parametrize("content", ["a root last", "turns in another order"])
def test_files(content: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """An import reads them before it decides, and leaves nothing waiting."""
    is_turns = content != "a root last"
    spans = [make_turn(number) for number in (1, 0, 2)] if is_turns else [CALL, HTTP_CLIENT, ROOT]
    path = tmp_path / "spans.jsonl"
    path.write_text("".join(json.dumps(write_json(span)) + "\n" for span in spans))
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GREENFLASH_")}
    environment |= {
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": greenflash_emulator.base_url,
        "GREENFLASH_OUTBOX": str(tmp_path / "outbox"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "greenflash_otel", "import", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if is_turns:
        (said,) = list_texts(greenflash_emulator).values()
        assert said == [text for at in range(3) for text in (f"question {at}", f"answer {at}")]
    else:
        assert list_texts(greenflash_emulator) == {"sess-7": SAID}


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "nameless"])
def test_the_exporter_of_an_application(is_named: bool, greenflash_emulator: Emulator) -> None:
    """Children are exported before their parent; what still waits is recorded by a flush."""
    exporter = GreenflashSpanExporter(
        product_id=PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("an application")
    with tracer.start_as_current_span("POST /chat") as server:
        with tracer.start_as_current_span("chat", attributes=dict(CALL.attributes)):
            pass
        if not is_named:
            assert exporter.stats().waiting == 1
            assert exporter.force_flush(10_000)
        server.set_attributes({"session.id": "sess-7", "user.id": "ada"})
    assert exporter.force_flush(10_000)
    if is_named:
        assert list_texts(greenflash_emulator) == {"sess-7": SAID}
    else:
        assert list(list_texts(greenflash_emulator).values()) == [SAID]
    provider.shutdown()
