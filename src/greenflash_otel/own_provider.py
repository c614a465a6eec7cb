"""Make a tracer provider for our own spans, where the application passes none."""

from __future__ import annotations

from collections import deque

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from greenflash_otel.collector import read_resource
from greenflash_otel.settings import Settings


def make_own_provider(settings: Settings) -> TracerProvider:
    """Return a provider that only we read. What goes to a Collector keeps to the limits of the environment.

    All else is retained whole, whatever is set for the application's own. The SDK registers a function for forks
    with each provider, for good, so the provider of an earlier `instrument()` is used again.
    """
    limits = SpanLimits(**dict.fromkeys(_LIMITS, SpanLimits.UNSET))
    resource = Resource.create()
    if settings.export == "otlp":
        limits = SpanLimits()
        resource = resource.merge(read_resource(settings))
    for provider, its_limits in _own_providers:
        if provider.resource == resource and vars(its_limits) == vars(limits):
            return provider
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, span_limits=limits
    )
    _own_providers.append((provider, limits))
    return provider


_own_providers: deque[tuple[TracerProvider, SpanLimits]] = deque(maxlen=4)
"""Our own providers, for the next `instrument()`."""
_LIMITS = (
    "max_attributes",
    "max_span_attributes",
    "max_event_attributes",
    "max_attribute_length",
    "max_span_attribute_length",
)
