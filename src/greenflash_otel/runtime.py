"""The public functions: one pipeline per process, from `instrument()` to `shutdown()`.

It reads the settings from the environment; below it, only the exporters do.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import httpx
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer

from greenflash_otel import internal_errors, sigterm, standalone
from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.answered_notes import OnDelivered
from greenflash_otel.delivery.stats import Stats, add_process_counts
from greenflash_otel.installation import Installation, PassedObjects, Redirection, set_up
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.model.telemetry import OURS
from greenflash_otel.own_spans import OwnTracer
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.set_up_report import report_second_call, report_set_up
from greenflash_otel.settings import Export, History, Settings
from greenflash_otel.span_contexts import SPAN_CONTEXTS

TRACER = OURS
MAKE_ROOM_S: Final = 1.0
"""How long delivery may take of what a test recorded before its application called `instrument()`."""


_runtime: Installation | None = None
_ended: Pipeline | None = None
_capture: Redirection | None = None
"""Where everything goes at present because a test captures."""
_makes_room = False
"""Whether the next `instrument()` replaces what the capture itself has set up."""
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
    propagate_threads: bool | None = None,
    propagate_tasks: bool | None = None,
    default_user_id: str | None = None,
    environment: str | None = None,
    release: str | None = None,
    metadata_keys: Iterable[str] | None = None,
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
    if _capture is None and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
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
        "propagate_threads": propagate_threads,
        "propagate_tasks": propagate_tasks,
        "default_user_id": default_user_id,
        "environment": environment,
        "release": release,
        "metadata_keys": metadata_keys,
        "print": print,
        "strict": strict,
        "name_wait_s": name_wait_s,
        "shutdown_timeout_s": shutdown_timeout_s,
        "handle_sigterm": handle_sigterm,
    }
    return _instrument(arguments, PassedObjects(tracer_provider, http_client, on_delivered))


def _instrument(arguments: Mapping[str, Any], passed: PassedObjects) -> Pipeline:
    """Set up what the application asks for, unless that is done; where a test captures, it gets everything."""
    if (capture := _capture) is not None:
        arguments, passed = capture.redirect(arguments), capture.redirect_objects(passed)
        _make_room_in_capture()
    if (runtime := _runtime) is None:
        settings = replace(Settings.read(os.environ, **arguments), keeps_all=capture is not None)
        runtime, is_first = _set_up_once(settings, passed)
        if is_first:
            with internal_errors.guarded("say what is set up"):
                report_set_up(settings, shares_provider=passed.tracer_provider is not None)
            return runtime.pipeline
    report_second_call(runtime.asked, arguments, other_objects=passed.list_others(runtime.passed))
    return runtime.pipeline


def _set_up_once(settings: Settings, passed: PassedObjects) -> tuple[Installation, bool]:
    """Return the runtime of this process, and whether this call made it: two threads may call at once."""
    global _runtime
    with _lock:
        if _runtime is not None:
            return _runtime, False
        _runtime = set_up(settings, passed)
        _arrange_end()
        if settings.handle_sigterm:
            limit_s = settings.shutdown_timeout_s + open_operations.MAX_LOCK_WAIT_S
            sigterm.install(shutdown, _keep, open_operations.is_busy, limit_s)
        return _runtime, True


def _make_room_in_capture() -> None:
    """End what a capture has set up before the application says how it wants to be instrumented."""
    global _makes_room
    with _lock:
        is_first, _makes_room = _makes_room, False
    if is_first:
        shutdown(timeout_s=MAKE_ROOM_S)


def note_in_capture(insert_id: str) -> None:
    """Let the test that captures know which line records an outcome: the caller's caller."""
    if (capture := _capture) is not None:
        with internal_errors.guarded("note where an outcome was recorded"):
            capture.note_outcome(insert_id)


@contextmanager
def capturing(capture: Redirection) -> Iterator[None]:
    """Let everything go elsewhere within the block; what was set up before is suspended meanwhile.

    Frameworks, redaction and defaults stay those of the application, whether it called `instrument()` before or
    calls it within the block.
    """
    global _runtime, _ended, _capture, _makes_room
    with _lock:
        former, before = _runtime, (_runtime, _ended, _capture, _makes_room)
        restore = former.suspend() if former is not None else lambda: None
        _runtime, _ended, _capture, _makes_room = None, None, capture, former is None
    try:
        passed = capture.redirect_objects(former.passed if former else PassedObjects())
        _set_up_once(capture.redirect_settings(former.asked if former else None), passed)
        yield
    finally:
        shutdown()
        with _lock:
            _runtime, _ended, _capture, _makes_room = before
            restore()


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
        runtime.disconnect()
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


def travels_as_span() -> bool:
    """Return whether a rating, a user or an organization leaves the process as a span, as no pipeline delivers it."""
    pipeline, ended = find_active_pipeline(), _ended
    if pipeline is None:
        return ended is None or ended.settings.export != "greenflash"
    return pipeline.settings.export != "greenflash"


def note_outcome_span(span: trace.Span, recorded_by: Pipeline | None) -> None:
    """Note that the outcome of a span is recorded already, so that no exporter of ours records it again."""
    if recorded_by is not None and standalone.is_in_use():
        SPAN_CONTEXTS.note_recorded(span.get_span_context(), recorded_by)


def _arrange_end() -> None:
    """Call `shutdown` at the end of this process and of its forks. Once: nothing can undo it."""
    global _is_end_arranged
    if not _is_end_arranged:
        _is_end_arranged = True
        atexit.register(shutdown)
        fork_hooks.at_end_of_children(shutdown)


_is_end_arranged = False
