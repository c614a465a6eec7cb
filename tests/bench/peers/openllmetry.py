"""OpenLLMetry (Traceloop). Content is on by default."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.bench.peers import spans

_provider = spans.make_provider()


def begin(sink_url: str, folder: str) -> None:
    """Instrument OpenAI and LangChain."""
    openai: Any = import_module("opentelemetry.instrumentation.openai")
    langchain: Any = import_module("opentelemetry.instrumentation.langchain")
    openai.OpenAIInstrumentor().instrument(tracer_provider=_provider)
    langchain.LangchainInstrumentor().instrument(tracer_provider=_provider)


def flush() -> None:
    """Hand over what waits."""
    _provider.force_flush()
