"""``GreenflashSpanExporter`` without ``instrument()``: every public function works with it."""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapt
from opentelemetry import trace
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

import greenflash_otel as greenflash
from greenflash_otel import runtime, standalone
from greenflash_otel.own_spans import OwnTracer
from greenflash_otel.span_contexts import SPAN_CONTEXTS
from greenflash_otel.suppression import is_suppressed
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_marks import MARK, SAID
from tests.test_process import say

OTHER_PRODUCT = "11111111-2222-4333-8444-555555555555"
Processor = Callable[[SpanExporter], Any]
BAD: Any = "great"


_made: list[greenflash.GreenflashSpanExporter] = []


def export_to(emulator: Emulator, **settings: Any) -> greenflash.GreenflashSpanExporter:
    given = {"api_key": "gf_test", "product_id": PRODUCT, "base_url": emulator.base_url, "outbox": ":memory:"}
    _made.append(greenflash.GreenflashSpanExporter(**{**given, **settings}))
    return _made[-1]


@pytest.fixture(autouse=True)
def shut_down() -> Iterator[None]:
    """No exporter outlives its test."""
    yield
    while _made:
        _made.pop().shutdown()


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    yield made
    made.shutdown()


def call(provider: TracerProvider) -> None:
    """A model call as an instrumentation of others records it."""
    span = provider.get_tracer("theirs").start_span("chat", attributes=MARK)
    span.set_attributes(SAID)
    span.end()


def test_strict(greenflash_emulator: Emulator) -> None:
    """Bad arguments raise as with `instrument(strict=True)`, as long as the exporter is in use."""
    exporter = export_to(greenflash_emulator, strict=True)
    with pytest.raises(greenflash.InvalidOutcomeError):
        greenflash.record_outcome("bought", "1", influence=BAD)
    exporter.shutdown()
    export_to(greenflash_emulator)
    greenflash.record_outcome("bought", "1", influence=BAD)


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_all_that_is_said_in_a_block_arrives_together(
    provider: TracerProvider, greenflash_emulator: Emulator, processor: Processor
) -> None:
    """Conversation, user, outcome, rating; and `flush` and `stats` are about it."""
    exporter = export_to(greenflash_emulator)
    provider.add_span_processor(processor(exporter))
    with greenflash.conversation("chat-42", user_id="ada", properties={"plan": "free"}):
        call(provider)
        greenflash.record_outcome("upgrade", "149.00")
        greenflash.record_rating(True)
        greenflash.identify_user("ada", name="Ada")
    provider.force_flush()
    assert greenflash.flush(10)
    stored = greenflash_emulator.conversation("chat-42")
    assert [message.content for message in stored.messages] == ["hi", "ho"]
    assert (stored.external_user_id, stored.properties) == ("ada", {"plan": "free"})
    assert [outcome.value for outcome in stored.outcomes] == ["149.00"]
    assert [rating.rating for rating in greenflash_emulator.ratings()] == [1.0]
    assert greenflash.stats() == exporter.stats()
    assert greenflash.stats().accepted == 5


def test_an_unnamed_conversation(provider: TracerProvider, greenflash_emulator: Emulator) -> None:
    """The calls of a block belong together, in whichever trace they are."""
    provider.add_span_processor(BatchSpanProcessor(export_to(greenflash_emulator)))
    with greenflash.conversation(user_id="ada"):
        call(provider)
        call(provider)
        greenflash.record_outcome("upgrade")
    provider.force_flush()
    assert greenflash.flush(10)
    [stored] = greenflash_emulator.conversations()
    assert stored.external_user_id == "ada"
    assert len(stored.outcomes) == 1


