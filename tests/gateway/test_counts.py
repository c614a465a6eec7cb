"""Nothing is lost silently: what cannot be taken is said, counted and shown; what is taken is on disk."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pytest

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Pause, Stats
from greenflash_otel.gateway.http import create_app
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.correlation.long_inputs import LongInputs
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.settings import Settings
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import JSON, SAID, Taker, ask, attributes
from tests.gateway.test_otlp import in_json

OTHER = "11111111-2222-4333-8444-555555555555"


def metrics(token: str = "", accept: str = "*/*") -> httpx.Response:
    """The page of a gateway with two tenants, one of which is paused."""

    class Paused(Taker):
        def own_stats(self) -> Stats:
            pause = Pause('HTTP 401: "no"', datetime(2030, 1, 1, tzinfo=timezone.utc), "https://x")
            return replace(super().own_stats(), paused=pause)

    receiver = OtlpReceiver(
        [Tenant(PRODUCT, Paused(True), ["one"]), Tenant(OTHER, Taker(True), ["two"])], tokens=["all"]
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(receiver))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            headers = {"authorization": f"Bearer {token}", "accept": accept}
            return await client.get("/metrics", headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("token", "seen"), [("", set()), ("bad", set()), ("two", {OTHER}), ("all", {PRODUCT, OTHER})]
)
def test_who_sees_which_counts(token: str, seen: set[str]) -> None:
    """A stranger sees sums; a token the products it is good for; and all of it adds up."""
    text = metrics(token).text
    assert {entry for entry in (PRODUCT, OTHER) if entry in text} == seen
    accepted = [line for line in text.splitlines() if line.startswith("greenflash_items_accepted_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in accepted) == 6
    assert ("401" in text, "https://x" in text) == (token == "all", token == "all")


def test_metrics_for_prometheus() -> None:
    """In the format it asks for, with quotation marks escaped."""
    answered = metrics("all", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    assert "# TYPE greenflash_items_accepted_total counter" in answered.text
    assert 'reason="HTTP 401: \\"no\\""' in answered.text
    assert "#" not in metrics("all").text


def test_what_cannot_be_converted_is_said_and_counted() -> None:
    """In the partial success and in the counts, by reason; what was repaired is counted too."""

    class Picky(Taker):
        def take(self, spans: Iterable[SpanRecord], failed: Counter[str] | None = None) -> bool:
            assert failed is not None
            failed["conversion_failed"] += 1
            return super().take(spans)

    internal_errors.reset_for_tests()
    body = in_json().replace(b'[{"traceId"', b'[{}, {"x": no}, {"traceId"').replace(b'"chat"', b'"\xff"')
    said = ask(Picky(True), body, JSON).json()["partialSuccess"]
    assert said["rejectedSpans"] == "3"
    assert said["errorMessage"].count("1 ") == 3
    assert internal_errors.get_counts().lost == {"unusable_ids": 1, "unreadable": 1}
    assert internal_errors.get_counts().repaired == 1


def test_a_span_that_our_own_code_cannot_convert(
    gateway: Gateway, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours costs one span, and everybody hears of it."""
    internal_errors.reset_for_tests()
    read = LongInputs.read

    def fail(inputs: LongInputs, span: SpanRecord) -> Reading:
        return read(inputs, span) if span.name == "good" else 1 // 0  # type: ignore[return-value]

    monkeypatch.setattr(LongInputs, "read", fail)
    bad = json.dumps({"traceId": "ab" * 16, "spanId": "ef" * 8}).encode()
    spans = in_json(attributes=attributes(SAID), name="good").replace(b'"spans": [', b'"spans": [%s, ' % bad)
    answered = httpx.post(f"{gateway.url}/v1/traces", content=spans, headers=JSON)
    assert "could not be converted" in answered.json()["partialSuccess"]["errorMessage"]
    assert (pipeline.stats().accepted, pipeline.stats().lost) == (2, {"conversion_failed": 1})


def test_nothing_is_acknowledged_without_a_disk(tmp_path: Path) -> None:
    """A file is where the folder of the outbox should be: the gateway is not ready and takes nothing."""
    (tmp_path / "outbox").touch()
    pipeline = Pipeline(Settings(PRODUCT, outbox=str(tmp_path / "outbox")))
    try:
        with Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0) as running:
            assert httpx.get(f"{running.url}/readyz").status_code == 503
            refused = httpx.post(f"{running.url}/v1/traces", content=in_json(), headers=JSON)
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            assert httpx.get(f"{running.url}/healthz").status_code == 200
    finally:
        pipeline.shutdown(0)
