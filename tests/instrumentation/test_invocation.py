"""A running operation ends its span once, with what is known by then."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan

from greenflash_otel import internal_errors
from greenflash_otel.instrumentation.invocation import Invocation, write_attributes
from greenflash_otel.model.operation import Failure, Message, Operation, Text, ToolCall
from greenflash_otel.semconv.genai import attributes_of, read
from tests.instrumentation.openai.spans import Spans
from tests.strategies import span_of

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


class _Picky(NonRecordingSpan):
    """A span of another SDK, which takes one attribute at a time and not every one."""

    def __init__(self) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.taken: dict[str, Any] = {}

    def set_attributes(self, attributes: Any) -> None:
        raise TypeError("one at a time")

    def set_attribute(self, key: str, value: Any) -> None:
        if key == "bad":
            raise ValueError("no")
        self.taken[key] = value


def test_attributes_are_written_one_by_one() -> None:
    """One that cannot be written costs no other; what OpenTelemetry has no form for becomes JSON text."""
    internal_errors.reset_for_tests()
    span = _Picky()
    values = {
        "bad": 1,
        "date": date(2026, 1, 2),
        "large": 2**70,
        "half": "half \ud83d",
        "texts": ("a", "b"),
        "mixed": [1, date(2026, 1, 2)],
    }
    write_attributes(span, values)
    assert span.taken == {
        "date": '"2026-01-02"',
        "large": str(2**70),
        "half": "half \ufffd",
        "texts": ("a", "b"),
        "mixed": '[1,"2026-01-02"]',
    }
    assert internal_errors.get_internal_errors() == {"write an attribute": 1}
    assert internal_errors.get_counts().lost == {"attribute_not_written": 1}


def test_arguments_that_are_no_json_cost_no_message() -> None:
    """What the model was asked arrives, with the argument as text."""
    call = ToolCall("look_up", {"since": date(2026, 1, 2), ("a", 1): {"x"}}, "call_1")  # type: ignore[dict-item]
    operation = Operation("chat", input=(Message("user", (Text("hi"),)), Message("assistant", (call,))))
    attributes = attributes_of(operation)
    found = read(span_of(attributes))
    assert found is not None
    assert found.input[0].parts == (Text("hi"),)
    assert found.input[1].parts == (ToolCall("look_up", {"since": "2026-01-02", '["a",1]': ["x"]}, "call_1"),)
