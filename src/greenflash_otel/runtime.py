"""The public functions: one pipeline per process, from `instrument()` to `shutdown()`.

This is the only module that reads the environment, besides the command line.
"""

from __future__ import annotations

import atexit
import importlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import httpx
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer

from greenflash_otel import internal_errors, sigterm, standalone
from greenflash_otel.arguments import set_strict
from greenflash_otel.collector import CollectorPipeline, CollectorProcessor, make_exporter
from greenflash_otel.context import set_baggage_propagation
from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.answered_notes import OnDelivered
from greenflash_otel.delivery.stats import Stats, add_process_counts
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.exporter import GreenflashSpanProcessor, find_or_add_processor
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.model.telemetry import OURS
from greenflash_otel.own_provider import make_own_provider
from greenflash_otel.own_spans import OwnTracer
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.set_up_report import report_second_call, report_set_up
from greenflash_otel.settings import IDLE, Export, History, Settings
from greenflash_otel.span_contexts import SPAN_CONTEXTS

TRACER = OURS


class _Processor(Protocol):
    """What a provider hands its spans to."""

    def stop(self) -> None:
        """Let all spans pass from now on."""
        ...


@dataclass(frozen=True, slots=True)
class _PassedObjects:
    """What the application passed to `instrument()` and no setting can name."""

    tracer_provider: trace.TracerProvider | None
    http_client: httpx.Client | None
    on_delivered: OnDelivered | None

    def list_others(self, earlier: _PassedObjects) -> list[str]:
        """Return the names of those that are not what an earlier call passed."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return [name for name, it in found.items() if it is not None and it is not getattr(earlier, name)]


@dataclass(frozen=True, slots=True)
class _Runtime:
    """What `instrument()` set up and `shutdown()` takes down."""

    asked: Settings
    """What the application asked for, with which a second call is compared."""
    settings: Settings
    """What applies: the same, unless everything is off."""
    pipeline: Pipeline
    tracer: Tracer
    processor: _Processor | None
    passed: _PassedObjects


_runtime: _Runtime | None = None
_ended: Pipeline | None = None
_lock = threading.RLock()  # a signal handler may interrupt its owner


def instrument(
    *,
    enabled: bool | None = None,
    api_key: str | None = None,
    product_id: str | None = None,
    base_url: str | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    frameworks: Iterable[str] | None = None,
    export: Export | None = None,
    outbox: str | os.PathLike[str] | None = None,
    capture_content: bool | None = None,
    redact: Redact | str | None = None,
    history: History | None = None,
    sample_rate: float | None = None,
    keep_on: Iterable[str] | None = None,
    force_sample: bool | None = None,
    id_key: str | None = None,
    langchain_chains: bool | None = None,
    baggage: bool | None = None,
    default_user_id: str | None = None,
    print: bool | None = None,
    strict: bool | None = None,
    name_wait_s: float | None = None,
    shutdown_timeout_s: float | None = None,
    handle_sigterm: bool | None = None,
    http_client: httpx.Client | None = None,
    on_delivered: OnDelivered | None = None,
) -> Pipeline:
    """Capture what this process says to models, and deliver it to Greenflash, from now on.

    Call it once at start-up; clients and agents built before and after are captured alike. A second call
    changes nothing and returns the same pipeline, with a warning if its arguments ask for something else.
    What is set up is logged once, at INFO. Every argument has an environment variable;
    ``docs/settings.md`` lists them with defaults and units.

    Args:
        tracer_provider: Record spans here, next to your own, instead of in a provider that only we read.
            Must be an SDK provider unless ``export="none"``.
        http_client: Your own ``httpx.Client`` for the deliveries, e.g. with a proxy or a private CA.
        on_delivered: Called with the ids that Greenflash answered, as `lookup()` returns them, on a thread of its own.

    Returns:
        The pipeline: ``flush(timeout_s) -> bool``, ``shutdown()``, ``stats()``.

    Raises:
        ConfigurationError: A setting is malformed, or there is a key and no product; the message says what to write.
            A second call raises nothing.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        internal_errors.warn_once(
            "OTEL_SDK_DISABLED is true: instrument() captures nothing, outcomes included"
        )
        export, frameworks = "none", ()
    arguments = {
        "enabled": enabled,
        "api_key": api_key,
        "product_id": product_id,
        "base_url": base_url,
        "frameworks": frameworks,
        "export": export,
        "outbox": outbox,
        "capture_content": capture_content,
        "redact": redact,
        "history": history,
        "sample_rate": sample_rate,
        "keep_on": keep_on,
        "force_sample": force_sample,
        "id_key": id_key,
        "langchain_chains": langchain_chains,
        "baggage": baggage,
        "default_user_id": default_user_id,
        "print": print,
        "strict": strict,
        "name_wait_s": name_wait_s,
        "shutdown_timeout_s": shutdown_timeout_s,
        "handle_sigterm": handle_sigterm,
    }
    passed = _PassedObjects(tracer_provider, http_client, on_delivered)
    if (runtime := _runtime) is None:
        settings = Settings.read(os.environ, **arguments)
        runtime, is_first = _set_up_once(settings, passed)
        if is_first:
            with internal_errors.guarded("say what is set up"):
                report_set_up(settings, shares_provider=tracer_provider is not None)
            return runtime.pipeline
    report_second_call(runtime.asked, arguments, other_objects=passed.list_others(runtime.passed))
    return runtime.pipeline