def test_an_outcome_whose_span_is_exported_too_counts_once(
    provider: TracerProvider, greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exporter in the global provider, its span comes back to where it was recorded."""
    exporter = export_to(greenflash_emulator)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    greenflash.record_outcome("upgrade", conversation_id="c")
    provider.force_flush()
    assert greenflash.flush(10)
    assert greenflash.stats().accepted == 1


def test_instrument_comes_first(provider: TracerProvider, greenflash_emulator: Emulator) -> None:
    """Its pipeline is the process's while it lasts, then the exporter's again."""
    exporter = export_to(greenflash_emulator)
    pipeline = greenflash.instrument(
        api_key="gf_test", product_id=OTHER_PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    greenflash.record_outcome("upgrade")
    assert (pipeline.stats().accepted, exporter.stats().accepted) == (1, 0)
    greenflash.shutdown()
    greenflash.record_outcome("upgrade")
    assert (pipeline.stats().accepted, exporter.stats().accepted) == (1, 1)


def test_several_exporters(
    provider: TracerProvider, greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Each gets the conversations; the first one gets outcomes, which is said, until it is shut down."""
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        first, second = (
            export_to(greenflash_emulator),
            export_to(greenflash_emulator, product_id=OTHER_PRODUCT),
        )
    assert "several GreenflashSpanExporters" in caplog.text
    provider.add_span_processor(BatchSpanProcessor(first))
    provider.add_span_processor(SimpleSpanProcessor(second))
    with greenflash.conversation("chat-42", user_id="ada"):
        call(provider)
    provider.force_flush()
    greenflash.record_outcome("upgrade")
    assert (first.stats().accepted, second.stats().accepted) == (3, 2)
    users = {
        (message.body["productId"], message.body["externalUserId"])
        for message in _messages(greenflash_emulator)
    }
    assert users == {(PRODUCT, "ada"), (OTHER_PRODUCT, "ada")}
    first.shutdown()
    greenflash.record_outcome("upgrade")
    assert second.stats().accepted == 3


def _messages(emulator: Emulator) -> list[Any]:
    assert greenflash.flush(10)
    return [request for request in emulator.requests() if request.path.endswith("/messages")]


def test_the_sdk_is_left_as_it_was(greenflash_emulator: Emulator) -> None:
    """With the last exporter the wrapper goes, and so does all that was remembered."""
    original, end = Span.__dict__["start"], Span.__dict__["end"]
    first, second = export_to(greenflash_emulator), export_to(greenflash_emulator)
    assert Span.__dict__["start"] is not original
    with greenflash.conversation("c"):
        TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("elsewhere")
    first.shutdown()
    assert Span.__dict__["start"] is not original
    second.shutdown()
    assert (Span.__dict__["start"], Span.__dict__["end"]) == (original, end)
    assert len(SPAN_CONTEXTS) == 0


def test_spans_of_other_providers(greenflash_emulator: Emulator) -> None:
    """They are forgotten when they end, unless they are of a model: then the exporter may still get them."""
    export_to(greenflash_emulator)
    elsewhere = TracerProvider(shutdown_on_exit=False)
    with greenflash.conversation("c"):
        for _ in range(3):
            elsewhere.get_tracer("app").start_span("SELECT").end()
        assert len(SPAN_CONTEXTS) == 0
        call(elsewhere)
        assert len(SPAN_CONTEXTS) == 1


def test_below_the_wrapper_of_somebody_else(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours cannot be taken out from below theirs: it stays, once, however often exporters come and go."""
    monkeypatch.setattr(Span, "start", Span.__dict__["start"])  # so that it is put back
    export_to(greenflash_emulator)
    ours, calls = Span.__dict__["start"], list[str]()

    @functools.wraps(ours)
    def theirs(*args: Any, **kwargs: Any) -> None:
        calls.append("theirs")
        ours(*args, **kwargs)

    monkeypatch.setattr(Span, "start", theirs)
    for _ in range(3):
        export_to(greenflash_emulator).shutdown()
    standalone.reset_for_tests()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(export_to(greenflash_emulator)))
    with greenflash.conversation("chat-42", user_id="ada"):
        call(provider)
    assert calls == ["theirs"]
    assert list(standalone._list_layers("start")).count(ours) == 1
    assert greenflash.flush(10)
    assert greenflash_emulator.conversation("chat-42").external_user_id == "ada"
    monkeypatch.undo()
    standalone._wrappers.pop("start")


@pytest.fixture
def openai_as_it_was() -> Iterator[None]:
    """Take off what another instrumentation leaves on the methods of openai when it is taken off."""
    yield
    modules = [module for name, module in sys.modules.items() if name.startswith("openai.resources.")]
    for owner in {each for module in modules for each in vars(module).values() if isinstance(each, type)}:
        for name, value in list(vars(owner).items()):
            if isinstance(value, wrapt.FunctionWrapper):
                setattr(owner, name, value.__wrapped__)


@pytest.mark.usefixtures("openai_as_it_was")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "instrumentor", ["openinference.instrumentation.openai", "opentelemetry.instrumentation.openai"]
)
def test_real_instrumentations_of_others(
    instrumentor: str, provider: TracerProvider, greenflash_emulator: Emulator
) -> None:
    """They start their spans with marks or without; the conversation is known either way."""
    module = pytest.importorskip(instrumentor)
    provider.add_span_processor(BatchSpanProcessor(export_to(greenflash_emulator)))
    theirs = module.OpenAIInstrumentor()
    theirs.instrument(tracer_provider=provider)
    try:
        with greenflash.conversation("chat-42", user_id="ada"):
            say("ho", "hi")
    finally:
        theirs.uninstrument()
    provider.force_flush()
    assert greenflash.flush(10)
    stored = greenflash_emulator.conversation("chat-42")
    assert [message.content for message in stored.messages] == ["hi", "ho"]
    assert stored.external_user_id == "ada"


def test_a_redaction_function_that_asks_a_model(
    provider: TracerProvider, greenflash_emulator: Emulator
) -> None:
    """An instrumentation that looks for no key in the context records the call; it is passed over."""
    asked: list[bool] = []

    def redact(text: str, path: str) -> str:
        asked.append(is_suppressed())
        call(provider)
        return "clean"

    provider.add_span_processor(SimpleSpanProcessor(export_to(greenflash_emulator, redact=redact)))
    with greenflash.conversation("chat-42"):
        call(provider)
    assert greenflash.flush(10)
    [stored] = greenflash_emulator.conversations()
    assert [message.content for message in stored.messages] == ["clean", "clean"]
    assert asked
    assert all(asked)


def test_recording_waits_for_nobody(greenflash_emulator: Emulator) -> None:
    """Another thread may set up or end `instrument()` meanwhile, which takes as long as it takes."""
    exporter = export_to(greenflash_emulator)
    found: list[trace.Tracer] = []
    thread = threading.Thread(target=lambda: found.append(runtime.find_recording_tracer()), daemon=True)
    with runtime._lock:
        thread.start()
        thread.join(10)
        assert [tracer.sink for tracer in found if isinstance(tracer, OwnTracer)] == [exporter.pipeline]
