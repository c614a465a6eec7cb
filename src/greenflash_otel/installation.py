"""Set up what `instrument()` asks for: a pipeline, a tracer, and the wrappers of the frameworks.

The wrappers can be disconnected and connected again, so that a test captures elsewhere for a while.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer

from greenflash_otel import internal_errors
from greenflash_otel.arguments import set_strict
from greenflash_otel.collector import CollectorPipeline, CollectorProcessor, make_exporter
from greenflash_otel.conversation_baggage import set_baggage_propagation
from greenflash_otel.delivery.answered_notes import OnDelivered
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.exporter import GreenflashSpanProcessor, ReusableSpanProcessor, find_or_add_processor
from greenflash_otel.instrumentation import task_queues, threads
from greenflash_otel.model.telemetry import OURS
from greenflash_otel.own_provider import make_own_provider
from greenflash_otel.own_spans import OwnTracer
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.pipeline_parts import complete_by_resource
from greenflash_otel.settings import FRAMEWORKS, IDLE, Settings


class Processor(Protocol):
    """What a provider hands its spans to."""

    def stop(self) -> None:
        """Let all spans pass from now on."""
        ...


@dataclass(frozen=True, slots=True)
class PassedObjects:
    """What the application passed to `instrument()` and no setting can name."""

    tracer_provider: trace.TracerProvider | None = None
    http_client: httpx.Client | None = None
    on_delivered: OnDelivered | None = None

    def list_others(self, earlier: PassedObjects) -> list[str]:
        """Return the names of those that are not what an earlier call passed."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return [name for name, it in found.items() if it is not None and it is not getattr(earlier, name)]


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where everything goes while a test captures, whatever the application asks for."""

    product_id: str
    """Where the application names none."""
    settings: Mapping[str, Any]
    """They win over the application's."""
    http_client: httpx.Client
    note_outcome: Callable[[str], None] = lambda insert_id: None
    """Called with each outcome, where it is recorded."""

    def redirect(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that apply where the application asks for some."""
        merged = {**asked, "product_id": asked.get("product_id") or self.product_id, **self.settings}
        if merged.get("sample_rate") is not None:  # a test sees every conversation
            merged["sample_rate"] = 1.0
        return merged

    def redirect_settings(self, asked: Settings | None) -> Settings:
        """Return the settings that apply where the application has asked already, or not yet."""
        named = {"product_id": asked.product_id, "sample_rate": asked.sample_rate} if asked else {}
        changed = self.redirect(named)
        if asked is None or asked.export == "none":  # it made spans only, or OTEL_SDK_DISABLED is set
            changed["frameworks"] = (asked and asked.frameworks) or FRAMEWORKS
        return replace(asked or IDLE, **changed, offline_reason=None, keeps_all=True)

    def redirect_objects(self, passed: PassedObjects) -> PassedObjects:
        """Return what applies of what the application passed."""
        return replace(passed, http_client=self.http_client)


@dataclass(frozen=True, slots=True)
class Installation:
    """What `instrument()` set up and `shutdown()` takes down."""

    asked: Settings
    """What the application asked for, with which a second call is compared."""
    settings: Settings
    """What applies: the same, unless everything is off."""
    pipeline: Pipeline
    tracer: Tracer
    processor: Processor | None
    passed: PassedObjects

    def connect(self) -> None:
        """Let the frameworks, and everything else of the process, record here."""
        settings = self.settings
        set_baggage_propagation(settings.baggage)
        set_strict(settings.strict)
        if settings.propagate_threads:
            threads.install()
        if settings.propagate_tasks:
            task_queues.install(self.pipeline.flush)
        history = settings.history or ("new" if isinstance(self.tracer, OwnTracer) else "full")
        common = {
            "capture_content": settings.capture_content,
            "history": history,
            "id_key": settings.id_key,
            "metadata_keys": settings.metadata_keys,
        }
        options = {"openai": common, "langchain": {**common, "chains": settings.langchain_chains}}
        with internal_errors.guarded("prepare for LangChain handlers that the application passes"):
            _import_instrumentation("langchain").prepare(self.tracer, **options["langchain"])
        for name in settings.frameworks:
            with internal_errors.guarded(f"instrument {name}"):
                _import_instrumentation(name).instrument(self.tracer, **options[name])

    def disconnect(self) -> None:
        """Leave the frameworks as they were. What runs in them is recorded as far as it came."""
        set_baggage_propagation(False)
        set_strict(False)
        threads.remove()
        task_queues.remove()
        for name in {*self.settings.frameworks, "langchain"}:
            with internal_errors.guarded(f"uninstrument {name}"):
                _import_instrumentation(name).uninstrument()

    def suspend(self) -> Callable[[], None]:
        """Record nothing until the function that this returns is called."""
        self.disconnect()
        resume = self.processor.suspend() if isinstance(self.processor, ReusableSpanProcessor) else None

        def restore() -> None:
            if resume is not None:
                resume()
            self.connect()

        return restore


def set_up(asked: Settings, passed: PassedObjects) -> Installation:
    """Make a pipeline and a tracer, and connect the frameworks."""
    settings, provider = asked, passed.tracer_provider
    if settings.off_reason is not None:
        settings = replace(settings, export="none", frameworks=())
        provider = trace.NoOpTracerProvider()
    pipeline: Pipeline
    processor: Processor | None
    tracer: Tracer
    if provider is None and settings.export == "greenflash":
        resource = Resource.create()
        settings = complete_by_resource(settings, resource.attributes)
        pipeline = Pipeline(settings, http_client=passed.http_client, on_delivered=passed.on_delivered)
        tracer = processor = OwnTracer(pipeline, resource)
    else:
        if provider is None:
            to_collector = settings.export == "otlp"
            provider = make_own_provider(settings) if to_collector else trace.get_tracer_provider()
        pipeline, processor = _make_pipeline(settings, provider, passed)
        tracer = provider.get_tracer(OURS)
    installation = Installation(asked, settings, pipeline, tracer, processor, passed)
    installation.connect()
    return installation


def _make_pipeline(
    settings: Settings, provider: Any, passed: PassedObjects
) -> tuple[Pipeline, Processor | None]:
    """Return where spans go by the setting ``export``, and what ``provider`` hands them to."""
    if not hasattr(provider, "add_span_processor") and settings.export != "none":
        raise ConfigurationError(
            "tracer_provider takes no span processor; pass an opentelemetry.sdk.trace.TracerProvider, or "
            "export='none' to make spans only"
        )
    if settings.export == "greenflash":
        settings = complete_by_resource(
            settings, getattr(getattr(provider, "resource", None), "attributes", {})
        )
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
