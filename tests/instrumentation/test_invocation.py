"""A running operation ends its span once, with what is known by then."""

from __future__ import annotations

import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.model.operation import Failure, Message, Operation, Text
from tests.instrumentation.openai.spans import Spans

OPERATION = Operation(
    "chat", provider="openai", request_model="gpt-4o", input=(Message("user", (Text("Hi"),)),)
)


def test_ends_once(caplog: pytest.LogCaptureFixture) -> None:
    """Many threads finish it, and there is one span, with the end of the first."""
    spans = Spans()
    invocation = Invocation.start(spans.tracer, OPERATION)
    threads = [
        threading.Thread(target=invocation.finish, args=(OPERATION,), kwargs={"end_ns": 7}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (span,) = spans.all()
    assert span.end_time == 7
    assert not caplog.records  # the SDK logs when a span is ended again
    assert spans.only() == OPERATION


def test_is_never_the_current_span() -> None:
    """What the application does meanwhile belongs to the application's span."""
    spans = Spans()
    with spans.tracer.start_as_current_span("application") as parent:
        invocation = Invocation.start(spans.tracer, OPERATION)
        assert trace.get_current_span() is parent
        invocation.finish(OPERATION)
    ours = next(span for span in spans.all() if span.name == "chat gpt-4o")
    assert ours.parent is not None
    assert ours.parent.span_id == parent.get_span_context().span_id


def test_a_failure_sets_the_status() -> None:
    """The message goes into the status, the type into its attribute."""
    spans = Spans()
    Invocation.start(spans.tracer, OPERATION).finish(
        Operation("chat", ending="failed", failure=Failure("ValueError", "no good"))
    )
    (span,) = spans.all()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "no good")
    assert spans.only().failure == Failure("ValueError", "no good")


def test_half_a_character_can_be_exported() -> None:
    """A stream cut within a surrogate pair leaves text that no exporter could encode; pairs are joined."""
    spans = Spans()
    said = (Message("assistant", (Text("\ud83d" + "\ude00" + "\ud83d"),)),)
    Invocation.start(spans.tracer, OPERATION).finish(Operation("chat", output=said))
    assert spans.only().output == (Message("assistant", (Text("😀\ufffd"),)),)


def test_discarded() -> None:
    """What was discarded leaves no span, also when it is finished afterwards."""
    spans = Spans()
    invocation = Invocation.start(spans.tracer, OPERATION)
    invocation.discard()
    invocation.finish(OPERATION)
    assert not spans.all()
    assert not invocation.recording


def test_sampled_out() -> None:
    """A span that nobody keeps is not worth capturing for."""
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("test")
    assert not Invocation.start(tracer, OPERATION).recording
