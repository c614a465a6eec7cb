"""The gateway end to end: real senders, a real server, the emulator behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import greenflash_otel as greenflash
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway.http import create_app
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.otlp import read_json
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.span import attributes_of as attributes_of_outcome
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.conftest import PRODUCT, make_environment
from tests.gateway.test_otlp import in_json

JSON = {"content-type": "application/json"}
HI = Message("user", (Text("Hi"),))
SAID = attributes_of(Operation("chat", ConversationContext("c"), input=(HI,)))


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as JSON has them."""
    kinds = {str: "stringValue", int: "intValue", bool: "boolValue"}
    return [{"key": name, "value": {kinds[type(value)]: value}} for name, value in values.items()]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_an_application_elsewhere(
    compression: Compression, gateway: Gateway, pipeline: Pipeline, greenflash_emulator: Emulator
) -> None:
    """Instrumented, it sends spans with OpenTelemetry's own exporter; a talk with its outcome arrives."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{gateway.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    greenflash.instrument(tracer_provider=provider, export="none")
    with greenflash.conversation("chat-1", user_id="ada"), client_saying(iter(["Yes."])) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "All of us?"}])
        greenflash.record_outcome("upgrade", "149.00")
    provider.shutdown()
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("chat-1")
    assert [message.content for message in stored.messages] == ["All of us?", "Yes."]
    assert [outcome.value for outcome in stored.outcomes] == ["149.00"]


def test_an_outcome_of_another_service(
    gateway: Gateway, pipeline: Pipeline, greenflash_emulator: Emulator
) -> None:
    """It knows no conversation, only the trace that the model call is in."""
    outcome = attributes_of_outcome(Outcome("upgrade", "9", 1, "insert-1"))
    for number, sent in enumerate((SAID, outcome), 1):
        content = in_json(spanId=f"{number:016x}", attributes=attributes(sent))
        httpx.post(f"{gateway.url}/v1/traces", content=content, headers=JSON)
    assert pipeline.flush(10)
    assert [outcome.event_type for outcome in greenflash_emulator.conversation("c").outcomes] == ["upgrade"]


def test_an_outcome_before_its_call(
    gateway: Gateway, pipeline: Pipeline, greenflash_emulator: Emulator
) -> None:
    """In one request the order does not matter: a Collector gathers from several services."""
    outcome = attributes_of_outcome(Outcome("upgrade", "9", 1, "insert-1"))
    spans = [
        json.loads(in_json(spanId=f"{number:016x}", attributes=attributes(sent)))["resourceSpans"][0]
        for number, sent in enumerate((outcome, SAID), 1)
    ]
    content = json.dumps({"resourceSpans": spans}).encode()
    httpx.post(f"{gateway.url}/v1/traces", content=content, headers=JSON).raise_for_status()
    assert pipeline.flush(10)
    assert [outcome.event_type for outcome in greenflash_emulator.conversation("c").outcomes] == ["upgrade"]


SMALL = ContentLimits(max_bytes=1000)


class Taker:
    """Stands for the pipeline: takes, refuses or fails."""

    def __init__(self, answer: bool | Exception, *, is_durable: bool = True) -> None:
        self._answer = answer
        self._is_durable = is_durable
        self.taken: list[SpanRecord] = []

    def is_durable(self) -> bool:
        return self._is_durable

    def take(self, spans: Iterable[SpanRecord], failed: Counter[str] | None = None) -> bool:
        self.taken += spans
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def take_logs(self, logs: Iterable[LogRecord], failed: Counter[str] | None = None) -> bool:
        return self.take([SpanRecord(log.trace_id, log.span_id, "log", 0, 0) for log in logs])

    def own_stats(self) -> Stats:
        return Stats(accepted=3, delivered=1, pending=1, lost={"closed": 1})


def ask(
    taker: Taker,
    body: bytes,
    headers: dict[str, str],
    path: str = "/v1/traces",
    method: str = "POST",
    *,
    tokens: Iterable[str] = (),
    is_stopping: bool = False,
) -> httpx.Response:
    """One request to the application itself."""

    async def answer() -> httpx.Response:
        receiver = OtlpReceiver([Tenant(PRODUCT, taker)], tokens=tokens, limits=SMALL)
        receiver.is_stopping = lambda: is_stopping
        transport = httpx.ASGITransport(create_app(receiver))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(answer())


GZIP = {**JSON, "content-encoding": "gzip"}
CHARSET = {"content-type": "application/json; charset=utf-8"}
ANSWERS: dict[str, tuple[Taker, bytes, dict[str, str], int, str]] = {
    "taken": (Taker(True), in_json(), JSON, 200, "{}"),
    "nothing in it": (Taker(True), b"{}", JSON, 200, "{}"),
    "with a charset": (
        Taker(True),
        in_json(),
        {"content-type": "application/json; charset=utf-8"},
        200,
        "{}",
    ),
    "packed": (Taker(True), gzip.compress(in_json()), {**JSON, "content-encoding": "gzip"}, 200, "{}"),
    "a span nobody can take": (Taker(True), in_json(spanId=""), JSON, 200, '"rejectedSpans": "1"'),
    "no JSON": (Taker(True), b"{", JSON, 400, '"code": 3'),
    "half of it": (
        Taker(True),
        gzip.compress(in_json())[:-3],
        {**JSON, "content-encoding": "gzip"},
        400,
        "end",
    ),
    "another type": (Taker(True), b"", {"content-type": "text/plain"}, 415, ""),
    "another encoding": (Taker(True), b"", {**JSON, "content-encoding": "br"}, 415, "send gzip"),
    "too large": (Taker(True), b" " * 2000, JSON, 413, "larger"),
    "too large unpacked": (
        Taker(True),
        gzip.compress(b" " * 2000),
        {**JSON, "content-encoding": "gzip"},
        413,
        "larger",
    ),
    "the outbox is not on disk": (Taker(True, is_durable=False), in_json(), JSON, 503, "on disk"),
    "the outbox is full": (Taker(False), in_json(), JSON, 503, '"code": 14'),
    "a bug of ours": (Taker(ZeroDivisionError()), in_json(), JSON, 503, '"code": 14'),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """As the table of `gateway.responses` says, and every temporary trouble with a time to come back."""
    taker, body, headers, status, said = ANSWERS[name]
    answer = ask(taker, body, headers)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert ("retry-after" in answer.headers) == (status == 503)
    if status not in (200, 503):
        assert taker.taken == []


def test_too_much_at_once() -> None:
    """Bodies that come slowly cannot fill the memory: whoever would be too much comes again later."""

    async def answers() -> list[httpx.Response]:
        app = create_app(OtlpReceiver([Tenant(PRODUCT, Taker(True))], limits=SMALL))
        half, enough = b" " * 999, asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield half
            await enough.wait()

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:

            def post(content: Any) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.post("/v1/traces", content=content, headers=JSON))

            slow = [post(slowly()) for _ in range(4)]
            for _ in range(100):  # until all of them have sent their half
                await asyncio.sleep(0)
            refused = await post(half)
            enough.set()
            return [refused, *await asyncio.gather(*slow), await post(b"{}")]

    assert [answer.status_code for answer in asyncio.run(answers())] == [429, 400, 400, 400, 400, 200]


def test_a_bug_of_ours_outside_of_the_pipeline() -> None:
    """Whatever fails in here, the sender keeps what it has."""
    receiver = OtlpReceiver([Tenant(PRODUCT, Taker(True))])
    receiver.is_stopping = lambda: bool(1 // 0)

    async def status() -> int:
        transport = httpx.ASGITransport(create_app(receiver))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return (await client.post("/v1/traces", content=b"{}", headers=JSON)).status_code

    assert asyncio.run(status()) == 503


def test_an_answer_in_protobuf() -> None:
    """In the encoding of the request."""
    answer = ask(Taker(True), b"", {"content-type": "application/x-protobuf"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")


@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer one", 200), ("bearer two", 200), ("Bearer three", 401), ("Basic one", 401), ("", 401)],
)
def test_tokens(header: str, status: int) -> None:
    """One of those that were named has to be sent."""
    headers = {**JSON, **({"authorization": header} if header else {})}
    assert ask(Taker(True), b"{}", headers, tokens=["one", "two"]).status_code == status


def test_beside_spans() -> None:
    """Health, readiness, metrics; a gateway that is about to stop takes nothing."""
    get: dict[str, Any] = {"method": "GET"}
    assert ask(Taker(True), b"", {}, "/healthz", **get).text == "ok\n"
    assert ask(Taker(True), b"", {}, "/readyz", **get, is_stopping=True).status_code == 503
    assert ask(Taker(True), b"{}", JSON, is_stopping=True).status_code == 503
    text = ask(Taker(True), b"", {}, "/metrics", **get).text
    assert f'greenflash_items_accepted_total{{product="{PRODUCT}"}} 3' in text
    assert f'greenflash_items_lost_total{{product="{PRODUCT}",reason="closed"}} 1.0' in text
    assert ask(Taker(True), b"", {}, "/v1/traces", **get).status_code == 405


def test_who_comes_while_it_stops_is_turned_away() -> None:
    """A connection that it takes in its last moment does not keep it from stopping."""
    receiver, began, pause, late = (
        OtlpReceiver([Tenant(PRODUCT, Taker(True))]),
        Event(),
        Event(),
        socket.socket(),
    )
    with late, ThreadPoolExecutor() as pool:
        with Gateway(receiver, port=0) as gateway:
            stops = receiver.is_stopping

            def busy() -> bool:
                began.set()
                while not stops():
                    pause.wait(0.01)
                late.connect(("127.0.0.1", gateway.port))
                pause.wait(0.2)  # uvicorn looks ten times a second whether to stop: now it does so at once
                return True

            receiver.is_stopping = busy
            asked = pool.submit(httpx.get, f"{gateway.url}/readyz")
            assert began.wait(10)
        assert asked.result().status_code == 503
        late.settimeout(0.1)
        assert late.recv(1) == b""


def taken_by_one_that_is_killed(folder: Path, content: bytes) -> None:
    """Have a gateway acknowledge a request, and kill it."""
    command = [sys.executable, "-m", "greenflash_otel", "gateway", "--port", "0"]
    environment = {
        "PATH": os.environ["PATH"],
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_OUTBOX": str(folder),
    }
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        url = running.stdout.readline().split()[-1]
        assert httpx.post(url, content=content, headers=JSON).status_code == 200
        running.kill()


def test_a_gateway_that_is_killed(tmp_path: Path) -> None:
    """What it acknowledged is in the outbox, for the next one to deliver."""
    taken_by_one_that_is_killed(tmp_path, in_json(attributes=attributes(SAID)))
    with closing(Outbox(tmp_path, destination=Destination("", PRODUCT).key)) as outbox:
        outbox.adopt()
        assert outbox.get_stats().pending == 1


def test_an_outcome_in_a_gateway_that_is_killed(greenflash_itself: Emulator, tmp_path: Path) -> None:
    """One that waits for its call is acknowledged too: the next one joins the two."""
    outcome = attributes_of_outcome(Outcome("upgrade", "149.00", 1, "insert-1"))
    taken_by_one_that_is_killed(tmp_path, in_json(attributes=attributes(outcome)))
    base_url = greenflash_itself.base_url
    settings = Settings(api_key="gf_test", product_id=PRODUCT, base_url=base_url, outbox=str(tmp_path))
    following = Pipeline(settings)
    following.take(read_json(in_json(spanId="cd" * 8, attributes=attributes(SAID))).records)
    assert following.flush(10)
    following.shutdown()
    assert [outcome.event_type for outcome in greenflash_itself.conversation("c").outcomes] == ["upgrade"]


def test_the_command(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What was acknowledged is delivered when the gateway is told to stop."""
    command = [sys.executable, "-m", "greenflash_otel", "gateway", "--port", "0"]
    environment = make_environment(greenflash_emulator, tmp_path)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as running:
        assert running.stdout is not None
        url = running.stdout.readline().split()[-1]
        assert httpx.post(url, content=in_json(attributes=attributes(SAID)), headers=JSON).status_code == 200
        running.send_signal(signal.SIGTERM)
        output, log = running.communicate(timeout=30)
    assert "accepted 1 = delivered 1" in output
    assert "INFO greenflash_otel.gateway: takes OTLP/HTTP at http://127.0.0.1:" in log
    assert [message.content for message in greenflash_emulator.conversation("c").messages] == ["Hi"]
