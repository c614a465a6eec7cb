"""Our instrumentations as OpenTelemetry's own tools find them: ``opentelemetry-instrument python app.py``.

Next to `instrument()` they change nothing: it has instrumented already, or will, and its tracer is the one
that counts. Needs ``opentelemetry-instrumentation``, which brings the tool.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib import import_module
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from greenflash_otel import internal_errors, runtime
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.frameworks import SUPPORTED
from greenflash_otel.settings import FRAMEWORKS, SETTINGS, Settings


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # has no types
    framework: str
    dependency: str

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the packages without which there is nothing to instrument."""
        return [self.dependency]

    def _instrument(self, **options: Any) -> None:
        if self.framework not in FRAMEWORKS or runtime.is_instrumented():
            return
        try:
            settings = Settings.read(os.environ, export="none")
        except ConfigurationError as error:  # raised here, it would stop the instrumentations of others too
            internal_errors.warn_once(f"{self.framework} is not instrumented: {error}")
            return
        with internal_errors.guarded(f"instrument {self.framework}"):
            self._import_module().instrument(
                trace.get_tracer(runtime.TRACER, tracer_provider=options.get("tracer_provider")),
                capture_content=_captures(settings),
                history=settings.history or "full",
                id_key=settings.id_key,
                metadata_keys=settings.metadata_keys,
            )

    def _uninstrument(self, **_options: Any) -> None:
        if self.framework in FRAMEWORKS and not runtime.is_instrumented():
            with internal_errors.guarded(f"uninstrument {self.framework}"):
                self._import_module().uninstrument()

    def _import_module(self) -> Any:  # of `instrumentation`; all of them have these two functions
        return import_module(f"greenflash_otel.instrumentation.{self.framework}")


class OpenAIInstrumentor(_Instrumentor):
    """Of the OpenAI SDK."""

    framework = "openai"
    dependency = SUPPORTED["openai"].requirement


class LangChainInstrumentor(_Instrumentor):
    """Of LangChain and LangGraph."""

    framework = "langchain"
    dependency = SUPPORTED["langchain"].requirement


def _captures(settings: Settings) -> bool:
    """Return the setting; by default True only for Greenflash: others may not be meant to see what was said."""
    if any(os.environ.get(variable, "").strip() for variable in SETTINGS["capture_content"].variables):
        return settings.capture_content
    return "greenflash" in os.environ.get("OTEL_TRACES_EXPORTER", "").replace(" ", "").split(",")