def _set_up_once(settings: Settings, passed: _PassedObjects) -> tuple[_Runtime, bool]:
    """Return the runtime of this process, and whether this call made it: two threads may call at once."""
    global _runtime
    with _lock:
        if _runtime is not None:
            return _runtime, False
        _runtime = _set_up(settings, passed)
        _arrange_end()
        if settings.handle_sigterm:
            limit_s = settings.shutdown_timeout_s + open_operations.MAX_LOCK_WAIT_S
            sigterm.install(shutdown, _keep, open_operations.is_busy, limit_s)
        return _runtime, True


def uninstrument() -> None:
    """Stop capturing, deliver what can be delivered in time, and leave the SDKs as they were."""
    shutdown()


def shutdown(timeout_s: float | None = None) -> None:
    """Stop capturing and deliver what was captured. The end of the process does it automatically.

    It records running streams, sessions and agents with what has arrived; they continue for the application.
    It may be called anywhere, in signal handlers and event loops too.

    Args:
        timeout_s: How long it may take, in seconds; by default the setting ``shutdown_timeout_s``, 5. What
            could not be delivered stays in the outbox and goes out with the next process.
    """
    global _runtime, _ended
    with _lock:
        runtime, _runtime = _runtime, None
        _ended = _ended if runtime is None else runtime.pipeline
    if runtime is None:
        return
    with sigterm.ending():
        set_baggage_propagation(False)
        set_strict(False)
        for name in {*runtime.settings.frameworks, "langchain"}:
            with internal_errors.guarded(f"uninstrument {name}"):
                _import_instrumentation(name).uninstrument()
        open_operations.abandon_running(open_operations.OWN_CODE)
        if runtime.processor is not None:
            runtime.processor.stop()
        runtime.pipeline.shutdown(timeout_s)


def _keep() -> None:
    """Bring what was captured to safety where SIGTERM does not end the process, but SIGKILL soon may."""
    runtime = _runtime
    if runtime is not None:
        open_operations.abandon_running()
        runtime.pipeline.flush(runtime.settings.shutdown_timeout_s)


def flush(timeout_s: float = 30.0) -> bool:
    """Deliver what was captured so far; True if Greenflash has answered for all of it, or nothing was.

    Args:
        timeout_s: How long it may take, in seconds.
    """
    open_operations.abandon_waiting()
    pipeline = find_active_pipeline()
    return True if pipeline is None else pipeline.flush(timeout_s)


def find_active_pipeline() -> Pipeline | None:
    """Return the pipeline of `instrument()`, else that of a `GreenflashSpanExporter` that is in use."""
    runtime = _runtime
    return standalone.pipeline_of_process() if runtime is None else runtime.pipeline


def find_active_settings() -> tuple[Settings, httpx.Client | None] | None:
    """Return the settings of `instrument()`, with the client that the application passed; None outside of it."""
    runtime = _runtime
    return None if runtime is None else (runtime.settings, runtime.passed.http_client)


def captures_content() -> bool:
    """Return whether texts may be recorded: the setting ``capture_content``."""
    runtime, pipeline = _runtime, find_active_pipeline()
    settings = runtime.settings if runtime else pipeline.settings if pipeline else None
    return settings is None or settings.capture_content


def is_instrumented() -> bool:
    """Return whether the process is between `instrument()` and `shutdown()`."""
    return _runtime is not None


def reset_for_tests() -> None:
    """Forget the pipeline that was ended, so that one test does not see what another did."""
    global _ended
    _ended = None


def find_ended_pipeline() -> Pipeline | None:
    """Return the pipeline that `shutdown()` ended, for what is recorded after it; None before."""
    return _ended


def find_conversation(scope_id: str) -> str | None:
    """Return the conversation that the calls of an unnamed block continue, as far as this process knows."""
    pipeline = find_active_pipeline()
    if pipeline is None or pipeline.settings.export != "greenflash":
        return None
    return pipeline.find_conversation(scope_id)


