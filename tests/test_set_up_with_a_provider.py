"""`instrument()` records in the provider that the application passes, whatever that is like."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from tests.chat import client_saying
from tests.conftest import PRODUCT


class CountingProvider(TracerProvider):
    """A provider with a length: it is empty, and so false, before anybody asks it for a tracer."""

    asked = 0

    def __len__(self) -> int:
        return self.asked


def test_a_provider_that_is_false() -> None:
    """Nobody asks for its truth value: the spans go there, not to the global provider."""
    provider, seen = CountingProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, outbox=":memory:", export="none", tracer_provider=provider
    )
    client_saying(["Fine."]).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "How are you?"}]
    )
    assert [span.name for span in seen.get_finished_spans()] == ["chat gpt-4o-mini"]
