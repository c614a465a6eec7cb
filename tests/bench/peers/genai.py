"""The official instrumentations of OpenTelemetry, with content on spans."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.bench.peers import spans

_provider = spans.make_provider()


def begin(sink_url: str, folder: str) -> None:
    """Instrument OpenAI and LangChain."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    openai: Any = import_module("opentelemetry.instrumentation.genai.openai")
    langchain: Any = import_module("opentelemetry.instrumentation.genai.langchain")
    openai.OpenAIInstrumentor().instrument(tracer_provider=_provider)
    langchain.LangChainInstrumentor().instrument(tracer_provider=_provider)


def flush() -> None:
    """Hand over what waits."""
    _provider.force_flush()
