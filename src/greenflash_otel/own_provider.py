"""Make a tracer provider for spans that go to a Collector, where the application passes none."""

from __future__ import annotations

from collections import deque

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from greenflash_otel.collector import read_resource
from greenflash_otel.settings import Settings


def make_own_provider(settings: Settings) -> TracerProvider:
    """Return a provider whose spans go to a Collector, within the limits of the environment.

    The SDK registers a function for forks with each provider, for good, so the provider of an earlier
    `instrument()` is used again.
    """
    limits, resource = SpanLimits(), Resource.create().merge(read_resource(settings))
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