def find_active_tracer() -> Tracer:
    """Return the tracer of the process; outside of `instrument()`, that of the global provider."""
    runtime = _runtime
    return trace.get_tracer(TRACER) if runtime is None else runtime.tracer


def find_recording_tracer() -> Tracer:
    """Return the tracer for what the application's own code records.

    An exporter alone gets that from a tracer of ours: its own provider may not be the global one.
    """
    pipeline = standalone.pipeline_of_process()
    if _runtime is not None or pipeline is None:
        return find_active_tracer()
    return _make_standalone_tracer(pipeline)


@lru_cache(maxsize=1)
def _make_standalone_tracer(pipeline: Pipeline) -> Tracer:
    return OwnTracer(pipeline, Resource.create())


def stats() -> Stats:
    """Return what became of everything captured: accepted = delivered + pending + rejected + lost, by reason."""
    pipeline = find_active_pipeline()
    return add_process_counts(Stats()) if pipeline is None else pipeline.stats()


def has_other_readers() -> bool:
    """Return whether anybody but our own pipeline may read the spans that we make."""
    runtime = _runtime
    return runtime is None or not isinstance(runtime.tracer, OwnTracer)


def note_outcome_span(span: trace.Span, recorded_by: Pipeline | None) -> None:
    """Note that the outcome of a span is recorded already, so that no exporter of ours records it again."""
    if recorded_by is not None and standalone.is_in_use():
        SPAN_CONTEXTS.note_recorded(span.get_span_context(), recorded_by)


def _arrange_end() -> None:
    """Have `shutdown` called at the end of this process and of its forks. Once: nothing can undo it."""
    global _is_end_arranged
    if not _is_end_arranged:
        _is_end_arranged = True
        atexit.register(shutdown)
        fork_hooks.at_end_of_children(shutdown)


_is_end_arranged = False


def _set_up(settings: Settings, passed: _PassedObjects) -> _Runtime:
    asked, provider = settings, passed.tracer_provider
    if settings.off_reason is not None:
        settings = replace(settings, export="none", frameworks=())
        provider = trace.NoOpTracerProvider()
    is_only_reader = provider is None and settings.export == "greenflash"
    pipeline: Pipeline
    processor: _Processor | None
    tracer: Tracer
    if is_only_reader:
        pipeline = Pipeline(settings, http_client=passed.http_client, on_delivered=passed.on_delivered)
        tracer = processor = OwnTracer(pipeline, Resource.create())
    else:
        if provider is None:
            to_collector = settings.export == "otlp"
            provider = make_own_provider(settings) if to_collector else trace.get_tracer_provider()
        pipeline, processor = _make_pipeline(settings, provider, passed)
        tracer = provider.get_tracer(TRACER)
    set_baggage_propagation(settings.baggage)
    set_strict(settings.strict)
    history = settings.history or ("new" if is_only_reader else "full")
    common = {"capture_content": settings.capture_content, "history": history, "id_key": settings.id_key}
    options = {"openai": common, "langchain": {**common, "chains": settings.langchain_chains}}
    with internal_errors.guarded("prepare for LangChain handlers that the application passes"):
        _import_instrumentation("langchain").prepare(tracer, **options["langchain"])
    for name in settings.frameworks:
        with internal_errors.guarded(f"instrument {name}"):
            _import_instrumentation(name).instrument(tracer, **options[name])
    return _Runtime(asked, settings, pipeline, tracer, processor, passed)


def _make_pipeline(
    settings: Settings, provider: Any, passed: _PassedObjects
) -> tuple[Pipeline, _Processor | None]:
    """Return where spans go by the setting ``export``, and what ``provider`` hands them to."""
    if not hasattr(provider, "add_span_processor") and settings.export != "none":
        raise ConfigurationError(
            "tracer_provider takes no span processor; pass an opentelemetry.sdk.trace.TracerProvider, or "
            "export='none' to make spans only"
        )
    if settings.export == "greenflash":
        pipeline = Pipeline(settings, http_client=passed.http_client, on_delivered=passed.on_delivered)
        processor = find_or_add_processor(provider, GreenflashSpanProcessor)
        processor.start(pipeline)
        return pipeline, processor
    idle = replace(IDLE, strict=settings.strict, export=settings.export)
    if settings.export == "otlp":
        collector = CollectorPipeline(idle, make_exporter(os.environ))
        sender = find_or_add_processor(provider, CollectorProcessor)
        sender.start(collector.batch)
        return collector, sender
    return Pipeline(idle), None


def _import_instrumentation(
    name: str,
) -> Any:  # a module with instrument() and uninstrument(), see FRAMEWORKS
    """Import the instrumentation of a framework: ours, never the framework itself, nor that of another."""
    return importlib.import_module(f"greenflash_otel.instrumentation.{name}")
